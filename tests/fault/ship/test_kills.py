"""The sidecar dies at every step of a run; the log is one that hides and delays what it was sent."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from audit.errors import LogUnavailable
from audit.journal import JournalReader
from audit.log.base import Finding
from audit.log.local import LocalLog
from audit.proof.record import frame_record, split_record
from audit.ship.barrier import scan
from audit.ship.external import ExternalStore
from audit.ship.reached import ACKNOWLEDGED, Reached, ReachedWriter, read_reached
from tests.components.journals import write_journal
from tests.components.process import wait_until
from tests.fault.ship.memory import Killed, MemoryLog
from tests.fault.ship.world import (
    LONG,
    assert_complete,
    checked,
    drain,
    durable,
    journal_of_epochs,
    journal_of_groups,
    shipper_of,
)  # fmt: skip

pytestmark = pytest.mark.fault

_write, _sync = ReachedWriter.write, ReachedWriter.sync


class Killer:
    """Kills at the n-th step; counts them all."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.steps: list[str] = []

    def __call__(self, name: str) -> None:
        self.steps.append(name)
        if len(self.steps) == self.at:
            raise Killed(name)


@pytest.fixture
def arm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Killer, MemoryLog], None]]:
    """Let the bookkeeping's writes be steps too, and hold each against what the log has acknowledged."""

    def arm(killer: Killer, log: MemoryLog) -> None:
        def counted_write(self: Any, acknowledged: Reached) -> None:
            killer("before acknowledged")
            assert acknowledged.offset <= log.visible, "beyond what the log has acknowledged"
            _write(self, acknowledged)
            killer("after acknowledged")

        def counted_sync(self: Any) -> None:
            killer("before sync")
            _sync(self)

        monkeypatch.setattr("audit.ship.shipper.ReachedWriter.write", counted_write)
        monkeypatch.setattr("audit.ship.shipper.ReachedWriter.sync", counted_sync)

    yield arm
    monkeypatch.undo()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of two epochs; shipping it leaves it as it is."""
    data = tmp_path_factory.mktemp("shipped")
    journal_of_epochs(data)
    return data


def run_killed(data: Path, log: MemoryLog, shipping: Path, killer: Killer) -> None:
    """One run up to the kill, or to its end."""
    log.step = killer
    try:
        drain(shipper_of(data, log, shipping))
    except Killed:
        return
    finally:
        log.step = lambda _: None


def assert_bookkeeping(log: MemoryLog, shipping: Path) -> None:
    """What is said to be acknowledged is there, and readers see it."""
    known = read_reached(shipping, ACKNOWLEDGED)
    if known is not None:
        assert known.sequence <= max(checked(log).journals.values(), default=0)
        assert known.offset <= log.visible


def test_killed_at_every_step_nothing_is_lost_and_nothing_is_twice(
    data: Path, tmp_path: Path, arm: Callable[[Killer, MemoryLog], None]
) -> None:
    """Whatever part of what was on its way has landed unseen: the next run's barrier shows it."""
    whole, log = Killer(), MemoryLog()
    arm(whole, log)
    run_killed(data, log, tmp_path / "whole", whole)
    assert_complete(data, log)
    assert {"before send", "after landing", "before acknowledged", "before sync"} <= set(whole.steps)
    rng = random.Random(3)
    for place in range(1, len(whole.steps) + 1):
        log, shipping = MemoryLog(), tmp_path / str(place)
        killer = Killer(place)
        arm(killer, log)
        run_killed(data, log, shipping, killer)
        assert len(killer.steps) == place
        assert_bookkeeping(log, shipping)
        log.kill(landed=rng.choice((0, 1, rng.randrange(40), 1000)), late=0)
        arm(Killer(), log)
        drain(shipper_of(data, log, shipping))
        assert assert_complete(data, log).duplicates == 0, f"step {place}: {killer.steps[-1]}"


def test_killed_again_and_again_nothing_is_lost_whatever_comes_late(
    data: Path, tmp_path: Path, arm: Callable[[Killer, MemoryLog], None]
) -> None:
    """A dead sidecar's last request may land behind the next barrier: benign, and nothing else is twice."""
    duplicates = 0
    for seed in range(400 if LONG else 40):
        rng = random.Random(seed)
        log, shipping = MemoryLog(), tmp_path / str(seed)
        late = 0
        for _ in range(rng.randrange(1, 5)):
            killer = Killer(rng.randrange(1, 90))
            arm(killer, log)
            run_killed(data, log, shipping, killer)
            assert_bookkeeping(log, shipping)
            log.kill(landed=rng.randrange(10), late=rng.choice((0, 0, 3)))
            late += len(log.late)
        arm(Killer(), log)
        drain(shipper_of(data, log, shipping))
        found = assert_complete(data, log).duplicates
        assert found <= late
        duplicates += found
    assert duplicates > 0, "no request came late: this would show little"


def test_the_bytes_on_the_way_are_bounded(tmp_path: Path) -> None:
    """A log that takes nothing is sent no more than the bound and one group, whatever the journal holds."""
    journal_of_groups(tmp_path, 40, 20_000)
    log = MemoryLog()
    shipper = shipper_of(tmp_path, log, tmp_path / "s", in_flight_bytes=100_000, delivery_timeout_seconds=30)

    def stuck(name: str) -> None:
        log.stuck = log.stuck or name == "after landing"  # the barrier has landed

    log.step = stuck
    stop = threading.Event()
    thread = threading.Thread(target=shipper.run, args=(stop,))
    thread.start()
    try:
        wait_until(lambda: log.idle >= 5, what="the shipper waits for room")
        assert len(log.waiting) >= 4
        assert log.largest <= 100_000 + 25_000
        assert shipper.progress.in_flight_bytes == sum(len(value) for _, value in log.waiting)
    finally:
        log.step = lambda _: None
        log.stuck = False
        stop.set()
        thread.join(60)
    assert_complete(tmp_path, log)


def test_a_log_that_takes_nothing_ends_the_run_and_begins_another(tmp_path: Path) -> None:
    """The watchdog: no record acknowledged within the delivery time-out; the next run goes on from the barrier."""
    journal_of_groups(tmp_path, 10, 1000)
    log = MemoryLog()
    barriers = 0

    def twice(name: str) -> None:
        nonlocal barriers
        if name == "writer":
            barriers += 1
            log.stuck = False
        elif name == "after landing" and barriers == 1:
            log.stuck = True

    log.step = twice
    shipper = shipper_of(tmp_path, log, tmp_path / "s", delivery_timeout_seconds=0.2)
    stop = threading.Event()
    thread = threading.Thread(target=shipper.run, args=(stop,))
    thread.start()
    try:
        wait_until(
            lambda: shipper.progress.acknowledged == durable(tmp_path), what="all is shipped", deadline_s=10
        )
    finally:
        log.stuck = False
        stop.set()
        thread.join(60)
    assert (barriers, shipper.progress.restarts) == (2, 1)
    assert assert_complete(tmp_path, log).duplicates == 0


def test_a_settings_finding_ends_shipping_before_anything_is_sent(tmp_path: Path) -> None:
    """An unsafe topic is an alarm that names the setting."""
    journal_of_epochs(tmp_path, epochs=1)
    log = MemoryLog(findings=[Finding("cleanup.policy", "compact", "delete", "it drops records")])
    shipper = drain(shipper_of(tmp_path, log, tmp_path / "s"))
    assert "cleanup.policy" in str(shipper.progress.alarm)
    assert log.entries == []
    assert not log.waiting


def test_a_gap_in_the_log_is_an_alarm(data: Path, tmp_path: Path) -> None:
    """A record of ours that is not there although a later one is: nobody may paper over it."""
    log = MemoryLog()
    drain(shipper_of(data, log, tmp_path / "s"))
    del log.entries[5]
    log.visible -= 1
    (tmp_path / "s" / "acknowledged").unlink()
    shipper = drain(shipper_of(data, log, tmp_path / "s"))
    assert "Contradiction" in str(shipper.progress.alarm)
    assert "is not in the log" in str(shipper.progress.alarm)


def test_one_sequence_with_two_hashes_is_an_alarm(data: Path, tmp_path: Path) -> None:
    """The same sequence and hash again is benign; another hash is not."""
    log = MemoryLog()
    drain(shipper_of(data, log, tmp_path / "s"))
    key, value = log.entries[6]
    entry, payload = split_record(value)
    log.entries.append((key, value))
    log.visible += 1
    journal, barrier = key, len(log.entries)
    found = scan(log.reader(), 0, journal, start=0, barrier=barrier, known=0, patience=1)
    assert (found.next, found.duplicates) == (durable(data), 1)
    other = entry[:-1] + bytes([entry[-1] ^ 1])
    log.entries[-1] = (key, frame_record(other, payload))
    (tmp_path / "s" / "acknowledged").unlink()
    shipper = drain(shipper_of(data, log, tmp_path / "s"))
    assert "two hashes" in str(shipper.progress.alarm)


def test_nothing_beyond_the_durable_mark_is_shipped(tmp_path: Path) -> None:
    """A group that was written and never told to be durable stays here."""
    mark = tmp_path / "journals" / "0" / "mark"
    marks: list[bytes] = []
    journal_of_groups(tmp_path, 10, 1000, each=lambda: marks.append(mark.read_bytes()))
    mark.write_bytes(marks[4])  # as if the sync of what follows had not returned
    known = durable(tmp_path)
    assert known == 6
    log = MemoryLog()
    drain(shipper_of(tmp_path, log, tmp_path / "s"))
    assert list(checked(log).journals.values()) == [known]


def test_an_external_payload_is_stored_before_its_record_is_sent(tmp_path: Path) -> None:
    """Killed in between, an object too many; the other way round, a record whose payload nobody has."""
    write_journal(tmp_path, [b"z" * (2 << 20)])
    objects = tmp_path / "objects" / "payloads"
    log = MemoryLog()

    def there(name: str) -> None:
        if name == "after send" and len(log.waiting) + len(log.entries) == 3:  # barrier, opening, this
            assert len(list(objects.glob("*/*"))) == 1

    log.step = there
    drain(shipper_of(tmp_path, log, tmp_path / "s"))
    result = assert_complete(tmp_path, log)
    assert result.without_payload == 1
    (stored,) = objects.glob("*/*")
    assert ExternalStore(f"file://{tmp_path / 'objects'}").get(bytes.fromhex(stored.name)) is not None


def test_another_process_that_writes_the_partition_is_waited_for(tmp_path: Path) -> None:
    """Two writers of one local partition would interleave; the second run begins when the first is gone."""
    journal_of_epochs(tmp_path, epochs=1)
    log = LocalLog(tmp_path / "log", "t")
    rival = log.writer(0)
    shipper = drain(shipper_of(tmp_path, log, tmp_path / "s", drain_seconds=0.05))
    assert shipper.progress.restarts > 0
    assert shipper.progress.shipped == 0
    with pytest.raises(LogUnavailable, match="another process"):
        log.writer(0)
    rival.close()
    drain(shipper_of(tmp_path, log, tmp_path / "s"))
    assert assert_complete(tmp_path, log).duplicates == 0
    assert JournalReader(tmp_path / "journals" / "0").mark() is not None
