"""Records back out of the archive, for whoever goes on when the log does not have them any more.

Nothing here is proved: an entry is proved by its leaf in the tree, a payload by its entry's digest.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import BinaryIO, NamedTuple

import pyarrow as pa

from audit.errors import ArchiveGap
from audit.objects.base import Objects, Seekable
from audit.proof.errors import FormatError
from audit.proof.record import frame_record

from .bounds import batches
from .files import PARQUET_ERRORS, open_file, read_file
from .footer import Group
from .names import ArchiveFile, Part, files_of, marks_of


class ArchivedRecord(NamedTuple):
    """What stood at an offset of the log. `logged` is the log's timestamp, ms since 1970 UTC, when known.

    `payload` is empty when the log carried none, or when it was erased here.
    """

    offset: int
    logged: int | None
    entry: bytes
    payload: bytes

    @property
    def value(self) -> bytes:
        """The record, as the log carried it (a hole's is its entry's)."""
        return frame_record(self.entry, self.payload)


class Archive:
    """The archive in a store."""

    def __init__(self, objects: Objects, payload_objects: Objects | None = None) -> None:
        """`payload_objects`: where payload files are, when elsewhere."""
        self._objects = objects
        self._payload_objects = payload_objects or objects
        self._files: dict[tuple[Part, bytes, int], list[ArchiveFile]] = {}

    def files(self, part: Part, topic: bytes, partition: int) -> list[ArchiveFile]:
        """The files of a partition, by their offsets; the store is asked.

        Raises:
            FormatError: two of them hold the same offset.
            ObjectsUnavailable: the store does not answer.
        """
        found = _apart(files_of(self._store(part), part, topic, partition))
        self._files[part, topic, partition] = found
        return found

    def marks(self, part: Part, topic: bytes, partition: int) -> dict[ArchiveFile, str]:
        """The same files, each with a mark: another one once the file was written again (`Marking`).

        A file MUST be asked for its mark first and read then: what is written in between has another mark next time.

        Raises: as `files`.
        """
        marks = marks_of(self._store(part), part, topic, partition)
        return {file: marks[file] for file in _apart(marks)}

    def all_files(self, part: Part) -> Iterator[ArchiveFile]:
        """The files of one kind, of every topic and partition."""
        return files_of(self._store(part), part)

    def content(self, file: ArchiveFile) -> bytes:
        """The bytes of a file.

        Raises:
            ArchiveGap: it is gone.
        """
        stored = self._store(file.part).get(file.name)
        if stored is None:
            raise ArchiveGap(f"{file.name}: is not there")
        return stored.content

    def rows(self, file: ArchiveFile, columns: list[str] | None = None) -> pa.Table:
        """The rows of a file.

        Raises:
            FormatError: it is no file of the archive.
        """
        return read_file(file, self.content(file), columns)

    def records(self, topic: bytes, partition: int, start: int, end: int) -> Iterator[ArchivedRecord]:
        """The records of the offsets [start, end), each once.

        Raises:
            ArchiveGap: it does not hold one of them.
            FormatError: a file is not what its name says.
            ObjectsUnavailable: the store does not answer.
        """
        payloads = {file.first: file for file in self.files(Part.PAYLOADS, topic, partition)}
        at = start
        for file in self.files(Part.ENTRIES, topic, partition):
            if file.end <= at or file.first >= end:
                continue
            if file.first > at:
                break
            beside = payloads.get(file.first)
            yield from self._range(file, beside, at, min(end, file.end))
            at = min(end, file.end)
        if at < end:
            raise ArchiveGap(
                f"archive: topic {topic.hex()}, partition {partition}: offset {at} is in no entries file"
            )

    def _range(
        self, file: ArchiveFile, beside: ArchiveFile | None, start: int, end: int
    ) -> Iterator[ArchivedRecord]:
        payloads = (
            self._payloads(beside, start, end, self.content(beside)) if beside is not None else iter(())
        )
        waiting = next(payloads, None)
        expected = file.first
        for batch in _batches(file, self.content(file), ["offset", "logged", "entry"]):
            times = batch.column("logged").cast(pa.int64()).to_pylist()
            rows = zip(
                batch.column("offset").to_pylist(), times, batch.column("entry").to_pylist(), strict=True
            )
            for offset, logged, entry in rows:
                if offset != expected:
                    raise FormatError(f"{file.name}: has offset {offset} where {expected} belongs")
                expected += 1
                if not start <= offset < end:
                    continue
                payload = b""
                if waiting is not None and waiting[0] == offset:
                    payload, waiting = waiting[1], next(payloads, None)
                yield ArchivedRecord(offset, logged, entry, payload)
        if expected != file.end:
            raise FormatError(f"{file.name}: ends at offset {expected - 1}, its name says {file.end - 1}")

    def _payloads(
        self, file: ArchiveFile, start: int, end: int, content: bytes | BinaryIO
    ) -> Iterator[tuple[int, bytes]]:
        before = file.first - 1
        for batch in _batches(file, content, ["offset", "payload"], start, end):
            rows = zip(batch.column("offset").to_pylist(), batch.column("payload").to_pylist(), strict=True)
            for offset, payload in rows:
                if not before < offset < file.end:
                    raise FormatError(f"{file.name}: has offset {offset} where it does not belong")
                before = offset
                if start <= offset < end:
                    yield offset, payload

    def payload(self, topic: bytes, partition: int, offset: int) -> bytes | None:
        """The payload at an offset; None when the archive does not have it.

        Raises:
            FormatError: a file is not what its name says.
            ObjectsUnavailable: the store does not answer.
        """
        file = self._at(Part.PAYLOADS, topic, partition, offset)
        if file is None:
            return None
        with self._opened(file) as content:
            found = self._payloads(file, offset, offset + 1, content)
            return next((payload for _, payload in found), None)

    @contextmanager
    def _opened(self, file: ArchiveFile) -> Iterator[bytes | BinaryIO]:
        """The file for who needs a little of it: to seek in, where the store can do that."""
        store = self._store(file.part)
        opened = store.open(file.name) if isinstance(store, Seekable) else None
        if opened is None:
            yield self.content(file)
        else:
            with opened:
                yield opened

    def _at(self, part: Part, topic: bytes, partition: int, offset: int) -> ArchiveFile | None:
        """The file that holds an offset; the store is asked again when the one known does not."""
        found = _holding(self._files.get((part, topic, partition), []), offset)
        return found or _holding(self.files(part, topic, partition), offset)

    def _store(self, part: Part) -> Objects:
        return self._payload_objects if part is Part.PAYLOADS else self._objects


def _apart(files: Iterable[ArchiveFile]) -> list[ArchiveFile]:
    """By their offsets. Raises FormatError: two of them hold the same one."""
    found = sorted(files, key=lambda file: file.first)
    for one, other in pairwise(found):
        if other.first < one.end:
            raise FormatError(f"{one.name} and {other.name} hold the same offset")
    return found


def _holding(files: list[ArchiveFile], offset: int) -> ArchiveFile | None:
    place = bisect_right(files, offset, key=lambda file: file.first) - 1
    return files[place] if place >= 0 and files[place].end > offset else None


def _batches(
    file: ArchiveFile, content: bytes | BinaryIO, columns: list[str], start: int = 0, end: int = 2**63 - 1
) -> Iterator[pa.RecordBatch]:
    """Rows of the row groups that may hold offsets of [start, end)."""
    opened = open_file(file, content)
    groups = [number for number, group in enumerate(opened.footer.groups) if _may_hold(group, start, end)]
    try:
        if groups:
            yield from batches(file, opened, columns, groups)
    except FormatError:
        raise
    except PARQUET_ERRORS as error:
        raise FormatError(f"{file.name}: damaged ({error})") from error


def _may_hold(group: Group, start: int, end: int) -> bool:
    """Whether offsets of [start, end) may be in a row group, by the least and the greatest that it says."""
    for column in group.columns:
        if column.leaf.path == ("offset",) and column.least is not None and column.most is not None:
            least, most = (
                int.from_bytes(each, "little", signed=True) for each in (column.least, column.most)
            )
            return least < end and most >= start
    return True
