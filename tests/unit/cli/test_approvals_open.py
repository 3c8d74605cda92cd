"""A local log has one writer at a time: who signs waits for the other, not for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.errors import LogUnavailable
from audit.log.local import LocalLog
from cli.approvals_open import Patient


def test_a_log_that_another_process_writes_is_waited_for(tmp_path: Path) -> None:
    """Asked again until it is free; then it is one's own."""
    log = LocalLog(tmp_path / "log", "governance")
    holder = log.writer(0)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            holder.close()

    Patient(log, sleep=sleep).writer(0).close()
    assert len(slept) == 3


def test_a_log_that_stays_held_is_told(tmp_path: Path) -> None:
    """After ten seconds, with what holds it."""
    log = LocalLog(tmp_path / "log", "governance")
    holder = log.writer(0)
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    with pytest.raises(LogUnavailable, match="another process writes this partition"):
        Patient(log, lambda: now[0], sleep).writer(0)
    assert now[0] == pytest.approx(10.0, abs=0.15)
    holder.close()
