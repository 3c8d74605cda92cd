"""A monitor that is to lead while something is away: what is kept is read once, and nothing of it is lost."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from audit.errors import LogUnavailable
from monitoring.consume import LocalFollowing
from monitoring.errors import NotLeading
from monitoring.governed import Ungoverned
from monitoring.lead import States
from monitoring.monitor import Monitor
from monitoring.panes import Pane
from monitoring.read import Packages, Profile
from monitoring.store import KEEP
from monitoring.store.feed import Feed, LocalFeed
from monitoring.store.states import FileStates
from monitoring.takeover import Takeover
from monitoring.waits import FIRST, MOST
from registry.deployment import Placed
from registry.errors import StoreUnavailable
from registry.package import Package
from tests.components.monitored import Known, Traffic, append, local_log, made_package

SIZE = 64
SERVICE = "numbers"


class Away(Packages):
    """Packages that cannot be had while there is an `error`."""

    def __init__(self, packages: Packages) -> None:
        self.packages, self.asked = packages, 0
        self.error: Exception | None = None

    def get(self, service: str, digest: str) -> Profile | None:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.packages.get(service, digest)


class Slow(LocalFeed):
    """All that is kept is there with the second poll, as over a network."""

    polls = 0
    closed = False

    @property
    def whole(self) -> bool:  # type: ignore[override]
        return self.polls > 1

    def poll(self, timeout: float) -> Sequence[Pane]:
        self.polls += 1
        return super().poll(timeout)

    def close(self) -> None:
        self.closed = True


class Site:
    """A log of one partition, with a clock that is set by hand."""

    def __init__(self, directory: Path, package: Package) -> None:
        self.directory, self.now = directory, 1000.0
        self.known = Known.of(package, SERVICE)
        self.packages = Away(self.known)
        self.traffic = Traffic(package)
        self.plans = {SERVICE: (Placed(digest=package.digest),)}
        self.log = local_log(directory / "log", self.traffic.values(4 * SIZE))
        self.feeds = 0

    @property
    def state(self) -> Path:
        """The file of it."""
        return self.directory / "monitor" / "judged"

    def monitor(self, feed: LocalFeed | None = None, name: str = "monitor") -> Monitor:
        """One that begins, or goes on."""
        feed, directory = feed or LocalFeed(), self.directory / name

        def clock() -> float:
            return self.now

        def made(_: bytes) -> Feed:
            self.feeds += 1
            return feed

        return Monitor(
            LocalFollowing(
                self.log, directory, SIZE, self.known, feed.hand, clock=clock, pause=lambda _: None
            ),
            made, self.log, Ungoverned(lambda: None, lambda: self.plans), self.packages,
            lambda _: FileStates(directory / "judged"), pane_records=SIZE, clock=lambda: 2e9, monotonic=clock,
        )  # fmt: skip

    def run(self, monitor: Monitor, rounds: int = 6) -> Monitor:
        """So many rounds, with as much time between two that each attempt may be made."""
        for _ in range(rounds):
            monitor.step()
            self.now += MOST
        return monitor

    def figures(self) -> list[dict[str, Any]]:
        """Of a monitor that has read the same log, and that nothing was away from."""
        return self.run(self.monitor(name="another")).figures()


@pytest.fixture(scope="module")
def package() -> Package:
    """Three numbers and a category."""
    return made_package()


@pytest.fixture
def site(tmp_path: Path, package: Package) -> Site:
    """A log with four panes, whose monitor was stopped: its state is kept, and the next one goes on from it."""
    found = Site(tmp_path, package)
    stopping = threading.Event()
    stopping.set()
    found.run(found.monitor()).run(stopping)
    found.feeds = found.packages.asked = 0
    return found


def no_state(site: Site) -> None:
    """A volume that is not mounted."""
    site.state.rename(site.state.with_name("aside"))
    site.state.mkdir()


def state_again(site: Site) -> None:
    site.state.rmdir()
    site.state.with_name("aside").rename(site.state)


def error(what: Exception | None) -> Callable[[Site], None]:
    """Packages are asked for with this."""

    def cause(site: Site) -> None:
        site.packages.error = what

    return cause


@pytest.mark.parametrize(
    ("cause", "mend"),
    [
        pytest.param(no_state, state_again, id="state"),
        pytest.param(error(StoreUnavailable("the store is away")), error(None), id="store"),
        pytest.param(error(LogUnavailable("the governance log is away")), error(None), id="governance"),
    ],
)
@pytest.mark.parametrize("attempts", [1, 3])
def test_a_takeover_that_fails_loses_no_pane(
    site: Site, cause: Callable[[Site], None], mend: Callable[[Site], None], attempts: int
) -> None:
    """Whatever it failed by, and however often: the feed gives each pane once."""
    wanted = site.figures()
    assert wanted[0]["rows"]
    cause(site)
    monitor = site.run(site.monitor(), attempts)
    assert monitor.trouble
    with pytest.raises(NotLeading):
        monitor.figures()
    mend(site)
    assert site.run(monitor).figures() == wanted
    assert not monitor.trouble


def test_attempts_to_take_over_are_apart_and_read_nothing_twice(site: Site) -> None:
    """The state topic is read once, and the store asked now and then; records are counted meanwhile."""
    feed = Slow()
    site.packages.error = StoreUnavailable("the store is away")
    monitor = site.monitor(feed)
    monitor.step()
    assert (feed.polls, site.packages.asked) == (2, 1)
    append(site.log, 0, site.traffic.values(2 * SIZE))
    for _ in range(5):
        monitor.step()
        assert monitor.trouble == "the store is away"
    assert site.packages.asked == 1
    positions = {
        sample.value
        for family in monitor.collect()
        for sample in family.samples
        if sample.name == "affiant_monitor_position"
    }
    assert positions == {6 * SIZE}
    for pause, asked in ((FIRST, 2), (FIRST, 2), (FIRST, 3)):
        site.now += pause
        monitor.step()
        assert site.packages.asked == asked
    site.packages.error = None
    assert site.run(monitor).figures() == site.figures()
    assert (site.feeds, feed.closed) == (2, False)  # the other is that of `figures`
    monitor.close()
    assert feed.closed


def test_a_monitor_that_ends_before_it_leads_lets_go_of_its_feed(site: Site) -> None:
    """Of brokers' connections, too."""
    feed = Slow()
    site.packages.error = StoreUnavailable("the store is away")
    monitor = site.run(site.monitor(feed))
    assert not feed.closed
    monitor.close()
    assert feed.closed


def test_a_log_that_was_made_again_meanwhile_is_judged_without_the_old_ones_panes(
    site: Site,
) -> None:
    """Neither those that were read, nor those that came while it waited."""
    site.packages.error = StoreUnavailable("the store is away")
    monitor = site.monitor()
    monitor.step()
    append(site.log, 0, site.traffic.values(2 * SIZE))
    monitor.step()
    monitor.step()
    shutil.rmtree(site.directory / "log")
    site.log = local_log(site.directory / "log", site.traffic.values(SIZE))
    site.run(monitor)
    site.packages.error = None
    found = site.run(monitor).figures()
    assert monitor.judged == 1
    assert found == site.figures()


class Streaming(LocalFeed):
    """As many new panes of two partitions with each poll as half of what is kept of one, and an old one once more."""

    polls = 0

    def poll(self, timeout: float) -> Sequence[Pane]:
        self.polls += 1
        many = KEEP // 2
        numbers = range((self.polls - 1) * many, self.polls * many)
        return [Pane(at, number, number, number + 1, number) for at in (0, 1) for number in (*numbers, 0)]


def test_a_takeover_that_waits_for_long_keeps_the_newest_panes_of_each_partition(site: Site) -> None:
    """As many as stores keep: what is away may be so for days, and the group goes on counting."""
    feed, away = Streaming(), [LogUnavailable("the state does not answer")]

    def states(_: bytes) -> States:
        if away:
            raise away[0]
        return FileStates(site.directory / "none")

    takeover = Takeover(
        lambda _: feed, site.log, Ungoverned(lambda: None, dict), site.packages, states, 1, lambda: site.now
    )
    for _ in range(10):
        with pytest.raises(LogUnavailable):
            takeover.begin(b"t" * 16, threading.Event())
    away.clear()
    site.now += MOST
    lead = takeover.begin(b"t" * 16, threading.Event())
    assert lead is not None
    with closing(lead):
        end = feed.polls * KEEP // 2
        assert lead.aggregate.waiting == dict.fromkeys((0, 1), (end - KEEP, KEEP))
