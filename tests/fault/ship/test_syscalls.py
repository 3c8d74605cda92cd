"""Each system call of the sidecar's bookkeeping and of the local log fails once: nothing lost, nothing twice."""

from __future__ import annotations

import errno
import importlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from audit.errors import LogUnavailable
from audit.log.local import LocalLog, LocalWriter
from audit.mark import MarkWriter
from audit.ship.reached import ACKNOWLEDGED, ReachedWriter
from tests.components.process import wait_until
from tests.fault.ship.disk import FAULTS, MODULES, SHORT, FaultyOs
from tests.fault.ship.world import assert_complete, drain, journal_of_epochs, shipper_of

pytestmark = pytest.mark.fault

KEY = bytes(16)
_publish = LocalWriter._publish


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of two epochs; shipping it leaves it as it is."""
    data = tmp_path_factory.mktemp("shipped")
    journal_of_epochs(data)
    return data


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Callable[[FaultyOs, Path], list[str]]:
    """Put a disk under the modules; the list it gives takes what was told to be durable and was not."""

    def watch(disk: FaultyOs, root: Path) -> list[str]:
        false: list[str] = []

        def publish(self: Any) -> None:
            segment = self._directory / f"{self._base:020d}.log"
            known = [segment, *(path for path in disk.content if path.suffix == ".json")]
            risks = [disk.at_risk(path, self._size if path == segment else None) for path in known]
            false.extend(risk for risk in risks if risk is not None)
            _publish(self)

        monkeypatch.setattr("audit.log.local.LocalWriter._publish", publish)
        for name in MODULES:
            monkeypatch.setattr(importlib.import_module(name), "os", disk)
        return false

    return watch


def live(data: Path, root: Path) -> list[str]:
    """Ship everything, in runs as the sidecar makes them; what was said on the way."""
    with structlog.testing.capture_logs() as told:
        try:
            drain(shipper_of(data, LocalLog(root / "log", "t"), root / "s"))
        except LogUnavailable as error:  # the log could not be opened at all: the command ends with this
            return [str(error)]
    return [f"{event['event']}: {event.get('reason')}" for event in told if event["log_level"] != "info"]


def test_each_failing_syscall_is_survived_and_told(
    data: Path, tmp_path: Path, watched: Callable[[FaultyOs, Path], list[str]]
) -> None:
    """After the failure and a restart the log is whole; nothing is said to be durable that a power cut takes."""
    whole = FaultyOs()
    assert watched(whole, tmp_path) == []
    assert live(data, tmp_path / "whole") == []
    assert {"open", "write", "pwrite", "fsync", "fdatasync", "link", "ftruncate"} <= set(whole.calls)
    for fault in FAULTS:
        failed = 0
        for place in range(len(whole.calls)):
            if fault == SHORT and whole.calls[place] not in {"write", "pwrite"}:
                continue
            disk, root = FaultyOs(), tmp_path / f"{fault}-{place}"
            false = watched(disk, root)
            disk.faults[place] = fault
            told = live(data, root)
            where = f"{fault} at call {place}, {whole.calls[place]}"
            assert len(disk.failed) == 1, where
            failed += 1
            if fault == SHORT:
                # Gone on with, or told.
                assert not told or any("short write" in line for line in told), (where, told)
            else:
                assert any(os.strerror(int(fault)) in line for line in told), (where, told)
            disk.faults.clear()
            live(data, root)
            assert false == [], where
            assert assert_complete(data, LocalLog(root / "log", "t")).duplicates == 0, where
        assert failed > 3


def test_a_local_record_is_acknowledged_after_its_sync_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While fdatasync has not returned, nothing is delivered and readers see nothing."""
    entered, gate = threading.Event(), threading.Event()

    class Slow(FaultyOs):
        def fdatasync(self, descriptor: int) -> None:
            entered.set()
            assert gate.wait(60)
            os.fdatasync(descriptor)

    log = LocalLog(tmp_path, "t")
    writer, reader = log.writer(0), log.reader()
    monkeypatch.setattr("audit.log.local.os", Slow())
    writer.send(b"one", KEY)
    try:
        assert entered.wait(60), "no fdatasync was called"
        assert writer.delivered().sends == 0
        assert reader.read(0, 0, 1000, 0.0) == []
    finally:
        gate.set()
    wait_until(lambda: writer.delivered().sends == 1, what="it is delivered")
    assert [entry.value for entry in reader.read(0, 0, 1000, 5.0)] == [b"one"]
    writer.close()
    reader.close()


def test_what_a_failed_sync_left_in_the_cache_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel calls such pages clean: a sync of the same descriptor or of another one would promise air."""
    disk = FaultyOs()
    monkeypatch.setattr("audit.log.local.os", disk)
    monkeypatch.setattr("audit.files.os", disk)
    log = LocalLog(tmp_path, "t")
    writer = log.writer(0)
    writer.send(b"one", KEY)
    wait_until(lambda: writer.delivered().sends == 1, what="it is delivered")
    disk.faults[len(disk.calls) + 1] = errno.EIO  # the write comes first
    writer.send(b"two", KEY)

    wait_until(lambda: disk.failed == ["fdatasync"], what="the sync has failed")
    wait_until(lambda: writer._failed is not None, what="the writer knows")
    with pytest.raises(LogUnavailable, match=os.strerror(errno.EIO)):
        writer.delivered()
    writer.close()
    segment = tmp_path / "0" / f"{0:020d}.log"
    assert disk.at_risk(segment) is not None
    log.writer(0).close()
    assert disk.at_risk(segment) is None
    reader = log.reader()
    assert [entry.value for entry in reader.read(0, 0, 1000, 5.0)] == [b"one", b"two"]
    reader.close()


def test_a_mark_has_its_bytes_before_it_is_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hole in a mapped file on a full disk is a signal that kills; so a full disk shows here, as an error."""
    disk = FaultyOs()
    monkeypatch.setattr("audit.mark.os", disk)
    writer = MarkWriter(tmp_path / "mark")
    writer.close()
    assert "pwrite" in disk.calls
    for fault in (errno.ENOSPC, SHORT):
        disk.faults = {len(disk.calls) + disk.calls.index("pwrite"): fault}
        with pytest.raises(OSError, match=r"No space|short write"):
            MarkWriter(tmp_path / f"mark-{fault}")
        disk.faults.clear()
        MarkWriter(tmp_path / f"mark-{fault}").close()
        assert (tmp_path / f"mark-{fault}").read_bytes() == bytes(64)


def test_a_half_written_acknowledged_mark_costs_a_scan_and_nothing_else(data: Path, tmp_path: Path) -> None:
    """The log itself tells what it has."""
    log = LocalLog(tmp_path / "log", "t")
    drain(shipper_of(data, log, tmp_path / "s"))
    path = tmp_path / "s" / "acknowledged"
    for content in (path.read_bytes()[:30], bytes(64), path.read_bytes()[:40] + bytes(24)):
        path.write_bytes(content)
        assert drain(shipper_of(data, log, tmp_path / "s")).progress.shipped == 0
    assert assert_complete(data, log).duplicates == 0
    ReachedWriter(tmp_path / "s", ACKNOWLEDGED, bytes(16)).close()
