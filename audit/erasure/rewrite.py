"""A payload file of the archive, written again without some of its rows.

It is what the notary would have written had the log carried these payloads no more: the same rows otherwise, by the
same writer. So `affiant audit verify` holds it to the same rules as before: each payload to its entry's digest, the
file's bytes to its rows.

The file is compared and swapped: at any time it is the old one, whole, or the new one, whole. What another process has
written meanwhile is read again.
"""

from __future__ import annotations

from collections.abc import Collection
from hashlib import sha256
from typing import Final

import pyarrow as pa

from audit.archive.files import PARQUET_ERRORS, encode_payloads, payloads_table, read_file
from audit.archive.names import ArchiveFile, Part
from audit.archive.schema import PAYLOADS
from audit.errors import ObjectChanged, ObjectsUnavailable
from audit.objects.base import Objects, Removes
from audit.objects.directory import DirectoryObjects
from audit.proof.errors import FormatError

_ATTEMPTS: Final = 4


def without(objects: Objects, file: ArchiveFile, offsets: Collection[int], digests: Collection[bytes]) -> int:
    """Rewrite a payload file without some rows; how many went. A file that would have none is removed.

    Rows go that have one of the offsets, or one of the digests, or a payload of one: whatever their other cells say.
    All others MUST stay as they are, also what is not what it should be: that is for `affiant audit verify` to say.

    Args:
        objects: where payload files are.
        file: which; it MUST be finished (`State.archived` is beyond it): a notary that died over it writes it again.
        offsets: of the rows that are to go.
        digests: SHA-256 of payloads that are to go.

    Raises:
        FormatError: the file is damaged, or would be; it was left as it is.
        ObjectsUnavailable: the store does not answer, or refuses; the file is the old one or the new one.
    """
    assert file.part is Part.PAYLOADS
    for _ in range(_ATTEMPTS):
        stored = objects.get(file.name)
        if stored is None:
            _tidy(objects, file)
            return 0
        rows = payload_rows(file, stored.content)
        kept = [row for row in rows if not _goes(row, offsets, digests)]
        gone = len(rows) - len(kept)
        if not gone:
            _tidy(objects, file)
            return 0
        if not kept:
            if not isinstance(objects, Removes):
                raise ObjectsUnavailable(f"{objects!r}: nothing is removed there")
            objects.remove(file.name)
            return gone
        content = _encoded(file, kept)
        try:
            objects.swap(file.name, content, stored.version)
        except ObjectChanged:
            continue
        _tidy(objects, file)
        return gone
    raise ObjectsUnavailable(f"{objects!r}/{file.name}: changes whenever it is looked at")


Row = tuple[int, bytes, bytes]
"""Offset, digest as the file says it, payload."""


def payload_rows(file: ArchiveFile, content: bytes) -> list[Row]:
    """The rows of a payload file. Raises FormatError: it is none."""
    try:
        table = read_file(file, content).select(PAYLOADS.names).cast(PAYLOADS)
    except FormatError:
        raise
    except PARQUET_ERRORS as error:
        raise FormatError(f"{file.name}: {error}") from error
    return list(zip(*(table.column(name).to_pylist() for name in PAYLOADS.names), strict=True))


def _goes(row: Row, offsets: Collection[int], digests: Collection[bytes]) -> bool:
    offset, said, payload = row
    return offset in offsets or said in digests or sha256(payload).digest() in digests


def _encoded(file: ArchiveFile, rows: list[Row]) -> bytes:
    """The new file's bytes, read back: it takes the place of the only copy of what is in it.

    Raises:
        FormatError: what the writer made is not what it was given.
    """
    content = encode_payloads(payloads_table(*(list(column) for column in zip(*rows, strict=True))))
    again = payload_rows(file, content)
    if again != rows or encode_payloads(_table(file, content)) != content:
        raise FormatError(f"{file.name}: would not be read as it was written; it was left as it is")
    return content


def _table(file: ArchiveFile, content: bytes) -> pa.Table:
    return read_file(file, content).select(PAYLOADS.names).cast(PAYLOADS)


def _tidy(objects: Objects, file: ArchiveFile) -> None:
    """What killed writers left beside the file may hold what is erased: of a bucket there is no such thing."""
    if isinstance(objects, DirectoryObjects):
        objects.tidy(file.name)
