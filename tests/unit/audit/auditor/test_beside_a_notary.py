"""Verification beside a notary that seals and archives: nothing is wrong that is only newer, what was rolled back is.

The notary's own writer works on the same store, so many writes at each of the auditor's reads: any order of the two
comes about, and the same one each time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from audit.archive import Archive, Archiver, Limits
from audit.auditor.verified import TreeVerified
from audit.auditor.verify import LiveLog, Wanted, verify_trees
from audit.notary.holes import entry_of
from audit.notary.seal import Seal
from audit.notary.session import IDLE_SEAL
from audit.trees import Trees, Trust
from tests.components.sealed import KeySigner, SealedLog, write_log
from tests.fault.notary.store import FaultyObjects, MemoryObjects

T = TypeVar("T")
RECORDS = 64
BEGUN = 9
"""So many are sealed when the auditor comes."""


class Stepped(MemoryObjects):
    """A store whose writer writes no more often than it may."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = threading.Condition()
        self._may = self._done = 0
        self.ended = False

    def write(self, count: int) -> None:
        """Let the writer write so often; back when it has, or when it has ended."""
        with self._turn:
            self._may += count
            self._turn.notify_all()
            assert self._turn.wait_for(lambda: self.ended or self._done >= self._may, 60)

    def end(self) -> None:
        """The writer writes no more."""
        with self._turn:
            self.ended = True
            self._turn.notify_all()

    def create(self, name: str, content: bytes) -> bool:
        return self._step(lambda: super(Stepped, self).create(name, content))

    def swap(self, name: str, content: bytes, version: str | None) -> str:
        return self._step(lambda: super(Stepped, self).swap(name, content, version))

    def _step(self, do: Callable[[], T]) -> T:
        with self._turn:
            assert self._turn.wait_for(lambda: self._done < self._may, 60)
            found = do()
            self._done += 1
            self._turn.notify_all()
            return found


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> SealedLog:
    requests = [b'{"instances":[[%d]]}' % at for at in range(RECORDS)]
    return write_log(tmp_path_factory.mktemp("log"), [requests])


def seal(log: SealedLog, store: Stepped) -> None:
    """All of the log: each record a head, three of them a file of the archive."""
    sealing = Seal(store, log.tree_id, KeySigner(), workers=2)
    archiver = Archiver(store, log.topic.id, 0, 0, 0, Limits(records=3))
    try:
        for offset, read in enumerate(log.entries()):
            leaf = entry_of(read.value, log.topic, 0, offset)
            sealing.append([leaf.entry])
            archiver.add(offset, read.timestamp, leaf.entry, leaf.record.payload if leaf.record else b"")
            sealing.seal()
            archiver.archive(sealing, time.monotonic())
    finally:
        sealing.close()
        store.end()


@contextmanager
def sealing(log: SealedLog) -> Iterator[Stepped]:
    """A notary at work, which has sealed some; it ends with all that the log has."""
    store = Stepped()
    notary = threading.Thread(target=seal, args=(log, store))
    notary.start()
    try:
        while sum(name.endswith(".parquet") for name in store.content) < BEGUN:
            store.write(1)
        yield store
    finally:
        while not store.ended:
            store.write(100)
        notary.join()


def verified(log: SealedLog, store: FaultyObjects, **wanted: object) -> TreeVerified:
    trees = Trees(Trust(log.vkey.name, Path(), (), 0, log.vkey), store)
    with closing(log.log().reader()) as reader:
        live = {log.topic.id: LiveLog(reader, log.topic)}
        (found,) = verify_trees(
            trees, [log.tree_id], Archive(store), live, Wanted(**wanted), pause=lambda _: None
        )
    return found


@pytest.mark.parametrize("writes", [1, 2, 3, 7, 30])
def test_what_a_notary_writes_meanwhile_is_not_wrong(log: SealedLog, writes: int) -> None:
    """Slow and fast ones, from the first read to the last, again and again until it has sealed all."""
    for begun in range(1, 5):
        sizes = []
        with sealing(log) as store:
            read = FaultyObjects(store)
            store.write(begun)
            read.between = lambda _, store=store: store.write(writes)  # type: ignore[misc]
            while not store.ended:
                found = verified(log, read, start=len(sizes))
                assert found.flaws == []
                sizes.append(found.size)
        assert sizes == sorted(set(sizes)) != []


def test_a_checkpoint_that_never_comes_is_told(log: SealedLog) -> None:
    """The state is of more leaves, and stays so: no notary is about to publish."""
    with sealing(log) as store:
        checkpoint = f"{log.tree_id.prefix}/checkpoint"
        old = store.content[checkpoint]
    store.content[checkpoint] = old
    waited: list[float] = []
    trees = Trees(Trust(log.vkey.name, Path(), (), 0, log.vkey), store)
    (found,) = verify_trees(trees, [log.tree_id], Archive(store), {}, Wanted(), pause=waited.append)
    (flaw,) = found.flaws
    assert (flaw.what, flaw.path, "rolled back" in flaw.message) == ("checkpoint", checkpoint, True)
    assert 1 < sum(waited) < 10


@pytest.mark.parametrize("goes_on", [False, True])
def test_tiles_that_a_notary_at_work_has_not_signed_for_are_only_said(log: SealedLog, goes_on: bool) -> None:
    """It renews its state, or seals on; the tiles that an ended one has left are nobody's roll-back then."""
    store = MemoryObjects()
    entries = [entry_of(read.value, log.topic, 0, at).entry for at, read in enumerate(log.entries())]

    def opened(objects: FaultyObjects | MemoryObjects) -> Seal:
        return Seal(objects, log.tree_id, KeySigner(), workers=1)

    with closing(opened(store)) as notary:
        notary.append(entries[:9])
        notary.seal()
    swapped = store.content[f"{log.tree_id.prefix}/state"], store.content[f"{log.tree_id.prefix}/checkpoint"]
    with closing(opened(store)) as ended:
        ended.append(entries[9:20])
        ended.seal()
    store.content[f"{log.tree_id.prefix}/state"], store.content[f"{log.tree_id.prefix}/checkpoint"] = swapped
    trees = Trees(Trust(log.vkey.name, Path(), (), 0, log.vkey), store)
    with closing(opened(store)) as notary:
        if goes_on:
            notary.append(entries[9:])
        pauses: list[float] = []

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 3:
                notary.seal()

        (found,) = verify_trees(trees, [log.tree_id], Archive(store), {}, Wanted(), pause=pause)
    assert found.flaws == []
    # Nobody has archived anything, and there is no log: payloads are missing.
    assert [each.what for each in found.remarks if each.what != "payload"] == ([] if goes_on else ["file"])
    assert 3 <= len(pauses) <= 30
    assert sum(pauses) > IDLE_SEAL or goes_on
