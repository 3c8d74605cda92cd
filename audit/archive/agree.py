"""A file of the archive that is there already: left by a run that died, or somebody else's."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

from audit.errors import NotaryRefuses, ObjectsUnavailable
from audit.objects.base import Objects
from audit.proof.errors import FormatError

from .files import read_file
from .names import ArchiveFile

Agrees = Callable[[pa.Table, pa.Table], bool]


def create_or_agree(
    objects: Objects, file: ArchiveFile, content: bytes, table: pa.Table, agrees: Agrees
) -> int:
    """Create a file, or find that a run that died has; its bytes."""
    if objects.create(file.name, content):
        return len(content)
    there = objects.get(file.name)
    if there is None:
        raise ObjectsUnavailable(f"{file.name}: cannot be created, because it is there, and is not there")
    if there.content != content:
        # Other bytes may be the same rows: another version of the library, another compression.
        try:
            held = read_file(file, there.content).select(table.column_names).cast(table.schema)
        except (FormatError, pa.ArrowException, KeyError) as error:
            raise NotaryRefuses(f"{file.name}: is there already, and is no archive file: {error}") from error
        if not agrees(held, table):
            raise NotaryRefuses(f"{file.name}: is there already, with other rows than the log has")
    return len(there.content)


def same(there: pa.Table, ours: pa.Table) -> bool:
    """The same rows, in the same order."""
    return bool(there.combine_chunks().equals(ours.combine_chunks()))


def same_entries(there: pa.Table, ours: pa.Table) -> bool:
    """Equal, but for times that the log told then and does not tell any more."""
    if there.num_rows != ours.num_rows:
        return False
    known = pc.is_valid(ours.column("logged"))
    at = ours.schema.get_field_index("logged")
    times = pc.if_else(known, there.column("logged"), pa.scalar(None, there.schema.field(at).type))
    return same(there.set_column(at, there.schema.field(at), times), ours)


def same_payloads(there: pa.Table, ours: pa.Table, entries: pa.Table) -> bool:
    """Equal, or more than ours where the log has lost payloads since: these prove themselves by their digest."""
    if same(there, ours):
        return True
    digests = dict(
        zip(entries.column("offset").to_pylist(), entries.column("payload_digest").to_pylist(), strict=True)
    )
    offsets = there.column("offset").to_pylist()
    if sorted(set(offsets)) != offsets or not set(ours.column("offset").to_pylist()) <= set(offsets):
        return False
    rows = zip(
        offsets, there.column("payload_digest").to_pylist(), there.column("payload").to_pylist(), strict=True
    )
    return all(
        digest is not None and digest == digests.get(offset) and sha256(payload).digest() == digest
        for offset, digest, payload in rows
    )
