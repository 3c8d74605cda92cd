"""Is everything that is sealed, archived and logged what was sealed? What is not is named and located.

For each tree, in this order:

1. the published checkpoint is signed by the notary's key and by a quorum of witnesses; the notary's state too, and
   neither is behind the other;
2. every tile and every entry is what the newest signed root covers; partial files of smaller sizes are its beginnings;
3. every other checkpoint that is to be had (published, state, archive, kept elsewhere) is signed, and the tree
   continues it;
4. the archive has every entry as it was sealed, in files that are byte for byte what these entries give;
5. the log, where there is one, has the same records;
6. payloads are what the entries' digests cover;
7. journals are complete: sequence, chain, epochs and signatures (audit/follow.py); holes are what they say.

A notary may be at work beside it: all is held to the head that is read first, and what is newer to a head that is read
after it (heads.py).

Memory is that of one archive file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from audit.archive import Archive, ArchiveFile
from audit.archive.columns import entries_table
from audit.follow import Journals, of_journal
from audit.log.base import LogReader, Topic
from audit.objects.base import Objects
from audit.proof.checkpoint import Checkpoint
from audit.proof.entry import Entry, Key, Kind, parse_entry
from audit.proof.errors import FormatError
from audit.proof.whole import UNFINISHED, TreeCheck
from audit.sealed import CHECKPOINT, SealedTree, TreeId
from audit.shapes import Sorted, Sorter
from audit.shapes.payloads import payloads_of
from audit.shapes.runs import Chains
from audit.trees import Trees

from .archived import Archived, Beside
from .heads import Heads
from .logged import Logged
from .verified import TreeVerified

_CHUNK: Final = 16_384
"""Entries of the tail, which no archive file has, that are looked at together."""
_PIECE: Final = 8192
_OWN: Final = frozenset({"checkpoint", "state"})
_DIGEST: Final = int(Key.PAYLOAD_DIGEST)
_LENGTH: Final = int(Key.PAYLOAD_LENGTH)
_INFERENCE: Final = int(Kind.INFERENCE)
_HOLE: Final = int(Kind.HOLE)
_OPENING: Final = int(Kind.OPENING)


class LiveLog(NamedTuple):
    """A log that still has what was sealed, or some of it."""

    reader: LogReader
    topic: Topic


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is verified. Offsets [start, end); all when they are not said."""

    start: int = 0
    end: int | None = None
    files: bool = True
    """Whether files that the newest tree does not need are looked at too: each is one more object to be read."""
    kept: Sequence[tuple[str, bytes]] = ()
    """Checkpoints or receipts that somebody has kept elsewhere, each with its name."""

    @property
    def whole(self) -> bool:
        """Nothing is left out."""
        return self.start == 0 and self.end is None


Progress = Callable[[int], None]


def verify_trees(
    trees: Trees,
    which: Iterable[TreeId],
    archive: Archive,
    logs: Mapping[bytes, LiveLog],
    wanted: Wanted,
    progress: Progress = lambda _: None,
    pause: Callable[[float], None] = time.sleep,
) -> list[TreeVerified]:
    """Verify several trees, and what only all of them show.

    Args:
        trees: of the store.
        which: those to look at.
        archive: of the same store.
        logs: by topic id, those that are there.
        wanted: what of each.
        progress: called with the number of entries looked at since the last call.
        pause: waits for so many seconds, where a notary may be about to publish.

    Raises:
        ObjectsUnavailable, LogUnavailable, KeyRefused: nothing can be said.
    """
    places: dict[bytes, str] = {}
    found = []
    for each in which:
        log = logs.get(each.topic)
        check = TreeVerification(
            trees.objects, trees.tree(each.topic, each.partition), trees, archive, log, pause
        )
        check.run(wanted, progress)
        for journal in check.journals:
            other = places.setdefault(journal, each.origin)
            if other != each.origin:
                check.verified.flaw(
                    "journal", f"{journal.hex()} is in {other} too: a journal has one partition"
                )
        remade = [
            live.topic
            for live in logs.values()
            if live.topic.name == check.topic and live.topic.id != each.topic
        ]
        for topic in remade:
            check.verified.flaw(
                "topic", f"{topic.name} has the id {topic.id.hex()} now: the topic that is sealed here was deleted, "
                "and made again",
            )  # fmt: skip
        found.append(check.verified)
    return found


class TreeVerification:
    """One tree."""

    def __init__(
        self,
        objects: Objects,
        tree: SealedTree,
        trees: Trees,
        archive: Archive,
        log: LiveLog | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.verified = TreeVerified(tree.tree.origin)
        self.topic: str | None = None
        """The topic's name, as the openings of journals say."""
        self.journals: set[bytes] = set()
        self._objects = objects
        self._tree = tree
        self._archive = archive
        self._log = log
        self._pause = pause
        self._key = tree.tree.key(trees.trust.public_key())
        self._follow = Journals()
        self._sorter = Sorter()
        self._newest = 0
        """When the newest entry was logged, ms since 1970 UTC, as far as the archive says."""

    def run(self, wanted: Wanted, progress: Progress = lambda _: None) -> None:
        """See the steps above; what is found is in `verified`."""
        verified, id_ = self.verified, self._tree.tree
        heads = Heads(self._objects, self._tree, self._key, verified, self._pause)
        newest = heads.newest()  # 1
        if newest is None:
            return
        verified.size, verified.root = newest.size, newest.root
        verified.first = min(wanted.start, newest.size)
        verified.end = newest.size if wanted.end is None else min(wanted.end, newest.size)
        self._tell_beyond(wanted, newest.size)
        check = TreeCheck(verified.origin, self._tree.fetch, newest.size, newest.root)
        archived = Archived(self._archive, id_.topic, id_.partition, verified)
        state, latest = heads.again(newest)
        archived.ranges(heads.state, state, latest.size)
        logged = None
        if self._log is not None:
            logged = Logged(self._log.reader, self._log.topic, id_.partition, verified)
            logged.bounds(newest.size)
        self._all_parts(check, archived, logged, progress)
        self._tell_tree(check, archived)
        if wanted.whole:
            for flaw in self._follow.overdue(self._newest, id_.partition):
                verified.journal(flaw)
        if wanted.files:
            self._other_files(check, heads, newest)
            archived.checkpoint_files()
            self._tell_tree(check, archived)
        heads.earlier(newest, self._archive, wanted.kept)  # 3
        self.journals |= {journal.name for journal in self._follow}
        verified.journals = len(self.journals)
        verified.signatures, verified.unchecked_signatures = self._follow.signatures, self._follow.unchecked
        verified.duplicates = self._follow.duplicates

    def _tell_beyond(self, wanted: Wanted, size: int) -> None:
        """What was asked for and is not there: said, since nothing of it can be wrong."""
        last = wanted.start if wanted.end is None else wanted.end - 1
        if wanted.whole or last < size:
            return
        self.verified.beyond = True
        there = f"offsets 0 to {size - 1}" if size else "no entry yet"
        asked = f"{wanted.start} on" if wanted.end is None else f"{wanted.start} to {last}"
        self.verified.remark("range", f"offsets from {asked} were asked for, and it has {there}")

    def _all_parts(
        self, check: TreeCheck, archived: Archived, logged: Logged | None, progress: Progress
    ) -> None:
        """2, and 4 to 7."""
        with ThreadPoolExecutor(1, "archive") as pool:
            comparing: Future[TreeVerified] | None = None
            for first, entries, hashes, file in self._parts(check, archived.files, progress):
                self._tell_tree(check, archived)
                # 4
                beside = Beside([None] * len(entries))
                if file is not None:
                    beside = archived.open(file, first, entries)
                if logged is not None:
                    logged.check(first, entries, beside.logged, beside.payloads)  # 5
                made = self._entries(first, entries, hashes, beside)  # 6, 7
                # One file is compared while the next one is read: the libraries need no interpreter for most of it.
                if comparing is not None:
                    self.verified.take(comparing.result())
                comparing = (
                    None
                    if made is None
                    else pool.submit(_compare, archived, beside, made, self.verified.origin)
                )
                if self.verified.full:
                    break
            if comparing is not None:
                self.verified.take(comparing.result())

    # ---------------------------------------------------------------- the tree, and parts of it

    def _parts(
        self, check: TreeCheck, files: Sequence[ArchiveFile], progress: Progress
    ) -> Iterator[tuple[int, list[bytes | None], list[bytes], ArchiveFile | None]]:
        """Entries [verified.first, verified.end) as far as they go together: an archive file's, or some of the tail."""
        start, end = self.verified.first, self.verified.end
        waiting = [file for file in files if file.end > start and file.first < end]
        waiting.reverse()
        base, entries, hashes = start, list[bytes | None](), list[bytes]()

        def cut() -> tuple[int, ArchiveFile | None]:
            """Where the part that begins at `base` ends, and its file."""
            while waiting and waiting[-1].end <= base:
                waiting.pop()
            if waiting and waiting[-1].first <= base:
                return min(waiting[-1].end, end), waiting[-1]
            return min(base + _CHUNK, end, waiting[-1].first if waiting else end), None

        for part in check.entries(start, end):
            low, high = max(part.first, start), min(part.first + len(part.entries), end)
            entries += part.entries[low - part.first : high - part.first]
            hashes += part.hashes[low - part.first : high - part.first]
            progress(high - low)
            while entries and base + len(entries) >= (stop := cut())[0]:
                count = stop[0] - base
                yield base, entries[:count], hashes[:count], stop[1]
                del entries[:count], hashes[:count]
                base = stop[0]

    def _tell_tree(self, check: TreeCheck, archived: Archived) -> None:
        """2. Where the archive has the entry as it was sealed, the wrong byte in the bundle can be told."""
        for flaw in check.flaws:
            if (
                flaw.what == "entry"
                and flaw.offset is not None
                and flaw.byte is not None
                and flaw.path is not None
            ):
                right = archived.entry(flaw.offset, self._tree.nodes(self.verified.size).node(0, flaw.offset))
                raw = self._tree.fetch(flaw.path)
                if right is not None and raw is not None:
                    framed = len(right).to_bytes(2, "big") + right
                    there = raw[flaw.byte : flaw.byte + len(framed)]
                    wrong = next(
                        (at for at, (a, b) in enumerate(zip(there, framed, strict=False)) if a != b), None
                    )
                    if wrong is not None:
                        flaw = flaw._replace(  # noqa: PLW2901 — the same flaw, nearer
                            message="is not what was sealed; the archive has what was", byte=flaw.byte + wrong
                        )
            self.verified.flaws.append(flaw._replace(path=f"{self._tree.tree.prefix}/{flaw.path}"))
        check.flaws.clear()

    def _other_files(self, check: TreeCheck, heads: Heads, newest: Checkpoint) -> None:
        prefix = f"{self._tree.tree.prefix}/"
        for name in self._objects.list(prefix):
            path = name.removeprefix(prefix)
            if path not in _OWN:
                check.other(path)
        state, latest = heads.again(newest)  # after the list: it may have come to them by now
        beyond = [size for size in check.beyond if size > latest.size]
        if not beyond:
            return
        said = f"{len(beyond)} {'file is' if len(beyond) == 1 else 'files are'} of a larger tree than is signed: "
        if state is None or max(beyond) > latest.size + UNFINISHED:
            said += f"of {max(beyond)} leaves at least, and the newest checkpoint covers {latest.size}: the store was "
            said += "rolled back, or its state is missing" if state is None else "rolled back"
            self.verified.flaw("checkpoint", said, path=f"{prefix}{CHECKPOINT}")
        else:
            self.verified.remark("file", said + "the notary is sealing, or was ended in it")

    # ---------------------------------------------------------------- what the entries say

    def _entries(
        self, first: int, entries: Sequence[bytes | None], hashes: Sequence[bytes], beside: Beside
    ) -> pa.Table | None:
        """The rows that the entries give, when the archive's file is to be compared with them."""
        logged = beside.logged
        self._newest = max(self._newest, max((time for time in logged if time is not None), default=0))
        self.verified.entries += len(entries) - entries.count(None)
        tables = []
        # In pieces that stay in the processor's cache.
        for at in range(0, len(entries), _PIECE):
            some, leaves = entries[at : at + _PIECE], hashes[at : at + _PIECE]
            whole = [raw for raw in some if raw is not None]
            found = self._sorter.sort(whole)
            if len(whole) == len(some):
                sound = self._together(first, at, whole, leaves, beside, found)
            else:
                sound = False
                for place, (raw, leaf) in enumerate(zip(some, leaves, strict=True), at):
                    if raw is not None:
                        self._look(first, place, raw, leaf, beside)
            if sound and beside.file is not None:
                offsets = range(first + at, first + at + len(some))
                tables.append(entries_table(offsets, logged[at : at + _PIECE], whole, leaves, found))
        if beside.file is None or sum(table.num_rows for table in tables) != len(entries):
            return None
        return pa.concat_tables(tables).combine_chunks()

    def _together(
        self,
        first: int,
        start: int,
        entries: Sequence[bytes],
        hashes: Sequence[bytes],
        beside: Beside,
        found: Sorted,
    ) -> bool:
        """Entries from place `start` on, none of which is missing; False when one of them is no entry."""
        count = len(entries)
        chains = Chains(count, found.alike, hashes)
        theirs = [beside.payloads.get(at) for at in range(start, start + count)]
        hold, absent = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        for alike in found.alike:
            payloads = payloads_of(alike, theirs)
            hold[alike.places], absent[alike.places] = payloads.hold, payloads.absent
            chains.plain[alike.places[payloads.wrong]] = False
        sound = True
        for at in chains.odd_ones(self._follow):
            hold[at] = absent[at] = False  # it is counted there
            sound &= self._look(first, start + at, entries[at], hashes[at], beside)
        self.verified.payloads += int(hold.sum())
        self.verified.without_payload += int(absent.sum())
        return sound

    def _look(self, first: int, at: int, raw: bytes, leaf: bytes, beside: Beside) -> bool:
        """One entry, closely; whether it is one."""
        offset, time, payload = first + at, beside.logged[at], beside.payloads.get(at)
        try:
            entry = parse_entry(raw)
        except FormatError as error:
            self.verified.flaw("entry", f"was sealed, and is none: {error}", offset=offset)
            return False
        fields = entry.fields
        if payload is not None or _DIGEST in fields:
            self._payload(fields, payload, offset, beside)
        kind = fields[0]
        if kind == _INFERENCE or of_journal(entry):
            partition, whole = self._tree.tree.partition, self.verified.first == 0
            for flaw in self._follow.follow(
                entry, leaf, partition=partition, offset=offset, timestamp=time or 0, whole=whole
            ):
                self.verified.journal(flaw)
            if kind == _OPENING:
                self.journals.add(fields[1])
                if (topic := entry.get(Key.TOPIC)) is not None:
                    self._opening(topic, offset)
        elif kind == _HOLE:
            self._hole(entry, offset)
        return True

    def _payload(self, fields: Mapping[int, Any], payload: bytes | None, offset: int, beside: Beside) -> None:
        digest = fields.get(_DIGEST)
        if payload is None:
            self.verified.without_payload += fields[_LENGTH] != 0
        elif digest is None:
            self.verified.flaw("payload", "belongs to an entry that has none", offset=offset)
        elif sha256(payload).digest() != digest or len(payload) != fields[_LENGTH]:
            path = beside.payload_path(offset)
            self.verified.flaw("payload", "is not what the entry's digest covers", offset=offset, path=path)
        else:
            self.verified.payloads += 1

    def _opening(self, topic: Mapping[str, object], offset: int) -> None:
        id_ = self._tree.tree
        if (topic["id"], topic["partition"]) != (id_.topic, id_.partition):
            self.verified.flaw("journal", "was opened for another topic or partition", offset=offset)
        else:
            self.topic = str(topic["name"])

    def _hole(self, entry: Entry, offset: int) -> None:
        """A hole says where it is: one that was moved shows. That there is one is told."""
        fields, id_ = entry.fields, self._tree.tree
        self.verified.holes += 1
        place = fields[Key.TOPIC]["id"], fields[Key.PARTITION], fields[Key.OFFSET]
        if place != (id_.topic, id_.partition, offset):
            self.verified.flaw("hole", "is of another place", offset=offset)
        self.verified.remark("hole", f"the log had no record here: {fields[Key.REASON]}", offset=offset)


def _compare(archived: Archived, beside: Beside, made: pa.Table, origin: str) -> TreeVerified:
    found = TreeVerified(origin)
    archived.compare(beside, made, found)
    return found
