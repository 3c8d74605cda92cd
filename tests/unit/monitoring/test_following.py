"""A local log is followed: from where the panes end, with waits, over restarts and losses."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from audit.log.local import LocalLog
from monitoring.batch import panes_of
from monitoring.consume import LocalFollowing
from monitoring.panes import Pane
from monitoring.panes.collector import State
from monitoring.read import Packages, Profile, StorePackages
from monitoring.store import FileStore
from monitoring.waits import FIRST, MOST, Waits
from monitoring.worker import Worker
from registry.errors import NotFound, PackageError, StoreDamaged, StoreUnavailable
from registry.package import Package
from registry.stores import LayoutStore
from tests.components.monitored import Known, Traffic, append, local_log, logged, made_package

SIZE = 64


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Site:
    """A log of two partitions, and what follows it."""

    def __init__(self, directory: Path, package: Package) -> None:
        self.directory = directory
        self.traffic = [Traffic(package, journal=bytes([at]) * 16, seed=at) for at in range(2)]
        self.log = local_log(directory / "log", *(traffic.values(SIZE * 3 + 10) for traffic in self.traffic))
        self.packages: Known | Away = Known.of(package, "numbers")
        self.clock = Clock()
        self.panes: list[Pane] = []

    def following(self) -> LocalFollowing:
        return LocalFollowing(
            self.log, self.directory / "panes", SIZE, self.packages, self.panes.extend,
            clock=self.clock, pause=lambda _: None,
        )  # fmt: skip

    def run(self, following: LocalFollowing) -> int:
        """Until nothing more is done."""
        done = 0
        while some := following.step(0.0):
            done += some
        return done

    def wanted(self, partition: int) -> list[Pane]:
        with closing(self.log.reader()) as reader:
            end = reader.bounds(partition)[1] // SIZE * SIZE
            return list(panes_of(reader, partition, 0, end, self.packages, {}, size=SIZE))

    def found(self, partition: int) -> list[Pane]:
        return [pane for pane in self.panes if pane.partition == partition]


class Away(Packages):
    """Packages that cannot be had."""

    def __init__(self, known: Known) -> None:
        self.known = known
        self.asked = 0

    def get(self, service: str, digest: str) -> Profile | None:
        self.asked += 1
        raise StoreUnavailable("the store is away")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, made_package())


def test_all_partitions_are_counted_up_to_the_last_whole_pane(site: Site) -> None:
    """And told as they stand."""
    with closing(site.following()) as following:
        assert site.run(following) == 6
        standing = following.standings()[1]
        assert following.topic == site.log.topic().id
        assert following.leads
    for partition in range(2):
        assert site.found(partition) == site.wanted(partition)
    assert (standing.position, standing.end, standing.waiting) == (SIZE * 3 + 10, SIZE * 3 + 10, None)
    assert standing.time >= site.panes[-1].time


def test_a_restart_goes_on_and_gives_what_is_kept(site: Site) -> None:
    """A pane that was half counted is counted from its beginning."""
    with closing(site.following()) as following:
        site.run(following)
    append(site.log, 0, site.traffic[0].values(SIZE))
    site.panes.clear()
    with closing(site.following()) as following:
        assert site.run(following) == 1
    assert site.found(0) == site.wanted(0)
    assert len(site.found(1)) == 3


def test_a_package_that_is_away_is_waited_for_with_growing_pauses(site: Site) -> None:
    """Its partition stands still and says why; nothing is passed over."""
    known = site.packages
    assert isinstance(known, Known)
    away = site.packages = Away(known)
    with closing(site.following()) as following:
        tried = []
        for _ in range(400):
            before = away.asked
            assert following.step(0.0) == 0
            if away.asked > before:
                tried.append(site.clock.now)
            site.clock.now += FIRST / 2
        pauses = [later - earlier for earlier, later in pairwise(tried)]
        assert pauses[0] == FIRST
        assert pauses == sorted(pauses)
        assert max(pauses) == MOST
        assert following.standings()[0].waiting == "the store is away"
        assert following.standings()[0].position == 0
        away.get = known.get  # type: ignore[method-assign]
        site.clock.now += MOST
        assert site.run(following) == 6
        assert following.standings()[0].waiting is None
    site.packages = known
    assert site.found(0) == site.wanted(0)


def test_a_log_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    """And not made: an empty log is without a flaw."""
    site = Site(tmp_path / "made", made_package())
    site.log = LocalLog(tmp_path / "absent", "affiant-entries", create=False)
    with closing(site.following()) as following:
        assert following.step(0.0) == 0
        assert following.standings() == {}
        assert "there is no log yet" in str(following.trouble)
        assert not (tmp_path / "absent").exists()
        shutil.copytree(tmp_path / "made" / "log", tmp_path / "absent")
        assert following.step(0.0) == 0
        site.clock.now += MOST
        assert site.run(following) == 6
        assert following.trouble is None


def test_a_log_that_was_made_again_is_counted_anew(site: Site) -> None:
    """Panes of the old one count for nothing."""
    with closing(site.following()) as following:
        site.run(following)
        shutil.rmtree(site.directory / "log")
        values = site.traffic[0].values(SIZE)
        site.log = local_log(site.directory / "log", values, [])
        site.panes.clear()
        following.step(0.0)
        site.clock.now += MOST
        assert site.run(following) == 1
    assert site.found(0) == site.wanted(0)
    assert site.found(0)[0].number == 0


def test_what_the_log_lost_is_skipped_to_the_next_whole_pane(site: Site) -> None:
    """A pane of which some records are gone is none."""
    package = made_package()
    with closing(FileStore(site.directory / "other", b"t" * 16, SIZE)) as store:
        found: list[Pane] = []
        worker = Worker(0, SIZE, store, Known.of(package, "numbers"), found.extend)
        entries = logged(Traffic(package).values(4 * SIZE))
        worker.take(entries[: SIZE + 9])
        worker.skip(SIZE + 3)  # nothing of it is missing: all that is gone was read already
        assert worker.offset == SIZE + 9
        worker.skip(SIZE + 20)
        assert worker.offset == 2 * SIZE
        worker.take(entries[2 * SIZE :])
        assert [pane.number for pane in found] == [0, 2, 3]
        assert found[1].reached == {bytes(range(16)): SIZE - 1}
        assert store.restore(0).state is not None


def test_a_pane_is_kept_before_anybody_hears_of_it(site: Site) -> None:
    """Else a crash would take back what was told."""
    package = made_package()
    with closing(FileStore(site.directory / "other", b"t" * 16, SIZE)) as store:

        def hand(panes: object) -> None:
            (pane,) = panes  # type: ignore[misc]
            assert store.restore(0).panes[-1] == pane

        worker = Worker(0, SIZE, store, Known.of(package, "numbers"), hand)
        assert worker.take(logged(Traffic(package).values(SIZE))) == 1


def test_a_store_that_failed_leaves_nothing_half_counted(site: Site) -> None:
    """The same entries again give the same pane."""
    package = made_package()
    entries = logged(Traffic(package).values(2 * SIZE))

    class Failing(FileStore):
        failing = True

        def put(self, partition: int, finished: object) -> None:
            if self.failing:
                raise StoreUnavailable("the disk is full")
            super().put(partition, finished)  # type: ignore[arg-type]

    with closing(Failing(site.directory / "other", b"t" * 16, SIZE)) as store:
        found: list[Pane] = []
        worker = Worker(0, SIZE, store, Known.of(package, "numbers"), found.extend)
        with pytest.raises(StoreUnavailable):
            worker.take(entries[: SIZE + 5])
        assert worker.offset == 0
        store.failing = False
        worker.take(entries)
        assert [pane.number for pane in found] == [0, 1]
        assert sum(pane.unreadable.get("duplicate", 0) for pane in found) == 0


def test_waits_tell_a_new_reason_and_forget_an_old_one() -> None:
    """By partition."""
    clock = Clock()
    waits = Waits(clock)
    waits.failed(1, "away")
    assert not waits.over(1)
    assert waits.over(2)
    clock.now = FIRST
    assert waits.over(1)
    waits.failed(1, "away")
    clock.now += FIRST
    assert not waits.over(1)
    waits.went_on(1)
    assert waits.over(1)
    assert waits.reason(1) is None


# ------------------------------------------------------------------ packages


class Shelf:
    """A store that says what it is told to say."""

    def __init__(self, store: LayoutStore) -> None:
        self.store = store
        self.error: Exception | None = None
        self.pulled = 0

    def pull(self, digest: str) -> Package:
        self.pulled += 1
        if self.error is not None:
            raise self.error
        return self.store.pull(digest)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(LayoutStore(tmp_path / "store"))


def test_a_named_package_is_pulled_once(shelf: Shelf) -> None:
    """And verified by its store."""
    digest = shelf.store.push(made_package())
    packages = StorePackages(shelf, {("numbers", digest)}.intersection)  # type: ignore[arg-type]
    profile = packages.get("numbers", digest)
    assert profile is not None
    assert packages.get("numbers", digest) is profile
    assert shelf.pulled == 1
    assert profile.schema == made_package().schema_hash


def test_the_store_is_not_asked_for_what_nobody_named(shelf: Shelf) -> None:
    """Not even for a package that it has, under another service's name."""
    digest = shelf.store.push(made_package())
    packages = StorePackages(shelf, {("numbers", digest)}.intersection)  # type: ignore[arg-type]
    assert packages.get("other", digest) is None
    assert packages.get("numbers", "sha256:" + "0" * 64) is None
    assert shelf.pulled == 0


def test_who_is_named_is_asked_once_for_all_of_a_batch(shelf: Shelf) -> None:
    """A forger can name another digest in each entry."""
    digest, asked = shelf.store.push(made_package()), []

    def named(whose: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        asked.append(len(whose))
        return {("numbers", digest)}.intersection(whose)

    packages = StorePackages(shelf, named)  # type: ignore[arg-type]
    whose = [("numbers", f"sha256:{each:064x}") for each in range(1000)] + [("numbers", digest)]
    assert [each is not None for each in packages.several(whose)] == [False] * 1000 + [True]
    assert asked == [1001]
    packages.get("numbers", digest)
    assert asked == [1001]


def test_what_is_named_later_is_known_then(shelf: Shelf) -> None:
    """A record that somebody wrote before the deployment must not hide those that come after it."""
    digest = shelf.store.push(made_package())
    named: set[tuple[str, str]] = set()
    packages = StorePackages(shelf, named.intersection)  # type: ignore[arg-type]
    assert packages.get("numbers", digest) is None
    named.add(("numbers", digest))
    assert packages.get("numbers", digest) is not None


@pytest.mark.parametrize("error", [NotFound("gone"), PackageError("damaged"), StoreDamaged("index")])
def test_a_named_package_that_cannot_be_had_is_waited_for(shelf: Shelf, error: Exception) -> None:
    """And is had once it is back."""
    digest = shelf.store.push(made_package())
    packages = StorePackages(shelf, set)  # type: ignore[arg-type]
    shelf.error = error
    with pytest.raises(StoreUnavailable, match="its records wait to be counted"):
        packages.get("numbers", digest)
    shelf.error = None
    assert packages.get("numbers", digest) is not None


def test_without_plans_what_the_store_has_is_known(shelf: Shelf) -> None:
    """And what it does not have is nobody's; one that does not answer is waited for."""
    digest = shelf.store.push(made_package())
    packages = StorePackages(shelf)  # type: ignore[arg-type]
    assert packages.get("whatever", digest) is not None
    assert packages.get("numbers", "sha256:" + "0" * 64) is None
    shelf.error = StoreUnavailable("away")
    with pytest.raises(StoreUnavailable):
        packages.get("numbers", "sha256:" + "1" * 64)


def test_a_state_that_is_no_pane_s_beginning_is_refused() -> None:
    """A defect of ours, which must not become a wrong pane."""
    from monitoring.panes.collector import Collector

    with pytest.raises(ValueError, match="offset 5 is not where a pane of 64"):
        Collector(0, SIZE, Known({}), State(5))
