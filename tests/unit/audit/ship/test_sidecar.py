"""The sidecar's threads, and what it says of what is no journal."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from audit.errors import AuditError
from audit.log.local import LocalLog
from audit.settings import SidecarSettings
from audit.ship.sidecar import Sidecar, metrics_server
from audit.ship.watch import SealWatch
from tests.components.journals import write_journal
from tests.components.process import wait_until
from tests.fault.ship.place import Place
from tests.fault.ship.world import assert_complete


def sidecar_of(data: Path, place: Place | None = None) -> Sidecar:
    """A sidecar that looks often; with what a notary seals, where there is a place for one."""
    settings = SidecarSettings(scan_seconds=0.01, retry_seconds=0.01)
    return Sidecar(data, LocalLog(data / "log", "t"), settings, None if place is None else place.sealer.trees)


def test_a_thread_that_ends_unasked_ends_the_sidecar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the work would not be done, and a journal fill: the probe fails, the rest is drained, a supervisor starts
    it again.
    """
    place = Place(tmp_path / "place")
    write_journal(tmp_path / "data", [b"%d" % number for number in range(12)])
    sidecar = sidecar_of(tmp_path / "data", place)
    dies = threading.Event()

    def run(_: SealWatch, stop: threading.Event) -> None:
        dies.wait()

    monkeypatch.setattr(SealWatch, "run", run)
    ended: list[str] = []

    def ship() -> None:
        try:
            sidecar.run(threading.Event())
        except AuditError as error:
            ended.append(str(error))

    def ready(port: int) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return error.read().decode()

    with metrics_server("127.0.0.1", 0, sidecar) as server, capture_logs() as told:
        shipping = threading.Thread(target=ship)
        shipping.start()
        wait_until(lambda: bool(sidecar.journals()), what="a shipper is begun")
        assert ready(server.port) == "ok\n"
        dies.set()
        shipping.join(60)
        assert ready(server.port) == "the thread 'sealed' has ended unasked\n"
    assert ended == ["the thread 'sealed' has ended unasked (it returned); the log says why"]
    assert [each["thread"] for each in told if each["log_level"] == "error"] == ["sealed"]
    assert_complete(tmp_path / "data", LocalLog(tmp_path / "data" / "log", "t"))


def test_what_is_no_journal_is_told_once(tmp_path: Path) -> None:
    """And again when it is wrong in another way; when it is one, it is shipped."""
    write_journal(tmp_path, [b"1"])
    path = tmp_path / "journals" / "0" / "journal.json"
    whole = path.read_bytes()
    sidecar = sidecar_of(tmp_path)
    stop = threading.Event()
    with capture_logs() as told:
        path.write_bytes(b"{")
        sidecar._start_new(stop)
        sidecar._start_new(stop)
        path.unlink()
        path.mkdir()
        sidecar._start_new(stop)
        sidecar._start_new(stop)
        path.rmdir()
        path.write_bytes(whole)
        sidecar._start_new(stop)
    stop.set()
    assert sidecar.run(stop) == 0
    wrong = [each for each in told if each["event"] == "not a journal"]
    assert len(wrong) == len({each["reason"] for each in wrong}) == 2
    assert_complete(tmp_path, LocalLog(tmp_path / "log", "t"))
