"""A persisted index of the archive: where a record is, and what there is to search (DuckDB, one file).

It is filled from the archive's entries files, and for what is not archived yet from the trees' entry bundles.
Nothing in it is trusted. It finds; what is shown is proved against a signed checkpoint, from the tree itself. What it
does not find may be there: only a verification of the whole archive tells.

A file of the archive that was written again since it was indexed, or that is gone, is let go of with its rows: what a
forger put there goes when the archive is put right.

When the index is deleted it is made again. One process uses it at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from itertools import product
from typing import Any, Final, NamedTuple

import pyarrow as pa

from audit.archive import Archive, ArchiveFile, Part
from audit.archive.columns import entries_table
from audit.archive.schema import CHECKPOINTS
from audit.errors import ArchiveGap
from audit.proof.checkpoint import parse_checkpoint
from audit.proof.entry import parse_record_id
from audit.proof.errors import FormatError
from audit.proof.note import parse_note
from audit.proof.tiles import WIDTH, Bundle, read_bundle
from audit.sealed import Published, SealedTree, TreeId

from .query import Search, search_sql
from .tables import COLUMNS, Tables, told

_PARTS: Final = (Part.ENTRIES, Part.CHECKPOINTS)
_FILES: Final = 8
"""Files that are indexed at once: a transaction costs as much as a file."""
_BUNDLES: Final = 64
"""Entry bundles that are indexed at once."""
Progress = Callable[[int], None]
Marks = Mapping[tuple[TreeId, Part], Mapping[ArchiveFile, str]]


class Located(NamedTuple):
    """Where the index says that a record is. `logged`: the log's time, ms since 1970 UTC, once it is archived."""

    topic: bytes
    partition: int
    offset: int
    logged: int | None = None


class Listed(NamedTuple):
    """The archive's files of some trees, each with its mark, as they were at one look; listing them may take many
    requests. `wrong`: trees whose files contradict each other, of which there are none in `marks`.
    """

    marks: Marks
    wrong: tuple[str, ...]


class Index(Tables):
    """The index of one store. Used by one thread."""

    # ------------------------------------------------------------ filling

    def is_up_to(
        self, archive: Archive, heads: Mapping[SealedTree, Published], listed: Listed | None = None
    ) -> bool:
        """Whether the last update had these very heads and files, and found nothing wrong: nothing is to be done.

        As nearly always, for a command that asks one thing; to find out by the rows takes a third of its time.

        Args:
            archive: of the same store.
            heads: each tree, with the newest checkpoint that was verified.
            listed: the archive's files of these trees; they are listed now when not given.

        Raises:
            ObjectsUnavailable: from the store.
            IndexUnusable: the index is damaged.
        """
        listed = listed or listed_in(archive, heads)
        with told(self._path):
            return not listed.wrong and self._seen() == _state(heads, listed.marks)

    def missing(self, archive: Archive, heads: Mapping[SealedTree, Published]) -> int:
        """Records that `update` would add, about: for a progress bar."""
        return sum(
            sum(end - first for first, end in self._gaps(tree, published.size))
            for tree, published in heads.items()
        )

    def update(
        self,
        archive: Archive,
        heads: Mapping[SealedTree, Published],
        progress: Progress = lambda _: None,
        listed: Listed | None = None,
    ) -> list[str]:
        """Index what the archive and the trees have up to these checkpoints and is not indexed yet, and nothing else.

        What came out of a file that the archive has no longer as it was is indexed again.

        A file of the archive that is not what it should be hides nothing: its offsets are indexed from the tree.

        Args:
            archive: of the same store.
            heads: each tree, with the newest checkpoint that was verified.
            progress: told how many records were added since the last call.
            listed: as `is_up_to` has it.

        Returns:
            What is wrong with the archive.

        Raises:
            FormatError: a tree's bundle is not what it should be.
            ObjectsUnavailable: from the store.
            IndexUnusable: the index cannot be written.
        """
        with told(self._path):
            # A crash behind it leaves an index of which nobody says what it has: the next update looks at the rows.
            self._see(None)
            listed = listed or listed_in(archive, heads)
            wrong = [*listed.wrong]
            self._forget_unsealed({_place(tree.tree): head.size for tree, head in heads.items()})
            for tree, published in heads.items():
                for part in _PARTS:
                    marks = listed.marks[tree.tree, part]
                    held = self._still_held(part, tree.tree, marks)
                    new = [
                        (file, mark)
                        for file, mark in marks.items()
                        if (file.first, file.end) not in held and file.end <= published.size
                    ]
                    for at in range(0, len(new), _FILES):
                        progress(self._add_files(archive, new[at : at + _FILES], wrong))
                for first, end in self._gaps(tree, published.size):
                    self._add_tail(tree, published.size, first, end, progress)
                self._add_published(tree, published)
            if not wrong:
                self._see(_state(heads, listed.marks))
        return wrong

    def _forget_unsealed(self, sizes: Mapping[tuple[str, int], int]) -> None:
        """Let go of what no verified checkpoint covers: of trees that are gone, or were rolled back.

        It would be counted as sealed, and found, and could not be proved.
        """
        # Rows out of the archive came with their file.
        ends = self._rows(
            'SELECT topic, partition, max("offset") + 1 FROM entries WHERE NOT archived GROUP BY ALL'
        )
        ends += self._rows('SELECT topic, partition, max("end") FROM files GROUP BY ALL')
        for place in {
            (topic, partition) for topic, partition, end in ends if end > sizes.get((topic, partition), 0)
        }:
            size = sizes.get(place, 0)
            with self._transaction():
                # A file that reaches beyond is let go of whole; what of it is sealed comes out of the bundles again.
                where, given = 'topic = ? AND partition = ? AND "end" > ?', [*place, size]
                firsts = self._rows(f'SELECT min("first") FROM files WHERE {where}', given)  # noqa: S608 — our own text
                first = size if firsts[0][0] is None else min(size, firsts[0][0])
                self._connection.execute(f"DELETE FROM files WHERE {where}", given)  # noqa: S608
                self._connection.execute(
                    'DELETE FROM entries WHERE topic = ? AND partition = ? AND "offset" >= ?', [*place, first]
                )
                self._connection.execute(
                    "DELETE FROM checkpoints WHERE topic = ? AND partition = ? AND size > ?", [*place, size]
                )

    def _still_held(self, part: Part, tree: TreeId, marks: Mapping[ArchiveFile, str]) -> set[tuple[int, int]]:
        """Ranges of the files of a tree that are in it as the archive has them now; the others are let go of."""
        where, given = "part = ? AND topic = ? AND partition = ?", [str(part), *_place(tree)]
        rows = self._rows(f'SELECT "first", "end", mark FROM files WHERE {where}', given)  # noqa: S608 — our own text
        now = {(file.first, file.end): mark for file, mark in marks.items()}
        changed = {(first, end) for first, end, mark in rows if now.get((first, end)) != mark}
        if changed and part is Part.CHECKPOINTS:  # few, and a row does not tell its file: all of them
            changed = {(first, end) for first, end, _ in rows}
        if changed:
            # A crash behind it leaves a gap, which the next update fills.
            with self._transaction():
                for span in sorted(changed):
                    self._connection.execute(
                        f'DELETE FROM files WHERE {where} AND "first" = ? AND "end" = ?',  # noqa: S608
                        [*given, *span],
                    )
                    if part is Part.ENTRIES:
                        self._connection.execute(
                            "DELETE FROM entries WHERE archived AND topic = ? AND partition = ? "
                            'AND "offset" >= ? AND "offset" < ?',
                            [*_place(tree), *span],
                        )
                if part is Part.CHECKPOINTS:
                    self._connection.execute(
                        "DELETE FROM checkpoints WHERE topic = ? AND partition = ?", [*_place(tree)]
                    )
        return {(first, end) for first, end, _ in rows} - changed

    def _add_files(self, archive: Archive, files: Sequence[tuple[ArchiveFile, str]], wrong: list[str]) -> int:
        """Put files of one kind in, each with its mark, all or none; how many records that are. Those that are damaged
        are left out.
        """
        added = 0
        with self._transaction():
            for file, mark in files:
                try:
                    rows = _read(archive, file)
                except (FormatError, ArchiveGap) as error:
                    wrong.append(str(error))
                    continue
                if file.part is Part.ENTRIES:
                    self._add_entries(file, rows)
                    added += file.end - file.first
                else:
                    self._insert("checkpoints", CHECKPOINTS.names, rows, file.topic, file.partition)
                self._connection.execute(
                    "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?)",
                    [str(file.part), file.topic.hex(), file.partition, file.first, file.end, mark],
                )
        return added

    def _add_entries(self, file: ArchiveFile, rows: pa.Table) -> None:
        # What the bundles told of these offsets before they were archived, without their times.
        self._connection.execute(
            "DELETE FROM entries WHERE NOT archived AND topic = ? AND partition = ? "
            'AND "offset" >= ? AND "offset" < ?',
            [file.topic.hex(), file.partition, file.first, file.end],
        )
        self._insert("entries", COLUMNS, rows, file.topic, file.partition, "TRUE, ")

    def _gaps(self, tree: SealedTree, size: int) -> list[tuple[int, int]]:
        """Ranges of offsets below `size` that are not in the index: the tail, and what the archive lost."""
        place = [tree.tree.topic.hex(), tree.tree.partition]
        ranges = self._rows(
            'SELECT "first", "end" FROM files WHERE part = ? AND topic = ? AND partition = ?',
            [str(Part.ENTRIES), *place],
        )
        tail = self._rows(
            'WITH tail AS (SELECT "offset" FROM entries WHERE topic = ? AND partition = ? AND NOT archived) '
            'SELECT min("offset"), max("offset") + 1 FROM (SELECT "offset", "offset" - row_number() OVER '
            '(ORDER BY "offset") AS run FROM tail) GROUP BY run',
            place,
        )
        gaps, at = [], 0
        for first, end in sorted(ranges + tail):
            if first > at:
                gaps.append((at, min(first, size)))
            at = max(at, end)
        if at < size:
            gaps.append((at, size))
        return [(first, end) for first, end in gaps if first < end]

    def _add_tail(self, tree: SealedTree, size: int, first: int, end: int, progress: Progress) -> None:
        """Rows of entries out of their bundles; their log timestamps come with the archive."""
        step = WIDTH * _BUNDLES
        for start in range(first - first % step, end, step):
            entries: list[bytes] = []
            for at in range(start, min(start + step, end), WIDTH):
                width = min(WIDTH, size - at)
                entries += read_bundle(tree.fetch, Bundle(at // WIDTH, width))
            low, high = max(first, start), min(end, start + step)
            entries = entries[low - start : high - start]
            table = entries_table(range(low, high), [None] * len(entries), entries)
            with self._transaction():
                self._insert(
                    "entries", COLUMNS, table.select(COLUMNS), tree.tree.topic, tree.tree.partition, "FALSE, "
                )
            progress(len(entries))

    def _add_published(self, tree: SealedTree, published: Published) -> None:
        checkpoint = parse_checkpoint(parse_note(published.raw).text)
        place = [tree.tree.topic.hex(), tree.tree.partition, checkpoint.size]
        if not self._rows("SELECT 1 FROM checkpoints WHERE topic = ? AND partition = ? AND size = ?", place):
            self._connection.execute(
                "INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?)", [*place, checkpoint.root, published.raw]
            )

    # ------------------------------------------------------------ looking

    def find(self, record: str) -> list[Located]:
        """Where a record is; more than one place when it was delivered twice. Empty when it is not indexed.

        Raises:
            FormatError: that is no record id.
        """
        journal, sequence = parse_record_id(record)
        if sequence < 2**63:
            known, given = "journal = ? AND sequence = ?", [journal.hex(), sequence]
        else:
            known, given = "record = ?", [record]
        return self._located(f'{known} ORDER BY topic, partition, "offset"', given)

    def opening(self, journal: bytes, epoch: int) -> list[Located]:
        """Where the opening entry of a journal's epoch is."""
        return self._located(
            "kind = 'opening' AND journal = ? AND epoch = ?", [journal.hex(), min(epoch, 2**63 - 1)]
        )

    def _located(self, where: str, given: Sequence[object]) -> list[Located]:
        with told(self._path):
            rows = self._rows(
                f'SELECT topic, partition, "offset", epoch_ms(logged) FROM entries WHERE {where}',  # noqa: S608 — our own text
                given,
            )
        return [Located(bytes.fromhex(row[0]), *row[1:]) for row in rows]

    def search(self, wanted: Search) -> list[dict[str, Any]]:
        """Rows that fit, the newest first, as the columns have them.

        Raises:
            IndexUnusable: the index is damaged.
        """
        text, given = search_sql(wanted)
        with told(self._path):
            cursor = self._connection.execute(text, given)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def listed_in(archive: Archive, heads: Iterable[SealedTree]) -> Listed:
    """The archive's files of these trees. Raises ObjectsUnavailable."""
    marks: dict[tuple[TreeId, Part], Mapping[ArchiveFile, str]] = {}
    wrong = []
    for tree, part in product((each.tree for each in heads), _PARTS):
        try:
            marks[tree, part] = archive.marks(part, tree.topic, tree.partition)
        except FormatError as error:
            wrong.append(str(error))
            marks[tree, part] = {}
    return Listed(marks, tuple(wrong))


def _state(heads: Mapping[SealedTree, Published], marks: Marks) -> str:
    """Tells these heads and files from any others."""
    told = sorted(
        (*_place(tree.tree), head.size, head.opened.checkpoint.root.hex()) for tree, head in heads.items()
    )
    files = sorted(
        (*_place(tree), str(part), file.first, file.end, mark)
        for (tree, part), some in marks.items()
        for file, mark in some.items()
    )
    return sha256(repr((told, files)).encode()).hexdigest()


def _read(archive: Archive, file: ArchiveFile) -> pa.Table:
    """The rows that the index takes of a file. Raises FormatError, ArchiveGap."""
    if file.part is not Part.ENTRIES:
        return archive.rows(file)
    rows = archive.rows(file, list(COLUMNS))
    if rows.column("offset").to_pylist() != list(range(file.first, file.end)):
        raise FormatError(f"{file.name}: does not hold the offsets that its name says")
    return rows


def _place(tree: TreeId) -> tuple[str, int]:
    return tree.topic.hex(), tree.partition
