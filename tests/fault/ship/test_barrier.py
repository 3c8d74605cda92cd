"""The scan up to the barrier: everything that is there is compared, and little of it is held at a time."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from pathlib import Path

import pytest

from audit.log.base import LogEntry
from audit.proof.record import frame_record, split_record
from audit.ship.barrier import Contradiction, scan
from tests.components.journals import write_journal
from tests.components.sworn import NAME, Journal
from tests.fault.ship.memory import MemoryLog
from tests.fault.ship.world import assert_complete, drain, durable, shipper_of

pytestmark = pytest.mark.fault

WINDOW = 8


class Long:
    """A log's reader that makes its entries as they are read: nothing of it is in memory before or after."""

    def __init__(self, length: int) -> None:
        self.journal = Journal()
        self.length = length

    def read(self, partition: int, offset: int, max_bytes: int, timeout: float) -> list[LogEntry]:
        """Some entries, always the next ones."""
        self.journal.values.clear()
        assert offset == self.journal.sequence
        for _ in range(min(100, self.length - offset)):
            self.journal.exchange(b"[1]")
        return [LogEntry(offset + at, 0, key, value) for at, (key, value) in enumerate(self.journal.values)]

    def bounds(self, partition: int) -> tuple[int, int]:
        """Not asked for."""
        raise AssertionError

    def close(self) -> None:
        """Nothing to let go."""


def peak(length: int) -> int:
    """Bytes that a scan of so many entries held at most."""
    compared = 0

    def compare(leaves: Mapping[int, bytes]) -> None:
        nonlocal compared
        assert len(leaves) <= 512
        compared += len(leaves)

    tracemalloc.start()
    found = scan(
        Long(length), 0, NAME, start=0, barrier=length, known=0, patience=60, compare=compare, window=512
    )
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.next == compared == length
    return held


def test_a_scan_of_any_length_takes_the_same_memory() -> None:
    """When the mark is lost, the whole log is read: it may be larger than the machine."""
    short = peak(2000)
    long, again = peak(8000), peak(2000)  # what is made once, at the first reading, is in neither
    assert long < 1.3 * max(short, again)


@pytest.fixture
def shipped(tmp_path: Path) -> MemoryLog:
    """A log that holds a journal of some windows."""
    write_journal(tmp_path, [b"%d" % number for number in range(5 * WINDOW)])
    log = MemoryLog()
    drain(shipper_of(tmp_path, log, tmp_path / "s"))
    (tmp_path / "s" / "acknowledged").unlink()
    return log


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short window, so that a short log has several."""
    assert scan.__kwdefaults__ is not None
    monkeypatch.setitem(scan.__kwdefaults__, "window", WINDOW)
    monkeypatch.setattr("audit.ship.shipper.WINDOW", WINDOW)


def altered(value: bytes) -> bytes:
    """Another record with the same journal and sequence."""
    entry, payload = split_record(value)
    return frame_record(entry[:-1] + bytes([entry[-1] ^ 1]), payload)


@pytest.mark.parametrize("at", [2, WINDOW, WINDOW + 1, 3 * WINDOW, 5 * WINDOW])
def test_another_hash_is_found_in_every_window(shipped: MemoryLog, tmp_path: Path, at: int) -> None:
    """Not in the first and the last alone."""
    key, value = shipped.entries[at]
    shipped.entries[at] = (key, altered(value))
    shipper = drain(shipper_of(tmp_path, shipped, tmp_path / "s"))
    assert "one hash in the log, another in the journal" in str(shipper.progress.alarm)


def test_a_second_copy_of_the_whole_journal_is_benign(shipped: MemoryLog, tmp_path: Path) -> None:
    """A route that was lost and chosen anew leaves this."""
    shipped.entries += shipped.entries[1:]
    shipped.visible = len(shipped.entries)
    shipper = drain(shipper_of(tmp_path, shipped, tmp_path / "s"))
    assert shipper.progress.alarm is None
    assert shipper.progress.duplicates == durable(tmp_path)
    assert assert_complete(tmp_path, shipped).duplicates == durable(tmp_path)


@pytest.mark.parametrize("at", [1, WINDOW + 2, 4 * WINDOW])
def test_a_duplicate_from_long_before_is_held_against_the_journal(
    shipped: MemoryLog, tmp_path: Path, at: int
) -> None:
    """The scan does not remember its hash any more; the journal does."""
    key, value = shipped.entries[at]
    shipped.entries.append((key, altered(value)))
    shipped.visible = len(shipped.entries)
    shipper = drain(shipper_of(tmp_path, shipped, tmp_path / "s"))
    assert "Contradiction" in str(shipper.progress.alarm)


def test_two_hashes_on_both_sides_of_a_windows_end_are_found() -> None:
    """Without a journal to ask: one window back is remembered."""
    log = MemoryLog()
    journal = Journal()
    for _ in range(WINDOW):
        journal.exchange(b"[1]")
    log.entries = [*journal.values, (NAME, altered(journal.values[3][1]))]
    log.visible = len(log.entries)
    with pytest.raises(Contradiction, match="two hashes"):
        scan(log.reader(), 0, NAME, start=0, barrier=len(log.entries), known=0, patience=1)
