"""A session of sealing: whatever store and log do to it, one tree, each record archived once, and nothing left out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from structlog.testing import capture_logs

from audit.archive import Archive
from audit.errors import LogUnavailable, OffsetGone, WitnessContradicts, WitnessUnavailable
from audit.log.base import Finding, LogEntry, LogWriter, Topic
from audit.notary import partition as partition_module
from audit.notary import session as session_module
from audit.notary.alarms import Alarm
from audit.notary.holes import Hole, entry_of, has_payload, hole_at
from audit.notary.partition import Partition
from audit.notary.session import Session
from audit.notary.state import State
from audit.notary.tended import Tended
from audit.notary.workshop import END_SECONDS, LogCut, TopicChanged, Workshop
from audit.objects.base import Objects
from audit.proof.checkpoint import Checkpoint
from audit.proof.entry import Key as EntryKey
from audit.proof.entry import encode_entry, parse_entry
from audit.proof.hashing import leaf_hash
from audit.proof.merkle import LeafNodes, Nodes, root
from audit.proof.note import Signature, SignerUnavailable
from audit.sealed import SealedTree
from audit.settings import NotarySettings
from tests.components.sworn import two_epochs
from tests.fault.notary.store import (
    KILLED_AFTER,
    KILLED_BEFORE,
    LOST,
    PERSISTED,
    FaultyObjects,
    Killed,
    MemoryObjects,
)
from tests.fault.notary.world import StrictWitness

NAME = "log.example"
BEGIN = 1_700_000_000_000


class Key:
    """A signer, the same each time."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes(32))
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


class ListLog:
    """A log of one partition in memory, that loses, hides and refuses what a test says."""

    def __init__(self, values: list[tuple[bytes, bytes | None]]) -> None:
        self.values = list(values)
        self.first = 0
        self.id = bytes(16)
        self.missing: set[int] = set()
        self.down = False
        self.silent = False
        self.findings: list[Finding] = []
        self.reads = 0

    def topic(self) -> Topic:
        if self.down:
            raise LogUnavailable("the log is down")
        return Topic("list", "entries", self.id, 1)

    def writer(self, partition: int) -> LogWriter:
        raise NotImplementedError

    def reader(self) -> ListLog:
        return self

    def check(self) -> list[Finding]:
        return self.findings

    def bounds(self, partition: int) -> tuple[int, int]:
        if self.down:
            raise LogUnavailable("the log is down")
        return self.first, len(self.values)

    def read(self, partition: int, offset: int, max_bytes: int, timeout: float) -> list[LogEntry]:
        if self.down:
            raise LogUnavailable("the log is down")
        if offset < self.first or offset > len(self.values):
            raise OffsetGone(f"{offset} is not there")
        self.reads += 1
        if self.silent or offset == len(self.values):
            time.sleep(min(timeout, 0.001))
            return []
        return [
            LogEntry(at, BEGIN + at, self.values[at][0], self.values[at][1])
            for at in range(offset, min(offset + 7, len(self.values)))
            if at not in self.missing
        ]

    def close(self) -> None:
        return


class World:
    """One partition over that log and a store."""

    def __init__(self, values: list[tuple[bytes, bytes | None]] | None = None) -> None:
        self.log = ListLog(two_epochs(40).values if values is None else values)
        self.objects = MemoryObjects()
        self.now = 0.0
        self.confirm: Callable[[float], None] = lambda _: None

    def workshop(self, objects: Objects | None = None, **settings: Any) -> Workshop:
        return Workshop(
            self.log,
            Topic("list", "entries", self.log.id, 1),
            objects or self.objects,
            Key(),
            NotarySettings(name=NAME, seal_seconds=0.01, **settings),
            lambda since: self.confirm(since),  # noqa: PLW0108 — a test may change it later
            monotonic=lambda: self.now or time.monotonic(),
            workers=1,
        )

    def partition(self, objects: Objects | None = None, **settings: Any) -> Partition:
        return Partition(self.workshop(objects, **settings), 0)

    def seal_all(self, objects: Objects | None = None) -> Partition:
        """A notary that is started and told to end."""
        partition, stop = self.partition(objects), threading.Event()
        stop.set()
        partition.run(stop)
        return partition

    def check(self, size: int | None = None) -> None:
        """What is published is the tree over everything, and the archive has it too, each record once."""
        size = len(self.log.values) if size is None else size
        partition = self.partition()
        tree = SealedTree(self.objects, partition.tree, Key().public_key)
        published = tree.published()
        assert published.size == size
        topic = self.log.topic()
        entries = [entry_of(value, topic, 0, at).entry for at, (_, value) in enumerate(self.log.values)]
        assert published.opened.checkpoint.root == root(LeafNodes([*map(leaf_hash, entries)]), size)
        archived = list(Archive(self.objects).records(topic.id, 0, 0, size))
        assert [record.entry for record in archived] == entries


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause before another try."""
    monkeypatch.setattr(partition_module, "RETRIES", (0.001, 0.001))
    monkeypatch.setattr(session_module, "RETRIES", (0.001, 0.001))


def calls() -> int:
    """Calls of a run without a fault."""
    faulty = FaultyObjects(World().objects)
    World().seal_all(faulty)
    return len(faulty.calls)


@pytest.mark.parametrize("fault", [LOST, PERSISTED])
def test_a_store_that_fails_at_any_call_is_tried_again_to_the_same_tree(fault: str) -> None:
    """Lost, or persisted and reported lost: another session reads on from the state."""
    for number in range(calls()):
        world = World()
        faulty = FaultyObjects(world.objects, {number: fault})
        partition, stop = world.partition(faulty), threading.Event()
        thread = threading.Thread(target=partition.run, args=(stop,), daemon=True)
        thread.start()
        while partition.status.size < len(world.log.values):
            time.sleep(0.001)
            assert thread.is_alive()
        stop.set()
        thread.join()
        world.check()
        assert partition.untold.counts == {}


@pytest.mark.parametrize("fault", [KILLED_BEFORE, KILLED_AFTER])
def test_a_notary_that_dies_at_any_call_is_followed_by_one_that_goes_on(fault: str) -> None:
    """Its state, and what it left beyond it, are enough."""
    for number in range(calls()):
        world = World()
        with suppress(Killed):  # a run may have a call more or less: the archive is written meanwhile
            world.seal_all(FaultyObjects(world.objects, {number: fault}))
        world.seal_all()
        world.check()


def test_what_a_dead_session_wrote_is_kept_when_the_log_has_lost_it() -> None:
    """Killed before its state was swapped; retention then took the records: its files are the only copy."""
    world = World()
    faulty = FaultyObjects(world.objects)
    partition = world.partition(faulty)
    with closing(Session(partition._workshop, partition)) as session:
        while session._seal.size < len(world.log.values):
            session._take(0.01)
        faulty.faults = {last_swap(): KILLED_BEFORE}
        with pytest.raises(Killed):
            session._seal_now()
    assert partition.status.size == 0
    world.log.first = 30
    after = world.seal_all()
    world.log.first = 0
    tree = SealedTree(world.objects, after.tree, Key().public_key)
    topic, size = world.log.topic(), len(world.log.values)
    for offset in range(size):
        assert tree.entry(offset, size) == entry_of(world.log.values[offset][1], topic, 0, offset).entry
    assert dict(after.untold.counts) == {"head": 1}


def last_swap() -> int:
    """The call of the first seal that swaps its state."""
    world = World()
    faulty = FaultyObjects(world.objects)
    partition = world.partition(faulty)
    with closing(Session(partition._workshop, partition)) as session:
        while session._seal.size < len(world.log.values):
            session._take(0.01)
        session._seal_now()
    return max(
        n for n, call in enumerate(faulty.calls) if call.startswith("swap") and call.endswith("/state")
    )


def test_a_missing_offset_is_a_hole_and_what_is_behind_it_is_sealed() -> None:
    """Compaction, or transactions, took one record out of the middle."""
    world = World()
    world.log.missing = {20, 21}
    partition = world.seal_all()
    tree = SealedTree(world.objects, partition.tree, Key().public_key)
    size = len(world.log.values)
    assert tree.published().size == size
    for offset in (20, 21):
        assert tree.entry(offset, size) == hole_at(Hole.GONE, world.log.topic(), 0, offset).entry
    assert dict(partition.untold.counts) == {"offset": 1, "missing": 1}
    assert partition.status.holes == 2


def test_a_log_that_goes_away_is_waited_for_and_what_is_sealed_stays_vouched_for() -> None:
    """Nothing is lost, nothing is sealed that was not confirmed."""
    world = World()
    partition, stop = world.partition(), threading.Event()
    thread = threading.Thread(target=partition.run, args=(stop,), daemon=True)
    thread.start()
    while partition.status.size < len(world.log.values):
        time.sleep(0.001)
    world.log.down = True
    while not partition.status.held:
        time.sleep(0.001)
    world.log.values += two_epochs(9, bytes(16)[:15] + b"\x07").values
    world.log.down = False
    while partition.status.size < len(world.log.values):
        time.sleep(0.001)
    stop.set()
    thread.join()
    assert partition.status.held == ""
    world.check()


def test_a_log_that_goes_away_with_an_alarm_untold_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The alarm waits until the topic can be asked for; sealing goes on after that."""
    monkeypatch.setattr(session_module, "IDLE_SEAL", 0.05)
    world = World()
    partition, stop = world.partition(), threading.Event()
    world.confirm = lambda _: world.log.topic() and None
    thread = threading.Thread(target=partition.run, args=(stop,), daemon=True)
    thread.start()
    while partition.status.size < len(world.log.values):
        time.sleep(0.001)
    world.log.down = True
    while not partition.status.held:
        time.sleep(0.001)
    partition.untold.add(Alarm("heartbeat", "silent", "00", 0, 0))
    before = partition.status.sealed
    while partition.status.sealed == before:
        time.sleep(0.001)  # renewed, so that somebody goes on vouching for what is sealed
        assert thread.is_alive()
    stored = world.objects.get(f"{partition.tree.prefix}/state")
    assert stored is not None
    assert State.decode(stored.content).journals[0]["untold"] == []  # what cannot be confirmed is not in it
    assert partition.untold.fresh
    world.log.down = False
    while not partition.untold.waiting():
        time.sleep(0.001)
    stop.set()
    thread.join()


def test_a_renewed_head_takes_nothing_in_that_waits() -> None:
    """The log is away before what was read of it could be confirmed: the old size is vouched for, no other."""
    world = World()
    partition = world.partition()
    with closing(Session(partition._workshop, partition)) as session:
        session._take(0.01)
        session._renew()  # the tree's first state
        assert (partition.status.size, partition.status.published) == (0, 0)
        before, pending = partition.status.sealed, session._seal.pending
        assert pending > 0
        session._renew()
        assert partition.status.sealed > before
        assert (partition.status.size, session._seal.pending) == (0, pending)
    world.seal_all()
    world.check()


def test_a_topic_that_was_made_again_between_reading_and_sealing_is_not_sealed() -> None:
    """The records may be the new topic's: neither they nor what they seemed to show is believed."""
    values = two_epochs().values
    del values[3]
    world = World(values)
    partition = world.partition()

    def changed(_: float) -> None:
        raise TopicChanged("made again")

    with closing(Session(partition._workshop, partition)) as session:
        session._take(0.01)
        session._take(0.01)
        assert session._seal.pending == len(values)
        world.confirm = changed
        with pytest.raises(TopicChanged):
            session._seal_now()
    assert partition.status.size == 0
    assert partition.untold.waiting() == []


def test_what_a_failed_session_has_seen_is_not_told() -> None:
    """It was not sealed: the next session sees it again, or something else."""
    world = World([(b"x", b"junk")])
    partition = world.partition()
    with closing(Session(partition._workshop, partition)) as session:
        session._take(0.01)
        session._take(0.01)
        assert partition.untold.fresh
    with closing(Session(partition._workshop, partition)):
        assert not partition.untold.fresh


def test_a_confirmation_from_before_the_reading_does_not_count() -> None:
    """Partitions share an answer, but only one that is younger than what they read."""
    world = World()
    world.log.id = bytes(16)
    tended = Tended(world.workshop())
    try:
        now = time.monotonic()
        tended.confirm(now)
        world.log.down = True
        tended.confirm(now)  # that answer is there already
        with pytest.raises(LogUnavailable):
            tended.confirm(time.monotonic() + 1)
        world.log.down = False
        world.log.id = bytes([1]) * 16
        with pytest.raises(TopicChanged):
            tended.confirm(time.monotonic() + 1)
        assert tended.changed
    finally:
        tended.stop()
        for thread in tended._threads.values():
            thread.join()


def test_a_log_that_hands_nothing_out_is_told_after_a_while() -> None:
    """It says that there is more, and gives nothing: a damaged segment. Nothing is made a hole for it."""
    world = World()
    world.now = 1000.0
    world.log.silent = True
    partition = world.partition()
    with closing(Session(partition._workshop, partition)) as session:
        for _ in range(70):
            session.step(0.001)
            world.now += 1
        assert "nothing comes from offset 0" in partition.status.held
        assert [alarm.what for alarm in partition.untold.waiting()] == ["unreadable"]
        world.log.silent = False
        while session._seal.size < len(world.log.values):
            session.step(0.001)
            world.now += 1
        assert partition.status.held == ""


def test_told_to_end_a_log_that_hands_nothing_out_is_left() -> None:
    """It was `unreadable` already: a supervisor's SIGTERM must not wait for what may never come."""
    world = World()
    world.now = 1000.0
    partition = world.partition()
    with closing(Session(partition._workshop, partition)) as session:
        world.log.silent = True
        reads, plain = 0, world.log.read

        def read(*arguments: Any) -> list[LogEntry]:
            nonlocal reads
            reads += 1
            assert reads < 100, "it waits for ever"
            world.now += 1
            return plain(*arguments)

        world.log.read = read  # type: ignore[method-assign]
        with pytest.raises(LogUnavailable, match="nothing comes from offset 0, before 45"):
            session.finish()
        assert reads >= END_SECONDS - 1
        world.log.silent = False
        session.finish()  # slow is not silent: each read took a second
    world.check()


@pytest.mark.parametrize(("first", "told"), [(20, [("head", 1)]), (1, []), (45, [("head", 1)])])
def test_payloads_that_went_before_they_were_archived_are_told(
    first: int, told: list[tuple[str, int]]
) -> None:
    """Killed after sealing, and down beyond retention: the entries are sealed, their payloads are in no archive."""
    world = World()
    partition = world.partition()
    with closing(Session(partition._workshop, partition)) as session:
        while session._seal.size < len(world.log.values):
            session._take(0.01)
        session._seal_now()
        assert session._seal.state.archived == 0
    world.log.first = first  # offset 0 is an opening, which has no payload
    after = world.seal_all()
    assert [(alarm.what, alarm.offset) for alarm in after.untold.waiting()] == told
    assert after.status.archived == len(world.log.values)


def test_what_is_archived_or_has_no_payload_in_the_log_is_not_missed() -> None:
    """Retention takes it, as it should; an external payload is in the object store."""
    world = World()
    world.seal_all()
    world.log.first = len(world.log.values)
    assert world.seal_all().untold.counts == {}
    fields = parse_entry(entry_of(world.log.values[1][1], world.log.topic(), 0, 1).entry).fields
    assert has_payload(encode_entry(fields))
    for other in ({**fields, EntryKey.EXTERNAL: True}, {**fields, EntryKey.PAYLOAD_LENGTH: 0}):
        assert not has_payload(encode_entry(other))
    assert not has_payload(b"")


def test_a_log_whose_end_is_told_too_low_once_is_looked_at_again() -> None:
    """Right after a change of leaders: no alarm. When it stays so, one, and what was read is let go of."""
    world = World()
    values = world.log.values
    partition = world.partition()
    with closing(Session(partition._workshop, partition)) as session:
        while session._seal.size < 40:
            session._take(0.01)
        world.log.values = values[:20]
        with pytest.raises(LogUnavailable):
            session._take(0.01)
        world.log.values = values
        session._take(0.01)
        world.log.values = values[:20]
        with pytest.raises(LogUnavailable):
            session._take(0.01)
        with pytest.raises(LogCut):
            session._take(0.01)
    assert [alarm.what for alarm in partition.untold.waiting()] == ["tail"]
    assert partition.status.size == 0


class Liar(StrictWitness):
    """Says that it knows more, as somebody between could, and stops when told."""

    lying = True
    asked = 0

    def cosign(self, checkpoint: Checkpoint, note: bytes, nodes: Nodes) -> Signature:
        self.asked += 1
        if self.lying:
            raise WitnessContradicts("liar: says that it knows 400 leaves")
        return super().cosign(checkpoint, note, nodes)


def test_while_all_witnesses_say_that_the_log_was_forked_nothing_new_is_signed() -> None:
    """Held, told once, and tried again: the notary of the other partitions goes on, and this one when they do."""
    world, liar = World(), Liar()
    partition = Partition(replace(world.workshop(), cosigners=lambda: (liar,)), 0)
    stop = threading.Event()
    thread = threading.Thread(target=partition.run, args=(stop,), daemon=True)
    thread.start()
    while partition.untold.counts["witness"] == 0 or partition.status.held == "":
        time.sleep(0.001)
    while liar.asked < 4:  # each try is another session
        time.sleep(0.001)
    assert partition.status.size == 0
    assert thread.is_alive()
    liar.lying = False
    while partition.status.published < len(world.log.values):
        time.sleep(0.001)
        assert thread.is_alive()
    stop.set()
    thread.join()
    assert [(alarm.what, alarm.offset) for alarm in partition.untold.waiting()] == [("witness", 0)]
    assert partition.untold.counts["witness"] == 1
    world.check()


def test_one_witness_of_two_that_says_so_is_told_and_sealing_goes_on() -> None:
    """Once, until it vouches again and then says so again."""
    world, liar, honest = World(), Liar("liar"), StrictWitness("honest")
    partition = Partition(replace(world.workshop(), cosigners=lambda: (liar, honest)), 0)
    with closing(Session(partition._workshop, partition)) as session:
        while session._seal.size < len(world.log.values):
            session._take(0.01)
        for lying in (True, True, False, True):
            liar.lying = lying
            session._seal_now()
            assert partition.status.published == len(world.log.values)
            assert bool(partition.status.missing) == lying
    assert partition.untold.counts["witness"] == 2


class Absent(StrictWitness):
    """Does not answer, for another reason each time; vouches at the end."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("absent")
        self.reasons = list(reasons)

    def cosign(self, checkpoint: Checkpoint, note: bytes, nodes: Nodes) -> Signature:
        if self.reasons and (reason := self.reasons.pop(0)):
            raise WitnessUnavailable(f"absent: {reason}")
        return super().cosign(checkpoint, note, nodes)


def test_a_witness_that_is_away_is_told_of_once_a_reason() -> None:
    """It is asked at each head, several times a second, for as long as it is away; the metrics count that."""
    reasons = ("no answer in 5 s", "refused", "no answer in 7 s", "refused", "", "refused", "refused")
    world = World()
    partition = Partition(replace(world.workshop(), cosigners=lambda: (Absent(*reasons),)), 0)
    with closing(Session(partition._workshop, partition)) as session, capture_logs() as told:
        while session._seal.size < len(world.log.values):
            session._take(0.01)
        for _ in range(len(reasons) + 1):
            session._seal_now()
    assert [each["reason"] for each in told if each["event"] == "a witness does not vouch"] == [
        "absent: no answer in 5 s", "absent: refused", "absent: refused",
    ]  # fmt: skip
    assert partition.status.witness_failures == 6
    assert partition.status.missing == ()


class Hiccups(Key):
    """A key elsewhere that does not sign at one call."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at, self.calls = at, 0

    def sign(self, message: bytes) -> bytes:
        self.calls += 1
        if self.calls == self.at:
            raise SignerUnavailable("the key service does not answer")
        return super().sign(message)


@pytest.mark.parametrize("at", [1, 2])
def test_a_signer_that_does_not_answer_is_asked_again(at: int) -> None:
    """At the tree's first state, and at a head: as a store that does not answer; no other head of that size."""
    world, key = World(), Hiccups(at)
    partition, stop = Partition(replace(world.workshop(), signer=key), 0), threading.Event()
    stop.set()
    partition.run(stop)
    assert key.calls > at
    assert "key service" in partition.status.held or partition.status.held == ""
    world.check()


def test_many_records_at_once_are_sealed_before_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, however long the backlog is."""
    monkeypatch.setattr(session_module, "MOST_PENDING", 10)
    world = World()
    partition = world.partition()
    most = 0
    with closing(Session(partition._workshop, partition)) as session:
        while partition.status.size < len(world.log.values):
            session.step(0.01)
            most = max(most, session._seal.pending)
    assert most < 10 + 7


def test_the_state_is_renewed_while_nothing_comes() -> None:
    """A checkpoint's age says that the notary lives."""
    world = World()
    world.now = 1000.0
    partition = world.partition()
    with closing(Session(partition._workshop, partition)) as session:
        for _ in range(30):
            session.step(0.001)
            world.now += 1
        before = partition.status.sealed
        for _ in range(10):
            session.step(0.001)
            world.now += 1
        assert partition.status.sealed > before
    assert partition.status.size == len(world.log.values)
