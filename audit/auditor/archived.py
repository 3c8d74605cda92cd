"""The archive against the tree: each file made again from the entries that were sealed, byte for byte.

What differs is located by its rows. The log's timestamps are in no leaf: they are taken as the file has them, and
held to the log where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from audit.archive import Archive, ArchiveFile, Part
from audit.archive.files import (
    PARQUET_ERRORS,
    WRITER,
    earlier_ways,
    encode_checkpoints,
    encode_entries,
    encode_payloads,
    open_file,
    read_file,
)
from audit.archive.schema import CHECKPOINTS, PAYLOADS
from audit.errors import ArchiveGap
from audit.notary.state import State
from audit.proof.errors import FormatError
from audit.proof.hashing import leaf_hash

from .claims import false_claims
from .verified import TreeVerified

_WRITER: Final = re.compile(r"parquet-cpp-arrow version [0-9]+\.[0-9]+\.[0-9]+")
_NAMED: Final = 8
"""False things that a file says of its rows; it may say no end of them."""
_DAY: Final = 86_400_000

Entries = Sequence[bytes | None]


@dataclass(slots=True)
class Beside:
    """What the archive has beside the entries of a range, by their place in it."""

    logged: Sequence[int | None]
    payloads: dict[int, bytes] = field(default_factory=dict)
    file: ArchiveFile | None = None
    """The file, when all entries of the range hold: `Archived.compare` then takes what they give."""
    first: int = 0
    """The first offset of the range, and how many there are: those of the whole file, or some."""
    count: int = 0
    content: bytes = b""
    payload_file: ArchiveFile | None = None
    payload_content: bytes = b""
    payload_table: pa.Table | None = None

    def payload_path(self, offset: int) -> str | None:
        """The file that a payload is from; None when the archive does not have it."""
        if self.payload_file is None or self.payload_table is None:
            return None
        there = pc.any(pc.equal(self.payload_table.column("offset"), offset)).as_py()
        return self.payload_file.name if there else None


class Archived:
    """The archive's files of one tree."""

    def __init__(self, archive: Archive, topic: bytes, partition: int, verified: TreeVerified) -> None:
        self._archive = archive
        self._place = topic, partition
        self._verified = verified
        # A notary writes payloads, checkpoints, entries: what is beside the entries that are listed first is there,
        # and what is listed then has its entries when they are listed again, unless the file is just being written.
        self.files = self._files(Part.ENTRIES)
        self._payloads = {file.first: file for file in self._files(Part.PAYLOADS)}
        self._checkpoints = self._files(Part.CHECKPOINTS)
        self._again = self._files(Part.ENTRIES)

    def _files(self, part: Part) -> list[ArchiveFile]:
        try:
            return self._archive.files(part, *self._place)
        except FormatError as error:
            self._verified.flaw("archive", str(error))
            return []

    def ranges(self, before: State | None, after: State | None, size: int) -> None:
        """Files cover the offsets from 0 on without a gap, up to where the notary's state says, and never go beyond it.

        Args:
            before: the state as it was before the files were listed; None when there is none.
            after: as it is now.
            size: leaves under the largest signed head that is there now.
        """
        at = 0
        for file in self.files:
            if file.first > at:
                self._gap(at, file.first)
            at = file.end
        if before is not None and at < before.archived:
            self._gap(at, before.archived)
        self._beyond(None if after is None else after.archiving, size)
        if before is not None and before == after and before.archived != before.archiving:
            topic, partition = self._place
            said = f"a file of the offsets {before.archived} to before {before.archiving} is begun, and is not finished"
            self._verified.remark("state", said, path=f"{topic.hex()}/{partition}/state")
        known = {(file.first, file.end) for file in (*self.files, *self._again)}
        for file in (*self._payloads.values(), *self._checkpoints):
            begun = (
                before is not None
                and after is not None
                and before.archived <= file.first
                and file.end <= after.archiving
            )
            if (file.first, file.end) not in known and not begun:
                self._verified.flaw("archive", "there is no entries file of these offsets", path=file.name)

    def _beyond(self, archiving: int | None, size: int) -> None:
        """Only what is sealed is archived, and the state tells first: a file beyond both is of a larger tree."""
        last = max((*self.files, *self._again), key=lambda file: file.end, default=None)
        if last is None:
            return
        if last.end > size:
            said = f"has offsets up to {last.end - 1}, and the newest checkpoint covers {size}: "
            said += "the store was rolled back, or its state or a checkpoint is missing"
            self._verified.flaw("archive", said, offset=size, path=last.name)
        elif archiving is not None and last.end > archiving:
            said = f"has offsets up to {last.end - 1}; the notary has archived those below {archiving}"
            self._verified.flaw("archive", said, offset=archiving, path=last.name)

    def _gap(self, first: int, end: int) -> None:
        self._verified.flaw("archive", f"no file has the offsets {first} to {end - 1}", offset=first)

    def open(self, file: ArchiveFile, first: int, entries: Entries) -> Beside:
        """Read a file, and the payloads beside it, for its entries from offset `first` on, or for those that are given.

        Where some of them are missing or wrong the entries are compared here; else `compare` is to do it, with all
        columns.
        """
        beside = Beside([None] * len(entries))
        self._open_entries(file, first, entries, beside)
        payloads = self._payloads.get(file.first)
        if payloads is not None and payloads.end == file.end:
            self._open_payloads(payloads, first, beside)
        return beside

    def _open_entries(self, file: ArchiveFile, first: int, entries: Entries, beside: Beside) -> None:
        try:
            content = self._archive.content(file)
            sound = None not in entries
            table = read_file(file, content, ["offset", "logged"] if sound else ["offset", "logged", "entry"])
        except (FormatError, ArchiveGap) as error:
            self._verified.flaw("archive", str(error), path=file.name)
            return
        if table.num_rows != file.end - file.first:
            said = f"has {table.num_rows} rows of {file.end - file.first}"
            self._verified.flaw("archive", said, path=file.name)
            return
        logged: Sequence[int | None] = table.column("logged").cast(pa.int64()).to_pylist()
        self._day(file, logged)
        start = first - file.first
        beside.logged = logged[start : start + len(entries)]
        if sound:
            beside.file, beside.content = file, content
            beside.first, beside.count = first, len(entries)
        else:
            self._rows(file, first, table.slice(start, len(entries)), entries)

    def compare(self, beside: Beside, made: pa.Table, verified: TreeVerified) -> None:
        """Hold a file to the rows that its entries give, and the payloads' file to its entries. Of a file that the
        range covers in part the rows of the range are held to them; of a whole one its bytes too.

        May run in a thread of its own: what is found goes into `verified`, which nobody else has.
        """
        file, content = beside.file, beside.content
        assert file is not None
        try:
            whole = made.num_rows == file.end - file.first
            if whole and encode_entries(made) == content:
                verified.archived += made.num_rows
                verified.archive_files += 1
            else:
                table = read_file(file, content).select(made.column_names).cast(made.schema)
                table = table.slice(beside.first - file.first, made.num_rows)
                if made.equals(table):
                    verified.archived += made.num_rows
                    if whole:
                        self._other_writer(file, content, made, verified)
                else:
                    self._columns(file, beside.first, table, made, verified)
        except (FormatError, *PARQUET_ERRORS) as error:
            verified.flaw("archive", str(error), path=file.name)
        if beside.payload_file is not None and beside.payload_table is not None:
            self._compare_payloads(beside, made, verified)

    def _compare_payloads(self, beside: Beside, made: pa.Table, verified: TreeVerified) -> None:
        file, table = beside.payload_file, beside.payload_table
        assert file is not None
        assert table is not None
        offsets, whole = table.column("offset"), made.num_rows == file.end - file.first
        if not whole:
            inside = pc.and_(
                pc.greater_equal(offsets, beside.first), pc.less(offsets, beside.first + beside.count)
            )
            table = table.filter(inside)
        places = pc.subtract(table.column("offset"), beside.first)
        right, found = made.column("payload_digest").take(places), table.column("payload_digest")
        if not right.equals(found):
            pairs = zip(right.to_pylist(), found.to_pylist(), strict=True)
            at = next(place for place, (a, b) in enumerate(pairs) if a != b)
            verified.flaw("archive", "the column payload_digest is not what the entry says",
                          offset=table.column("offset")[at].as_py(), path=file.name)  # fmt: skip
        elif whole and encode_payloads(table) != beside.payload_content:
            self._other_writer(file, beside.payload_content, table, verified)

    def _rows(self, file: ArchiveFile, first: int, table: pa.Table, entries: Entries) -> None:
        """Where the tree's own entry is wrong the archive may have the right one: it is only said."""
        rows = table.column("entry").to_pylist()
        for at, (row, entry) in enumerate(zip(rows, entries, strict=True)):
            if entry is not None and row != entry:
                self._verified.flaw(
                    "archive", "the entry is not what was sealed", offset=first + at, path=file.name
                )
            self._verified.archived += row == entry

    def _columns(
        self, file: ArchiveFile, first: int, table: pa.Table, made: pa.Table, verified: TreeVerified
    ) -> None:
        """The first wrong cell of each column that has one, in rows from the offset `first` on."""
        for name in made.column_names:
            right, found = made.column(name), table.column(name)
            if right.equals(found):
                continue
            pairs = zip(right.to_pylist(), found.to_pylist(), strict=True)
            at = next((place for place, (a, b) in enumerate(pairs) if a != b), 0)
            verified.flaw(
                "archive",
                f"the column {name} is not what the entry says",
                offset=first + at,
                path=file.name,
            )

    def _other_writer(
        self, file: ArchiveFile, content: bytes, table: pa.Table, verified: TreeVerified
    ) -> None:
        """The rows are right, the file's bytes are not those that we would write: what it says of its rows is held to
        them, whoever wrote it. What this version of the library wrote MUST be in one of the ways that we know: else a
        byte was changed, be it one that says nothing of the rows; or a version wrote it that came after this one.
        """
        writer, faults = open_file(file, content).footer.writer, list[str]()
        try:
            faults += islice(false_claims(file.part, content, table), _NAMED)
        except (FormatError, *PARQUET_ERRORS) as error:
            faults.append(str(error))
        if not _WRITER.fullmatch(writer):
            faults.append("it says that something else wrote it than the library that a notary has")
        for fault in faults:
            verified.flaw(
                "archive", f"its rows are right, and what it says of them is not: {fault}", path=file.name
            )
        if faults:
            return
        if writer == WRITER and content not in earlier_ways(file.part, table):
            said = "its rows are right, and no version known here writes it so with the library that it names"
            verified.flaw("archive", said, path=file.name)
        else:
            verified.archive_files += file.part is Part.ENTRIES
            said = f"was written in another way, by {writer}: what it says of its rows was held to them"
            verified.remark("archive", said, path=file.name)

    def _day(self, file: ArchiveFile, logged: Sequence[int | None]) -> None:
        """All of one day; the folder says which, unless no time was known when it was named."""
        days = {time // _DAY for time in logged if time is not None}
        named = file.day.toordinal() - 719_163
        if len(days) > 1 or (days and named and days != {named}):
            self._verified.flaw("archive", f"its times are not all of {file.day.isoformat()}", path=file.name)

    def _open_payloads(self, file: ArchiveFile, first: int, beside: Beside) -> None:
        try:
            content = self._archive.content(file)
            table = read_file(file, content).select(PAYLOADS.names).cast(PAYLOADS)
        except (FormatError, ArchiveGap, *PARQUET_ERRORS) as error:
            self._verified.flaw("archive", str(error), path=file.name)
            return
        before = file.first - 1
        for offset, payload in zip(
            table.column("offset").to_pylist(), table.column("payload").to_pylist(), strict=True
        ):
            if not before < offset < file.end:
                said = f"has offset {offset} where it does not belong"
                self._verified.flaw("archive", said, path=file.name)
                return
            before = offset
            if first <= offset < first + len(beside.logged):
                beside.payloads[offset - first] = payload
        beside.payload_file, beside.payload_content, beside.payload_table = file, content, table

    def checkpoint_files(self) -> None:
        """The bytes of checkpoint files; what they say is for `Heads`."""
        for file in self._checkpoints:
            try:
                content = self._archive.content(file)
                table = read_file(file, content).select(CHECKPOINTS.names).cast(CHECKPOINTS)
            except (FormatError, ArchiveGap, *PARQUET_ERRORS):
                continue  # Heads says it
            if encode_checkpoints(table) != content:
                self._other_writer(file, content, table, self._verified)

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
