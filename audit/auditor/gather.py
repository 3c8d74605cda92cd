"""One tree's part of an evidence bundle, gathered: records, payloads, proofs, earlier checkpoints."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import groupby
from typing import Final, TypeVar

from audit.archive import Part
from audit.errors import ArchiveGap
from audit.proof.bundle import Earlier, Kept, TreePart
from audit.proof.checkpoint import parse_checkpoint
from audit.proof.entry import JOURNAL_KINDS, Entry, Key, Kind, parse_entry, signature_holds
from audit.proof.errors import FormatError
from audit.proof.merkle import consistency_proof, inclusion_proof
from audit.proof.note import parse_note
from audit.proof.record import frame_record
from audit.proof.tiles import WIDTH, Bundle, read_bundle
from audit.sealed import Published, SealedTree

from .chains import Chains
from .index import Located
from .records import Records

Progress = Callable[[int], None]
"""Told how many were done since the last call."""
_STEP: Final = 100
_Each = TypeVar("_Each")


class Gathering:
    """What a bundle takes of one tree. `entries`: by offset, as they are in the tree."""

    def __init__(self, records: Records, tree: SealedTree, wanted: Sequence[int]) -> None:
        """Nothing is read yet. `wanted`: offsets below the checkpoint's size."""
        self.tree = tree
        self.place = tree.tree.topic, tree.tree.partition
        self.wanted = sorted(set(wanted))
        self.entries: dict[int, Entry] = {}
        self._records = records
        self._published: Published = records.heads[tree]
        self._size = self._published.size
        self._fetch = lru_cache(maxsize=16)(self._bundle)
        self.chains = Chains(records.index, self.place, self._size)

    def _bundle(self, number: int) -> list[bytes]:
        return list(read_bundle(self.tree.fetch, Bundle(number, min(WIDTH, self._size - number * WIDTH))))

    def read(self, offsets: Iterable[int], progress: Progress) -> None:
        """Take entries in, out of their bundles. Raises FormatError, ObjectsUnavailable."""
        for offset in _counted(sorted(set(offsets) - self.entries.keys()), progress):
            self.entries[offset] = self.at(offset)

    def at(self, offset: int) -> Entry:
        """What the tree has there; it is not taken in. Raises FormatError, ObjectsUnavailable."""
        return self.entries.get(offset) or parse_entry(self._fetch(offset // WIDTH)[offset % WIDTH])

    def openings(self) -> list[tuple[int, Entry]]:
        """What says that it is the opening, with the journal's key, of an entry that is in it now; each is signed by
        the key that it names. Rising by offset.
        """
        epochs = {
            (entry.fields[Key.JOURNAL], entry.fields[Key.EPOCH])
            for entry in self.entries.values()
            if entry.kind in JOURNAL_KINDS
        }
        found = ((offset, self.at(offset)) for offset in self.chains.openings(epochs))
        return [
            (offset, entry)
            for offset, entry in found
            if entry.kind == Kind.OPENING
            and (entry.fields[Key.JOURNAL], entry.fields[Key.EPOCH]) in epochs
            and signature_holds(entry, entry.fields[Key.PUBLIC_KEY])
        ]

    def part(self, payloads: dict[int, bytes], progress: Progress) -> TreePart:
        """With the inclusion proof of each entry, and the records that were asked for whole."""
        nodes = _Remembered(self.tree, self._size)
        kept = []
        for offset in _counted(sorted(self.entries), progress):
            record = frame_record(self.entries[offset].raw, payloads.get(offset, b""))
            kept.append(Kept(offset, record, tuple(inclusion_proof(nodes, offset, self._size))))
        return TreePart(
            self.tree.tree.origin,
            self._published.raw,
            tuple(kept),
            tuple(_ranges(self.wanted)),
            self._earlier(nodes),
        )

    def _earlier(self, nodes: _Remembered) -> dict[int, Earlier]:
        """The first checkpoints that covered the first and the last of the records."""
        topic, partition = self.place
        found: dict[int, Earlier] = {}
        for offset in {self.wanted[0], self.wanted[-1]}:
            rows = self._records.index.select(
                "SELECT checkpoint FROM checkpoints WHERE topic = ? AND partition = ? AND size > ? AND size < ? "
                "ORDER BY size LIMIT 1",
                [topic.hex(), partition, offset, self._size],
            )
            for (raw,) in rows:
                old = parse_checkpoint(parse_note(raw).text).size
                if offset < old < self._size:
                    found[old] = Earlier(raw, tuple(consistency_proof(nodes, old, self._size)))
        return found

    # ------------------------------------------------------------ payloads

    def payloads(self, progress: Progress) -> dict[int, bytes]:
        """Of the records that were asked for: from the archive, file by file; then from wherever else they may be.

        What is none of theirs is left out.
        """
        waiting = {
            offset: entry for offset in self.wanted if (entry := self.entries[offset]).get(Key.PAYLOAD_LENGTH)
        }
        found = self._archived(waiting)
        for offset, entry in _counted(waiting.items(), progress):
            digest = entry.fields[Key.PAYLOAD_DIGEST]
            if offset not in found or sha256(found[offset]).digest() != digest:
                found.pop(offset, None)
                for ask in self._records.payloads.values():
                    payload = ask(Located(*self.place, offset), entry)
                    if payload and sha256(payload).digest() == digest:
                        found[offset] = payload
                        break
        return found

    def _archived(self, waiting: Mapping[int, Entry]) -> dict[int, bytes]:
        """The archive's payloads; `affiant audit verify` says what is wrong with files that cannot be read.

        Only files with one of the offsets are opened, and no file's range is walked: its name may say any.
        """
        found: dict[int, bytes] = {}
        offsets = sorted(waiting)
        archive = self._records.archive
        try:
            files = archive.files(Part.PAYLOADS, *self.place)
        except FormatError:
            return found
        for file in files:
            at = bisect_left(offsets, file.first)
            if at == len(offsets) or offsets[at] >= file.end:
                continue
            try:
                rows = archive.rows(file, ["offset", "payload"])
            except (FormatError, ArchiveGap):
                continue
            for offset, payload in zip(
                rows.column("offset").to_pylist(), rows.column("payload"), strict=True
            ):
                if offset in waiting:
                    found[offset] = payload.as_py()
        return found


class _Remembered:
    """Nodes of a tree, each fetched and folded once: neighbouring proofs share most of theirs."""

    def __init__(self, tree: SealedTree, size: int) -> None:
        self.node = lru_cache(maxsize=1 << 17)(tree.nodes(size).node)


def _counted(each: Iterable[_Each], progress: Progress) -> Iterator[_Each]:
    """The same, and some are told as done at a time."""
    number = 0
    for number, one in enumerate(each, 1):
        yield one
        if number % _STEP == 0:
            progress(_STEP)
    progress(number % _STEP)


def _ranges(offsets: Iterable[int]) -> Iterable[tuple[int, int]]:
    for _, run in groupby(enumerate(sorted(offsets)), key=lambda pair: pair[1] - pair[0]):
        places = [offset for _, offset in run]
        yield places[0], places[-1] + 1
