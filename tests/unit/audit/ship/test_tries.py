"""What a shipper tries again, for how long, and what is told of it; and what ends it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from audit.backoff import backoff
from audit.errors import JournalDamaged, LogUnavailable
from tests.fault.ship.memory import MemoryLog
from tests.fault.ship.world import assert_complete, drain, journal_of_epochs, shipper_of


class Failing(MemoryLog):
    """Fails so many times with what it is given, before it is asked for anything else."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.left = list(errors)

    def check(self) -> list[Any]:
        """See `Log.check`."""
        if self.left:
            raise self.left.pop()
        return super().check()


def tried(data: Path, log: MemoryLog) -> tuple[list[Any], str | None, int]:
    """Everything is shipped, or it ends: what was told above `info`, the alarm, the restarts."""
    shipper = shipper_of(data, log, data / "shipping" / "0", retry_seconds=1e-9, drain_seconds=60)
    with capture_logs() as said:
        drain(shipper)
    told = [each for each in said if each["log_level"] != "info"]
    return told, shipper.progress.alarm, shipper.progress.restarts


def test_an_outage_of_any_length_is_survived(tmp_path: Path) -> None:
    """More failures in a row than a float has doublings; one line tells of them, and all is shipped in the end."""
    journal_of_epochs(tmp_path)
    log = Failing(*[LogUnavailable("no broker") for _ in range(1100)])
    told, alarm, restarts = tried(tmp_path, log)
    assert (len(told), alarm, restarts) == (1, None, 1100)
    assert told[0]["reason"] == "no broker"
    assert_complete(tmp_path, log)


@pytest.mark.parametrize(
    "error", [RuntimeError("can't start new thread"), MemoryError(), OSError(24, "too many open files")]
)
def test_what_nobody_expected_is_tried_again_and_told_once(tmp_path: Path, error: Exception) -> None:
    """A machine that is short of something for a minute has no journal that is never shipped again."""
    journal_of_epochs(tmp_path)
    log = Failing(error, error, error)
    told, alarm, restarts = tried(tmp_path, log)
    assert (len(told), alarm, restarts) == (1, None, 3)
    assert told[0].get("exc_info", False) is not isinstance(error, OSError)
    assert_complete(tmp_path, log)


def test_another_trouble_is_told_again(tmp_path: Path) -> None:
    """Once a change: what stands in the log last is what is wrong now."""
    journal_of_epochs(tmp_path)
    first, second = LogUnavailable("no broker"), LogUnavailable("not allowed")
    told, _, _ = tried(tmp_path, Failing(first, second, second, first, first))
    assert [each["reason"] for each in told] == ["no broker", "not allowed", "no broker"]


def test_a_damaged_journal_ends_its_shipping_with_an_alarm(tmp_path: Path) -> None:
    """To read it again would give the same; a person must look."""
    journal_of_epochs(tmp_path)
    told, alarm, restarts = tried(tmp_path, Failing(JournalDamaged("segment 1")))
    assert (alarm, restarts) == ("JournalDamaged: segment 1", 0)
    assert [each["log_level"] for each in told] == ["error"]


def test_pauses_double_up_to_their_bound() -> None:
    """Whatever the number of failures."""
    assert [backoff(failures, 0.5, 3.0) for failures in (1, 2, 3, 4, 5000)] == [0.5, 1.0, 2.0, 3.0, 3.0]
