"""The monitor as a whole over a local log: what it says is the log's, whoever is stopped when."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from audit.errors import LogUnavailable
from audit.log.local import LocalLog
from monitoring.consume import LocalFollowing
from monitoring.figures import Evidence
from monitoring.governed import Ungoverned
from monitoring.judging import Basis, judged_by
from monitoring.judging.again import NotThose, again
from monitoring.lead import labels_due
from monitoring.monitor import Monitor
from monitoring.pages import pages
from monitoring.panes import Pane
from monitoring.read import Packages, Profile
from monitoring.store.feed import LocalFeed
from monitoring.store.states import FileStates
from registry.deployment import Placed, Rollout
from registry.package import Package
from tests.components.monitored import Known, Traffic, append, local_log, made_package

SIZE = 64
SERVICE = "numbers"


class Site:
    """A log of two partitions, two journals in the first of them, of which one begins in the middle of a pane."""

    def __init__(self, directory: Path, package: Package) -> None:
        self.directory = directory
        self.digest = package.digest
        self.packages = Known.of(package, SERVICE)
        self.traffic = [Traffic(package, journal=bytes([at]) * 16, seed=at) for at in range(3)]
        one, two, other = self.traffic
        first = one.values(SIZE + 10)
        again_ = first[-3:]  # a dead sidecar's last request
        self.log = local_log(
            directory / "log",
            [*first, *again_, *two.values(3 * SIZE), *one.values(SIZE)],
            other.values(4 * SIZE + 5),
        )

    def monitor(
        self,
        name: str = "monitor",
        feed: LocalFeed | None = None,
        *,
        log: Any = None,
        governing: Any = None,
        packages: Any = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> Monitor:
        """One that begins, or goes on in its directory."""
        feed, directory = feed or LocalFeed(), self.directory / name
        following = LocalFollowing(self.log, directory, SIZE, self.packages, feed.hand, pause=lambda _: None)
        plans = {SERVICE: (Placed(digest=self.digest), Placed(digest="sha256:" + "ef" * 32, slot="shadow"))}
        return Monitor(
            following, lambda _: feed, log or self.log, governing or Ungoverned(lambda: None, lambda: plans),
            packages or self.packages, lambda _: FileStates(directory / "judged"), pane_records=SIZE, clock=lambda: 2e9,
            monotonic=monotonic,
        )  # fmt: skip

    def evidence(self, monitor: Monitor) -> Evidence:
        """Of what is live."""
        found = monitor.evidence(SERVICE, self.digest, "live")
        assert found is not None
        return found


@pytest.fixture(scope="module")
def package() -> Package:
    """Three numbers and a category."""
    return made_package()


@pytest.fixture
def site(tmp_path: Path, package: Package) -> Site:
    """A log with five panes in one partition and four in the other."""
    return Site(tmp_path, package)


def run(monitor: Monitor, rounds: int = 6) -> Monitor:
    """So many rounds."""
    for _ in range(rounds):
        monitor.step()
    return monitor


def stop(monitor: Monitor) -> None:
    """As SIGTERM does."""
    stopping = threading.Event()
    stopping.set()
    monitor.run(stopping)


def test_evidence_is_computed_again_from_the_log_to_the_bit(site: Site) -> None:
    """With journals that were there before its first pane, that begin in it, and records that came twice."""
    evidence = site.evidence(run(site.monitor()))
    assert len(evidence.panes) >= 8
    with closing(site.log.reader()) as reader:
        assert again(evidence, reader, site.packages, judged_by(None, SERVICE)) == evidence


def test_evidence_that_begins_later_is_computed_again_too(site: Site) -> None:
    """What had come before it is told with it."""
    evidence = site.evidence(run(site.monitor()))
    later = evidence.model_copy(update={"panes": tuple(each for each in evidence.panes if each[1] >= 2)})
    with closing(site.log.reader()) as reader:
        found = again(later, reader, site.packages, judged_by(None, SERVICE))
    assert found.rows < evidence.rows
    assert found.panes == later.panes


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"panes": ((0, 0), (0, 0))}, "a pane twice"),
        ({"panes": ((0, 1), (0, 0), (0, 2), (0, 3), (0, 4))}, "pane 0 comes after pane 1"),
        ({"service": "other"}, "never answered for 'other'"),
        ({"slot": "shadow", "panes": ((0, 0),), "digest": None}, "has not answered anything"),
        ({"reached": {"0": {"zz": 1}}}, "a journal that is none"),
        ({"pane_records": 10**9, "panes": ((0, 0),)}, "offsets from the first pane to the last"),
    ],
)
def test_evidence_of_something_else_is_refused(site: Site, change: dict[str, Any], told: str) -> None:
    """A forger's, or one of another world."""
    evidence = site.evidence(run(site.monitor()))
    changed = {key: value for key, value in change.items() if value is not None}
    with closing(site.log.reader()) as reader, pytest.raises(NotThose, match=told):
        again(evidence.model_copy(update=changed), reader, site.packages, judged_by(None, SERVICE))


def test_evidence_that_leaves_a_pane_out_is_refused(site: Site) -> None:
    """Who may choose the panes finds any drift."""
    evidence = site.evidence(run(site.monitor()))
    chosen = evidence.model_copy(update={"panes": tuple(each for each in evidence.panes if each != (0, 2))})
    with (
        closing(site.log.reader()) as reader,
        pytest.raises(NotThose, match="partition 0, pane 2 is left out"),
    ):
        again(chosen, reader, site.packages, judged_by(None, SERVICE))


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_stopped_or_killed_it_goes_on_to_the_same_figures(site: Site, end: str) -> None:
    """What came meanwhile is counted once."""
    first = run(site.monitor())
    if end == "stopped":
        stop(first)
    else:
        first._following.close()  # nothing was said, nothing was kept but panes
    append(site.log, 0, site.traffic[1].values(3 * SIZE))
    second = run(site.monitor())
    whole = run(site.monitor("another"))
    assert site.evidence(second) == site.evidence(whole)
    assert second.figures() == whole.figures()


def test_a_state_that_is_none_is_judged_again(site: Site) -> None:
    """From the panes, to the same figures."""
    first = run(site.monitor())
    figures = first.figures()
    stop(first)
    (site.directory / "monitor" / "judged").write_bytes(b"no state")
    assert run(site.monitor()).figures() == figures


def test_it_says_what_it_waits_for_and_goes_on(tmp_path: Path, package: Package) -> None:
    """A log that is not there yet is no reason to end."""
    log = LocalLog(tmp_path / "log", "affiant-records", create=False)
    feed = LocalFeed()
    following = LocalFollowing(
        log, tmp_path / "monitor", SIZE, Known.of(package, SERVICE), feed.hand, pause=lambda _: None
    )
    one = Monitor(
        following, lambda _: feed, log, Ungoverned(lambda: None, dict), Known.of(package, SERVICE),
        lambda _: FileStates(tmp_path / "judged"), pane_records=SIZE,
    )  # fmt: skip
    run(one)
    assert one.trouble or not list(one.figures())
    stop(one)


def answer(page: Callable[..., Any], path: str) -> tuple[str, Any]:
    """Of a page."""
    told: list[str] = []
    headers: list[Any] = []

    def start(status: str, given: list[Any]) -> None:
        told.append(status)
        headers.append(given)
        given.append(("Content-Length", "what a server adds"))

    body = b"".join(page({"PATH_INFO": path, "wsgi.input": io.BytesIO()}, start))
    assert len(headers[0]) == 3, "what was added to one answer's headers stands in the next one's"
    return told[0], json.loads(body)


def test_pages_tell_figures_and_evidence(site: Site) -> None:
    """Twice, with headers of their own; and of what there is not, that."""
    found = pages(run(site.monitor()))
    for _ in range(2):
        status, figures = answer(found["/figures"], "/figures")
        assert status == "200 OK"
        assert figures[0]["digest"] == site.digest
    status, evidence = answer(found["/evidence/"], f"/evidence/{SERVICE}/{site.digest[:15]}/live")
    assert status == "200 OK"
    assert evidence["digest"] == site.digest
    assert answer(found["/evidence/"], "/evidence/numbers/sha256:00/live")[0] == "404 Not Found"
    assert answer(found["/comparison/"], "/comparison/numbers")[0] == "404 Not Found"
    assert answer(found["/comparison/"], "/comparison/numbers/sha256:00")[0] == "404 Not Found"


class Endless(LocalFeed):
    """More is kept than was read yet, each time; who asks the third time is stopped."""

    whole = False  # type: ignore[misc]

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self.stop, self.asked, self.closed = stop, 0, False

    def poll(self, timeout: float) -> Sequence[Pane]:
        self.asked += 1
        if self.asked == 3:
            self.stop.set()
        return super().poll(timeout)

    def close(self) -> None:
        self.closed = True


@pytest.mark.timeout(30)
def test_a_stop_is_heard_while_it_reads_what_is_kept(site: Site) -> None:
    """That can be much; and nobody leads then."""
    stop = threading.Event()
    feed = Endless(stop)
    monitor = site.monitor(feed=feed)
    monitor.run(stop)
    assert (feed.asked, feed.closed, monitor.leads) == (3, True, False)


def test_metrics_tell_how_far_it_has_read(site: Site) -> None:
    """By partition, and that it leads."""
    samples = {
        (sample.name, sample.labels.get("partition")): sample.value
        for family in run(site.monitor()).collect()
        for sample in family.samples
    }
    assert samples["affiant_monitor_leader", None] == 1
    assert samples["affiant_monitor_position", "1"] == 4 * SIZE + 5
    assert samples["affiant_monitor_lag_records", "1"] == 0


class Flaky:
    """A log of which it cannot be said how far it goes, while `away`."""

    def __init__(self, log: Any) -> None:
        self.log, self.away = log, True

    def topic(self) -> Any:
        return self.log.topic()

    def reader(self) -> Any:
        self.real = self.log.reader()
        return self

    def bounds(self, partition: int) -> Any:
        if self.away:
            raise LogUnavailable("away")
        return self.real.bounds(partition)

    def close(self) -> None:
        self.real.close()


def test_what_is_away_loses_no_pane(site: Site) -> None:
    """The feed gives each of them once, also in a round in which something else is away."""
    log = Flaky(site.log)
    monitor = run(site.monitor(log=log))
    append(site.log, 0, site.traffic[1].values(3 * SIZE))
    run(monitor)
    assert monitor.trouble == "away"
    assert monitor.figures() == []
    log.away = False
    assert run(monitor).figures() == run(site.monitor("another")).figures()


class Slow(Packages):
    """A store of which one package is to come."""

    def __init__(self, packages: Packages) -> None:
        self.packages, self.asked, self.free = packages, threading.Event(), threading.Event()

    def get(self, service: str, digest: str) -> Profile | None:
        if service == "slow":
            self.asked.set()
            assert self.free.wait(30)
        return self.packages.get(service, digest)


@pytest.mark.timeout(60)
def test_nobody_who_asks_waits_for_a_store_or_for_anothers_evidence(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures and metrics are there while a package is pulled, and while evidence is computed."""
    plans = {SERVICE: (Placed(digest=site.digest),), "slow": (Placed(digest=site.digest),)}
    governing = Ungoverned(lambda: None, lambda: plans)
    packages = Slow(site.packages)
    monitor = run(site.monitor(governing=governing, packages=packages))
    figures = monitor.figures()
    governing.rollouts = {"slow": (Rollout("sha256:" + "cd" * 32, (0.5, 1.0), 600.0, 3000, 3000, 41),)}  # type: ignore[misc]
    judging = threading.Thread(target=monitor.step)
    judging.start()
    try:
        assert packages.asked.wait(30)
        assert monitor.figures() == figures
        assert list(monitor.collect())
        assert site.evidence(monitor)
    finally:
        packages.free.set()
        judging.join()
    computing, free = threading.Event(), threading.Event()
    real = Basis.evidence

    def evidence(basis: Basis) -> Evidence:
        computing.set()
        assert free.wait(30)
        return real(basis)

    monkeypatch.setattr(Basis, "evidence", evidence)
    asking = threading.Thread(target=site.evidence, args=(monitor,))
    asking.start()
    try:
        assert computing.wait(30)
        assert monitor.figures() == figures
        assert list(monitor.collect())
    finally:
        free.set()
        asking.join()


def gauges(monitor: Monitor) -> dict[tuple[str, ...], float]:
    """All of them, by name and labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in monitor.collect()
        for sample in family.samples
    }


def test_metrics_tell_of_panes_that_wait_and_of_a_judge_that_stalls(site: Site) -> None:
    """How many, and since when nothing of them was judged: by a clock that nobody sets back."""
    now, log = [1000.0], Flaky(site.log)
    monitor = run(site.monitor(log=log, monotonic=lambda: now[0]), 3)
    assert gauges(monitor)["affiant_monitor_waiting_panes", "0"] == 5
    now[0] += 500
    monitor.step()
    now[0] += 7
    found = gauges(monitor)
    assert (
        found["affiant_monitor_waiting_seconds", "0"] == found["affiant_monitor_waiting_seconds", "1"] == 507
    )
    assert found["affiant_monitor_round_seconds",] == 7
    log.away = False
    now[0] += 3  # else the governance log is not looked at again
    run(monitor)
    found = gauges(monitor)
    assert {found[f"affiant_monitor_waiting_{what}", "1"] for what in ("panes", "seconds")} == {0}
    assert found["affiant_monitor_missed_panes_total",] == 0


@pytest.mark.parametrize(
    ("uncounted", "unjudged", "waited", "due"),
    [
        (0, 0, 0.0, True),
        (16 * SIZE, 16, 0.0, True),
        (16 * SIZE + 1, 0, 0.9, False),
        (0, 17, 0.9, False),
        (10**6, 10**6, 1.0, True),
    ],
)
def test_labels_are_read_when_judging_has_no_more_to_do(
    uncounted: int, unjudged: int, waited: float, due: bool
) -> None:
    """And for a tenth of the time when it has: they are not starved."""
    assert labels_due(uncounted, unjudged, SIZE, waited) == due
