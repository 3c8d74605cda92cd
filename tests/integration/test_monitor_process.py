"""Monitor and controller as processes over a governed log whose newest traffic has drifted: seen, told, rolled back."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.components.approvals import affiant
from tests.components.controlled import Site
from tests.components.ports import free_port
from tests.components.process import Process

ROOT = Path(__file__).resolve().parents[2]
BROKEN = """
import sys
from {module} import {name}
def broken(*_):
    raise KeyError("nobody expected this")
{name}.{method} = broken
from cli.main import run
run(sys.argv[1:])
"""


def monitor(site: Site, name: str = "monitor") -> Process:
    """Begun; it says that it leads."""
    process = Process(
        [sys.executable, "-P", "-m", "cli.main", "monitor", *site.config],
        log=site.directory / f"{name}.txt",
        cwd=ROOT,
    )
    process.start()
    process.wait_for_log("leads", deadline_s=90)
    return process


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Six panes of drifted requests."""
    return Site.built().copy(tmp_path_factory.mktemp("monitor") / "site")


@pytest.fixture(scope="module")
def running(site: Site) -> Iterator[Process]:
    """The monitor."""
    process = monitor(site)
    try:
        process.wait_for_log("severity=page", deadline_s=60)
        yield process
    finally:
        process.kill()


def test_status_tells_what_stands_and_its_exit_code_that_something_does(site: Site, running: Process) -> None:
    """As a table and as JSON."""
    said = affiant("drift", "status", "--service", "credit", "--json", *site.config)
    assert said.code == 1
    (package,) = said.json["packages"]
    assert (package["digest"], package["slot"]) == (site.second, "live")
    assert "page" in package["alarms"].values()
    shown = affiant("drift", "status", *site.config)
    assert "page" in shown.out
    assert affiant("drift", "status", "--service", "other", *site.config).code == 0


def test_the_report_is_counted_from_the_log(site: Site, running: Process, tmp_path: Path) -> None:
    """Every column, the worst first; a file that is there is left as it is."""
    page = tmp_path / "drift.html"
    said = affiant("drift", "report", "credit", "--out", page, "--json", *site.config)
    assert said.code == 0, said.err
    columns = said.json["evidence"]["columns"]
    assert [each["ks_lower"] for each in columns] == sorted(
        (each["ks_lower"] for each in columns), reverse=True
    )
    text = page.read_text()
    assert all(f'id="{each["column"]}"' in text for each in columns)
    again = affiant("drift", "report", "credit", "--out", page, *site.config)
    assert again.code == 2
    assert "--force replaces it" in again.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("other",), "the monitor has judged nothing of other live"),
        (("credit", "--slot", "shadow"), "the monitor has judged nothing of credit shadow"),
        (("credit", "--digest", "sha256:00"), "the monitor has judged nothing of credit live sha256:00"),
        (("credit", "--event", "0"), "has no deployment event at offset 0"),
    ],
)
def test_a_report_of_nothing_says_so(
    site: Site, running: Process, tmp_path: Path, words: Any, told: str
) -> None:
    """And writes none."""
    done = affiant("drift", "report", *words, "--out", tmp_path / "none.html", *site.config)
    assert done.code == 2
    assert told in " ".join(done.err.split())
    assert not (tmp_path / "none.html").exists()


def test_without_a_monitor_it_is_said_where_one_was_looked_for(site: Site, tmp_path: Path) -> None:
    """Exit code 3: later it may answer."""
    port = free_port()
    config = tmp_path / "affiant.toml"
    config.write_text(f'[data]\ndirectory = "{site.directory / "data"}"\n[monitor]\nmetrics_port = {port}\n')
    done = affiant("drift", "status", "--config", config)
    assert done.code == 3
    assert f"no monitor answers at http://127.0.0.1:{port}" in done.err
    assert "is `affiant monitor` running?" in done.err


def test_told_to_end_it_keeps_what_it_has(site: Site, tmp_path: Path) -> None:
    """And one that is begun in its place says the same, without counting anew."""
    own = Site.built().copy(tmp_path / "site")
    first = monitor(own)
    first.wait_for_log("severity=page", deadline_s=60)
    before = affiant("drift", "status", "--json", *own.config).json
    first.signal(signal.SIGTERM)
    assert first.wait(deadline_s=30) == 0
    second = monitor(own, "second")
    try:
        assert affiant("drift", "status", "--json", *own.config).json == before
        assert "severity=page" not in second.log_text()  # it stands already
    finally:
        second.kill()


def test_what_the_monitor_tells_the_controller_does(tmp_path: Path) -> None:
    """No Prometheus anywhere: drift is seen, told with the token, computed again, and version 1 is back; once."""
    own = Site.built().copy(tmp_path / "site")
    argv = [sys.executable, "-P", "-m", "cli.main", "controller", "run", *own.config]
    controller = Process(argv, log=own.directory / "controller.txt", cwd=ROOT)
    controller.start()
    controller.wait_for_log("ready", deadline_s=60)
    watching = monitor(own)
    try:
        controller.wait_for_log("rolled back", deadline_s=90)
        history = affiant("history", "credit", "--json", *own.config).json["services"][0]["events"]
        assert [each["action"] for each in history] == ["deploy", "deploy", "rollback"]
        assert history[-1]["void"] is None
        assert history[-1]["plan"][0]["digest"] == own.first
        right = affiant("audit", "recompute", "credit@latest", "--json", *own.config)
        assert right.code == 0, right.out
        assert json.loads(right.out)["right"] is True
    finally:
        watching.kill()
        controller.kill()


def test_a_thread_that_dies_takes_its_process_with_it(site: Site, tmp_path: Path) -> None:
    """With exit code 3, after which it is started again, and the traceback in its log: one that lived on would move no
    rollout, or tell nobody of an alert, and look well.
    """
    settings = tmp_path / "affiant.toml"
    settings.write_text('[data]\ndirectory = "data"\n[monitor]\nmetrics_port = 0\n')
    monitor_ = ("monitor", "--config", str(settings))
    processes = {}
    for thread, where, argv in (
        ("rollouts", ("monitoring.rollout.mover", "Mover", "step"), ("controller", "run", *site.config)),
        ("alerts", ("cli.monitor_alerts", "Evaluating", "look"), monitor_),
    ):
        program = BROKEN.format(**dict(zip(("module", "name", "method"), where, strict=True)))
        processes[thread] = Process(
            [sys.executable, "-P", "-c", program, *argv], log=tmp_path / f"{thread}.txt", cwd=ROOT
        )
        processes[thread].start()
    try:
        for thread, process in processes.items():
            assert process.wait(deadline_s=90) == 3, process.log_text()
            said = process.log_text()
            assert f"the thread {thread!r} has ended unasked (KeyError); the log says why" in said
            assert "nobody expected this" in said
    finally:
        for process in processes.values():
            process.kill()
