"""The archive against the tree: each file made again from the entries that were sealed, byte for byte.

What differs is located by its rows. The log's timestamps are in no leaf: they are taken as the file has them, and
held to the log where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

import pyarrow as pa

from audit.archive import Archive, ArchiveFile, Part
from audit.archive.columns import entries_table
from audit.archive.files import (
    encode_checkpoints,
    encode_entries,
    encode_payloads,
    open_file,
    payloads_table,
    read_file,
)
from audit.archive.schema import CHECKPOINTS
from audit.errors import ArchiveGap
from audit.proof.errors import FormatError
from audit.proof.hashing import leaf_hash

from .verified import TreeVerified

_WRITER: Final = re.compile(r"parquet-cpp-arrow version [0-9]+\.[0-9]+\.[0-9]+")
_OURS: Final = f"parquet-cpp-arrow version {pa.__version__}"
_DAY: Final = 86_400_000

Entries = Sequence[bytes | None]


@dataclass(slots=True)
class Beside:
    """What the archive has beside the entries of a range, by their place in it."""

    logged: Sequence[int | None]
    payloads: dict[int, bytes] = field(default_factory=dict)


class Archived:
    """The archive's files of one tree."""

    def __init__(self, archive: Archive, topic: bytes, partition: int, verified: TreeVerified) -> None:
        self._archive = archive
        self._place = topic, partition
        self._verified = verified
        self.files = self._files(Part.ENTRIES)
        self._payloads = {file.first: file for file in self._files(Part.PAYLOADS)}
        self._checkpoints = self._files(Part.CHECKPOINTS)

    def _files(self, part: Part) -> list[ArchiveFile]:
        try:
            return self._archive.files(part, *self._place)
        except FormatError as error:
            self._verified.flaw("archive", str(error))
            return []

    def ranges(self, archived: int | None, archiving: int | None) -> None:
        """Files cover the offsets from 0 on without a gap, up to where the notary's state says.

        Args:
            archived: the state's; None when there is no state.
            archiving: likewise.
        """
        at = 0
        for file in self.files:
            if file.first > at:
                self._gap(at, file.first)
            at = file.end
        if archived is not None and at < archived:
            self._gap(at, archived)
        if archiving is not None and at > archiving:
            said = f"has offsets up to {at - 1}; the notary has archived those below {archiving}"
            self._verified.flaw("archive", said, offset=archiving, path=self.files[-1].name)
        if archived is not None and archived != archiving:
            topic, partition = self._place
            said = f"a file of the offsets {archived} to before {archiving} is begun, and is not finished"
            self._verified.remark("state", said, path=f"{topic.hex()}/{partition}/state")
        known = {(file.first, file.end) for file in self.files}
        for file in (*self._payloads.values(), *self._checkpoints):
            if (file.first, file.end) not in known and (
                archiving is None or file.end > archiving or archiving == archived
            ):
                self._verified.flaw("archive", "there is no entries file of these offsets", path=file.name)

    def _gap(self, first: int, end: int) -> None:
        self._verified.flaw("archive", f"no file has the offsets {first} to {end - 1}", offset=first)

    def check(self, file: ArchiveFile, first: int, entries: Entries) -> Beside:
        """Hold a file, and the payloads beside it, to its entries, or to those of them from offset `first` on."""
        logged = self._entries(file, first, entries)
        beside = self._payloads.get(file.first)
        if beside is None or beside.end != file.end:
            return Beside(logged)
        payloads = self._payload_rows(beside)
        return Beside(
            logged,
            {
                at + file.first - first: payload
                for at, payload in payloads.items()
                if at + file.first >= first
            },
        )

    def _entries(self, file: ArchiveFile, first: int, entries: Entries) -> Sequence[int | None]:
        nothing: Sequence[int | None] = [None] * len(entries)
        try:
            content = self._archive.content(file)
            table = read_file(file, content)
        except (FormatError, ArchiveGap) as error:
            self._verified.flaw("archive", str(error), path=file.name)
            return nothing
        if table.num_rows != file.end - file.first:
            self._verified.flaw(
                "archive", f"has {table.num_rows} rows of {file.end - file.first}", path=file.name
            )
            return nothing
        logged: Sequence[int | None] = table.column("logged").cast(pa.int64()).to_pylist()
        self._day(file, logged)
        if None in entries or len(entries) != len(logged):
            self._rows(file, first, table.slice(first - file.first, len(entries)), entries)
            return logged[first - file.first : first - file.first + len(entries)]
        whole = [entry for entry in entries if entry is not None]
        made = entries_table(range(file.first, file.end), logged, whole)
        if encode_entries(made) == content:
            self._verified.archived += len(whole)
            self._verified.archive_files += 1
        elif not made.equals(table.select(made.column_names).cast(made.schema)):
            self._columns(file, table, made)
        else:
            self._other_writer(file, content)
            self._verified.archived += len(whole)
        return logged

    def _rows(self, file: ArchiveFile, first: int, table: pa.Table, entries: Entries) -> None:
        """Where the tree's own entry is wrong the archive may have the right one: it is only said."""
        rows = table.column("entry").to_pylist()
        for at, (row, entry) in enumerate(zip(rows, entries, strict=True)):
            if entry is not None and row != entry:
                self._verified.flaw(
                    "archive", "the entry is not what was sealed", offset=first + at, path=file.name
                )
            self._verified.archived += row == entry

    def _columns(self, file: ArchiveFile, table: pa.Table, made: pa.Table) -> None:
        """The first wrong cell of each column that has one."""
        for name in made.column_names:
            right, found = made.column(name), table.column(name).cast(made.schema.field(name).type)
            if right.equals(found):
                continue
            pairs = zip(right.to_pylist(), found.to_pylist(), strict=True)
            at = next((place for place, (a, b) in enumerate(pairs) if a != b), 0)
            self._verified.flaw(
                "archive",
                f"the column {name} is not what the entry says",
                offset=file.first + at,
                path=file.name,
            )

    def _other_writer(self, file: ArchiveFile, content: bytes) -> None:
        """The rows are right, the file's bytes are not those that we would write."""
        writer = open_file(file, content).metadata.created_by
        if writer == _OURS or not _WRITER.fullmatch(writer):
            self._verified.flaw(
                "archive", "its rows are right, its statistics or other bytes beside them are not: what searches by "
                "them may miss rows", path=file.name,
            )  # fmt: skip
        else:
            self._verified.archive_files += 1
            self._verified.remark("archive", f"was written by {writer}: its rows were compared, its bytes were not",
                                  path=file.name)  # fmt: skip

    def _day(self, file: ArchiveFile, logged: Sequence[int | None]) -> None:
        """All of one day; the folder says which, unless no time was known when it was named."""
        days = {time // _DAY for time in logged if time is not None}
        named = file.day.toordinal() - 719_163
        if len(days) > 1 or (days and named and days != {named}):
            self._verified.flaw("archive", f"its times are not all of {file.day.isoformat()}", path=file.name)

    def _payload_rows(self, file: ArchiveFile) -> dict[int, bytes]:
        try:
            content = self._archive.content(file)
            table = read_file(file, content)
        except (FormatError, ArchiveGap) as error:
            self._verified.flaw("archive", str(error), path=file.name)
            return {}
        offsets, digests, payloads = (
            table.column(name).to_pylist() for name in ("offset", "payload_digest", "payload")
        )
        found: dict[int, bytes] = {}
        before = file.first - 1
        for offset, digest, payload in zip(offsets, digests, payloads, strict=True):
            if not before < offset < file.end:
                self._verified.flaw(
                    "archive", f"has offset {offset} where it does not belong", path=file.name
                )
                return found
            before = offset
            found[offset - file.first] = payload
            if sha256(payload).digest() != digest:
                self._verified.flaw("payload", "the archive's payload has another digest than is written beside it",
                                    offset=offset, path=file.name)  # fmt: skip
        if encode_payloads(payloads_table(offsets, digests, payloads)) != content:
            self._other_writer(file, content)
        return found

    def checkpoint_files(self) -> None:
        """The bytes of checkpoint files; what they say is for `Heads`."""
        for file in self._checkpoints:
            try:
                content = self._archive.content(file)
                table = read_file(file, content).select(CHECKPOINTS.names).cast(CHECKPOINTS)
            except (FormatError, ArchiveGap, pa.ArrowException):
                continue  # Heads says it
            if encode_checkpoints(table) != content:
                self._other_writer(file, content)

    def entry(self, offset: int, leaf: bytes) -> bytes | None:
        """The archive's entry at an offset, when it is the one whose hash the tree has."""
        for file in self.files:
            if file.first <= offset < file.end:
                try:
                    row = read_file(file, self._archive.content(file), ["entry"]).column("entry")[
                        offset - file.first
                    ]
                except (FormatError, ArchiveGap, IndexError):
                    return None
                entry: bytes = row.as_py()
                return entry if leaf_hash(entry) == leaf else None
        return None
