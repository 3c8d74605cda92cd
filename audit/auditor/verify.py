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

Memory is that of one archive file: flaws and remarks are named up to a bound, and counted beyond it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, NamedTuple

import pyarrow as pa

from audit.archive import Archive, ArchiveFile
from audit.log.base import LogReader, Topic
from audit.objects.base import Objects
from audit.proof.whole import TreeCheck
from audit.sealed import SealedTree, TreeId
from audit.trees import Trees

from .archived import Archived, Beside
from .heads import Heads
from .leftovers import other_files
from .logged import Logged
from .missing import NOTHING, Missing
from .said import Said
from .verified import TreeVerified

_CHUNK: Final = 16_384
"""Entries of the tail, which no archive file has, that are looked at together."""


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
    missing: Missing = NOTHING,
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
        missing: what is known of payloads that are neither in the archive nor in the log.

    Raises:
        ObjectsUnavailable, LogUnavailable, KeyRefused: nothing can be said.
    """
    places: dict[bytes, str] = {}
    found = []
    for each in which:
        log = logs.get(each.topic)
        check = TreeVerification(
            trees.objects,
            trees.tree(each.topic, each.partition),
            trees,
            archive,
            log,
            pause,
            missing,
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
        missing: Missing = NOTHING,
    ) -> None:
        self.verified = TreeVerified(tree.tree.origin)
        self._said = Said(tree.tree, self.verified, missing)
        self._objects = objects
        self._tree = tree
        self._archive = archive
        self._log = log
        self._pause = pause
        self._key = tree.tree.key(trees.trust.public_key())

    @property
    def topic(self) -> str | None:
        """The topic's name, as the openings of journals say."""
        return self._said.topic

    @property
    def journals(self) -> set[bytes]:
        """Those that have entries here."""
        return self._said.journals

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
        if wanted.whole and self.verified.stopped_at is None:
            self._said.overdue()
        if wanted.files:
            other_files(self._objects, id_.prefix, check, heads, newest, verified)
            archived.checkpoint_files()
            self._tell_tree(check, archived)
        heads.earlier(newest, self._archive, wanted.kept)  # 3
        self._said.tell()

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
        looked = self.verified.first
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
                made = self._said.look(first, entries, hashes, beside)  # 6, 7
                # One file is compared while the next one is read: the libraries need no interpreter for most of it.
                if comparing is not None:
                    self.verified.take(comparing.result())
                comparing = (
                    None
                    if made is None
                    else pool.submit(_compare, archived, beside, made, self.verified.origin)
                )
                looked = first + len(entries)
                if self.verified.full:
                    break
            if comparing is not None:
                self.verified.take(comparing.result())
        if looked < self.verified.end:  # enough was found, here or by the tree's own check
            self.verified.stopped_at = looked

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
            self.verified.add(flaw._replace(path=f"{self._tree.tree.prefix}/{flaw.path}"))
        check.flaws.clear()


def _compare(archived: Archived, beside: Beside, made: pa.Table, origin: str) -> TreeVerified:
    found = TreeVerified(origin)
    archived.compare(beside, made, found)
    return found
