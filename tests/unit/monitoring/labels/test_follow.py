"""The monitor reads answers and labels of the whole log, and says what the policy makes of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from audit.labels import format_time
from audit.log.base import LogEntry
from audit.proof.entry import Key
from monitoring.consume import LocalFollowing
from monitoring.governed import Ungoverned
from monitoring.groups import Gap, Group, Judged, Rate
from monitoring.intervals import Interval
from monitoring.labels import Cohort, Estimate
from monitoring.labels.concept import prepare
from monitoring.labels.export import MOST_GROUPS, export
from monitoring.labels.export import Reading as Cost
from monitoring.labels.follow import Follow, asked_of
from monitoring.labels.look import Look, look
from monitoring.labels.matched import Fits
from monitoring.labels.reading import Reading
from monitoring.monitor import Monitor
from monitoring.pages import pages
from monitoring.panes import Of
from monitoring.panes import Of as Who
from monitoring.store.feed import LocalFeed
from monitoring.store.states import FileStates
from registry.deployment import Placed
from registry.package import Package
from registry.policy import Policy, parse_policy
from tests.components.controller import put
from tests.components.labelled import POLICY, SERVICE, Stream, policy
from tests.components.monitored import START, Known, Traffic, local_log, logged, made_package


def clock() -> int:
    """Ten days after the log's first record; ms."""
    return START + 864_000_000


@pytest.fixture(scope="module", autouse=True)
def _prepared() -> None:
    """Some tests take so many steps and no more."""
    prepare()


@pytest.fixture(scope="module")
def package() -> Package:
    """Two classes, a category."""
    return made_package()


@pytest.fixture
def stream(package: Package) -> Stream:
    """Nothing was asked yet."""
    return Stream(package)


def looked(
    directory: Path, stream: Stream, *partitions: list[bytes], by: Policy | None = None, packages: Any = None
) -> Mapping[Who, Look]:
    """What is said once the log is read to its end."""
    log = local_log(directory / "log", *partitions)
    follow = Follow(
        log.reader(), range(len(partitions)), asked_of(by or policy()),
        packages or Known.of(stream.package, SERVICE), window=1e9, clock=clock,
    )  # fmt: skip
    with closing(follow):
        serving = {Of(*stream.live): 0}  # type: ignore[arg-type]
        while not follow.looks:
            follow.step(serving)
        return follow.looks


def test_labels_of_another_partition_find_their_answers(stream: Stream, tmp_path: Path) -> None:
    """And come before them, where their partition is read first."""
    (found,) = looked(tmp_path, stream, stream.labels(100, 0.95), stream.asked(100)).values()
    assert found.cohort is not None
    assert (found.cohort.rows, found.cohort.labelled) == (100, 100)
    assert found.cohort.metrics["accuracy"].value == pytest.approx(0.95)
    assert found.alarms == {"accuracy": None}
    assert found.coverage == 1.0


@pytest.mark.parametrize(("right", "said"), [(0.95, None), (0.79, "warn"), (0.5, "page")])
def test_a_value_below_the_limit_warns_and_a_whole_interval_pages(
    stream: Stream, tmp_path: Path, right: float, said: str | None
) -> None:
    """0.79 of 100 may be 0.86."""
    (found,) = looked(tmp_path, stream, stream.asked(100), stream.labels(100, right)).values()
    assert found.alarms == {"accuracy": said}


def test_what_a_look_runs_is_loaded_beside_the_reading(
    stream: Stream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes seconds, which judging does not wait for: until then there is no look, and the log is read on."""
    loaded = threading.Event()
    monkeypatch.setattr("monitoring.labels.follow.prepare", loaded.wait)
    log = local_log(tmp_path / "log", stream.asked(3))
    packages = Known.of(stream.package, SERVICE)
    follow = Follow(log.reader(), [0], asked_of(policy()), packages, window=1e9, clock=clock)
    with closing(follow):
        for _ in range(3):
            follow.step({stream.live: 0})
        assert (follow.whole, follow.looks) == (True, {})
        loaded.set()
        while not follow.looks:
            follow.step({stream.live: 0})


def test_too_few_labels_are_not_judged(stream: Stream, tmp_path: Path) -> None:
    """49 of 50."""
    (found,) = looked(tmp_path, stream, stream.asked(100), stream.labels(49, 0.0)).values()
    assert found.cohort is None
    assert found.alarms == {}


def test_groups_and_coverage_are_told_of_what_has_no_labels(stream: Stream, package: Package) -> None:
    """Groups by the decision alone; a cohort that could not have its labels yet has no coverage."""
    reading = Reading(asked_of(policy()), Known.of(package, SERVICE), 10**18, clock=clock)
    reading.take(logged(stream.asked(200)))
    outcomes, serving = reading.outcomes[SERVICE], {stream.live: 0}
    (found,) = look(outcomes.joined()[0], policy().services[SERVICE], serving, reading.newest_ms, {}).values()
    assert (found.cohort, found.coverage, found.alarms) == (None, None, {})
    samples: dict[tuple[str, ...], float] = {}
    export(
        lambda name, labels, value: samples.update({(name.name, *labels): value}), {stream.live: found}, str
    )
    rows = {name[-1]: value for name, value in samples.items() if name[0] == "affiant_group_rows"}
    assert set(rows) == {"low", "middle", "high", "missing"}
    assert sum(rows.values()) == 200
    assert samples["affiant_group_favourable_ratio", *stream.live, "grade", "low"] == pytest.approx(
        0.5, abs=0.2
    )
    (later,) = look(
        outcomes.joined()[0], policy().services[SERVICE], serving, reading.newest_ms + 7_200_000, {}
    ).values()
    assert later.coverage == 0.0
    assert [each.groups for each in later.groups] == [()]


def test_what_is_no_label_is_counted_and_changes_nothing(stream: Stream, package: Package) -> None:
    """Read alone: nobody must be stopped by it."""
    reading = Reading(asked_of(policy()), Known.of(package, SERVICE), 10**18, clock=clock)
    whole = stream.label(1, "class 1")
    torn = whole[:-1] + bytes([whole[-1] ^ 1])
    reading.take(logged([torn, None, b"\0\1\0\1x"], time=2**60))
    assert reading.newest_ms == 0  # that is no time
    reading.take(logged([*stream.asked(3), whole, torn]))
    assert reading.unreadable == {(SERVICE, "unreadable"): 2}
    joined, fits = reading.outcomes[SERVICE].joined()
    assert fits == Fits(0, 0, 0)
    assert int(joined[stream.live].labelled.sum()) == 1


@pytest.mark.parametrize("what", ["answer", "label", "nothing"])
def test_a_log_time_far_ahead_blinds_nobody(stream: Stream, tmp_path: Path, what: str) -> None:
    """A wrong clock beside a local log, or a producer's word: of an entry like others, or of one that is none."""
    ahead = {"answer": stream.traffic.value(), "label": stream.label(1, "class 1"), "nothing": b"\0"}[what]
    log = local_log(tmp_path / "log", [], [])
    put(log, logged(stream.asked(200)))
    put(log, [LogEntry(0, START + 400 * 86_400_000, b"", ahead)], 1)
    follow = Follow(
        log.reader(), range(2), asked_of(policy()), Known.of(stream.package, SERVICE), window=30 * 86_400.0,
        clock=lambda: START + 600_000,
    )  # fmt: skip
    with closing(follow):
        while not follow.looks:
            follow.step({Of(*stream.live): 0})  # type: ignore[arg-type]
        (found,) = follow.looks.values()
        kept = follow._reading.outcomes[SERVICE].joined()[0][stream.live]
        now = follow._reading.newest_ms
    (grades,) = found.groups
    assert sum(group.rows for group in grades.groups) >= 200
    assert len(kept.time) >= 200
    assert found.coverage is None  # no cohort has ended
    assert now == (START + 600_000 if what != "nothing" else START + 199)


def test_a_label_that_is_known_days_from_now_is_none(stream: Stream, package: Package) -> None:
    """Whatever the log's clock said: for so long nothing could correct it."""
    reading = Reading(asked_of(policy()), Known.of(package, SERVICE), 10**18, clock=clock)
    known = format_time((clock() + 2 * 86_400_000) * 1_000_000)
    reading.take(logged([*stream.asked(2), stream.label(1, "class 1", time=known)], time=clock() + 10**9))
    assert reading.newest_ms == clock()
    (joined,), fits = reading.outcomes[SERVICE].joined()[0].values(), reading.outcomes[SERVICE].joined()[1]
    assert not joined.labelled.any()
    counts = reading.unmatched(SERVICE, fits)
    assert {reason for reason, count in counts.items() if count} == {"ahead"}


def test_labels_in_no_figure_are_counted_by_reason(stream: Stream, tmp_path: Path) -> None:
    """Those of a service that nobody looks at, too, where they cannot be read; each look counts anew."""
    torn = stream.label(1, "class 1")[:-1] + b"x"
    said = [
        stream.label(0, "class 0"), stream.label(0, "class 0"), stream.label(1, "nobody"),
        stream.label(2, "class 0", row=7), stream.label(99, "class 0"), torn,
    ]  # fmt: skip
    log = local_log(tmp_path / "log", [*stream.asked(5), *said])
    follow = Follow(
        log.reader(), [0], asked_of(policy()), Known.of(stream.package, SERVICE), window=1e9, clock=clock
    )
    with closing(follow):
        while not follow.looks:
            follow.step({Of(*stream.live): 0})  # type: ignore[arg-type]
        (found,) = follow.looks.values()
    wanted = {"waiting": 1, "no row": 1, "no class": 1, "repeated": 1, "unreadable": 1}
    assert found.written()["unmatched"] == wanted
    told: dict[tuple[str, ...], float] = {}
    export(
        lambda name, labels, value: told.update({(name.name, *labels): value}), {}, str,
        Cost({0: 0}, 0.0, follow.unmatched),
    )  # fmt: skip
    of_it = {each[1:]: value for each, value in told.items() if each[0] == "affiant_labels_unmatched"}
    assert {reason: value for (service, reason), value in of_it.items() if value and service} == wanted
    assert of_it[SERVICE, "no key"] == 0  # a series that is there: its first label is seen to come


@pytest.mark.parametrize(("window", "short"), [(7203.6, False), (7203.0, True)])
def test_coverage_of_cohorts_that_are_not_kept_is_told(
    stream: Stream, tmp_path: Path, window: float, short: bool
) -> None:
    """A cohort of an hour that ended 3.6 s ago began up to two hours and 3.6 s ago; without it the alert is silent."""
    log = local_log(tmp_path / "log", stream.asked(5))
    packages = Known.of(stream.package, SERVICE)
    with capture_logs() as lines:
        follow = Follow(
            log.reader(), [0], asked_of(policy()), packages, window=window, clock=lambda: START + 1000
        )
    with closing(follow):
        while not follow.looks:
            follow.step({Of(*stream.live): 0})  # type: ignore[arg-type]
        (found,) = follow.looks.values()
    why = "coverage is of cohorts that began up to 2.001 h ago, and answers are kept for 2.00083 h: raise "
    assert found.written()["short"].startswith(why) == short
    assert [each["event"] for each in lines] == (["coverage is not judged"] if short else [])
    assert bool(found.short) == short
    told: list[tuple[Any, ...]] = []
    export(
        lambda name, labels, value: told.append((name.name, *labels, value)), {}, str,
        Cost({0: 0}, 0.0, {}, follow.short),
    )  # fmt: skip
    assert ("affiant_labels_kept_too_short", SERVICE, int(short)) in told


def test_only_services_whose_policy_asks_are_read(stream: Stream, package: Package) -> None:
    """Of others nothing is asked, not even a package."""
    packages = Known.of(package, SERVICE, "other")
    reading = Reading(asked_of(policy()), packages, 10**18, clock=clock)
    reading.take(logged(Traffic(package, "other").values(5)))
    assert packages.asked == 0
    assert list(reading.outcomes) == [SERVICE]


def test_the_window_begins_where_answers_may_still_wait(
    stream: Stream, tmp_path: Path, monkeypatch: Any
) -> None:
    """Found by looking at a few entries; what the log does not have any more is passed over."""
    monkeypatch.setattr("monitoring.labels.follow._NEAR", 8)
    entries = logged(stream.asked(1000))
    read: list[int] = []

    class Reader:
        def bounds(self, partition: int) -> tuple[int, int]:
            return 100, 1000

        def read(self, partition: int, offset: int, max_bytes: int, timeout: float) -> Any:
            read.append(offset)
            return entries[offset : offset + (1 if max_bytes == 1 else 50)]

        def close(self) -> None:
            """Nothing."""

    follow = Follow(
        Reader(),
        [0],
        asked_of(policy()),
        Known.of(stream.package, SERVICE),
        window=1.0,
        clock=lambda: START + 1600,
    )
    while not follow.looks:
        follow.step({Of(*stream.live): 0})  # type: ignore[arg-type]
    found = follow._reading.outcomes[SERVICE].joined()[0][stream.live]
    assert 400 <= len(found.time) <= 408
    assert len(read) < 30


def test_nothing_is_said_before_all_was_read_once(stream: Stream, tmp_path: Path, monkeypatch: Any) -> None:
    """Labels that are not read yet are no missing labels; and every partition has its turn."""
    monkeypatch.setattr("monitoring.labels.follow.SLICE", 0.0)
    log = local_log(tmp_path / "log", stream.asked(100), [], stream.labels(100, 0.95))
    packages = Known.of(stream.package, SERVICE)
    follow = Follow(log.reader(), range(3), asked_of(policy()), packages, window=1e9, clock=clock)
    with closing(follow):
        said = []
        for _ in range(3):
            follow.step({Of(*stream.live): 0})  # type: ignore[arg-type]
            said.append([look.alarms for look in follow.looks.values()])
    assert said == [[], [], [{"accuracy": None}]]


def test_a_shadow_that_was_live_is_what_live_is_held_against(stream: Stream, tmp_path: Path) -> None:
    """On the same requests: live is worse than it by more than the policy lets it."""
    before = made_package(name="before")
    old = Who(SERVICE, before.digest, "shadow")
    shadow = Traffic(before, SERVICE, journal=stream.traffic.journal, sequence=10_000)
    answered = [
        shadow.value(
            scores=np.array([0.9 if at % 2 else 0.1], np.float32),
            fields={Key.SLOT: 2, Key.REQUEST_ID: f"r{at}", Key.ARRIVED: START * 1_000_000 + at * 1_000_000},
        )
        for at in range(400)
    ]
    live = [
        stream.traffic.value(
            scores=np.array([0.9 if (at % 2) ^ (at < 60) else 0.1], np.float32),
            fields={Key.REQUEST_ID: f"r{at}"},
        )
        for at in range(400)
    ]
    log = local_log(tmp_path / "log", [*live, *answered, *stream.labels(400, 1.0)])
    packages = Known(Known.of(stream.package, SERVICE).profiles | Known.of(before, SERVICE).profiles)  # type: ignore[operator]
    said = {}
    for shadow_since in (0, 7):
        follow = Follow(log.reader(), [0], asked_of(policy(0.1)), packages, window=1e9, clock=clock)
        with closing(follow):
            while not follow.looks:
                follow.step({Of(*stream.live): 5, Of(*old): shadow_since})  # type: ignore[arg-type]
            said[shadow_since] = {who: dict(each.alarms) for who, each in follow.looks.items()}
    assert said[0] == {stream.live: {"accuracy": "page"}, old: {"accuracy": None}}
    # A candidate that came later is the one that is judged, and it is better.
    assert said[7] == {stream.live: {"accuracy": None}, old: {"accuracy": None}}


def test_what_is_no_number_is_null_in_json() -> None:
    """An AUC of one class, an interval of one row."""
    nothing = Interval(float("nan"), float("inf"))
    cohort = Cohort(
        0, 1, 1, 1, 0, Interval(0.0, 1.0), {0.5: 1.0}, {"auc": Estimate(float("nan"), nothing, 1)}
    )
    said = Look(cohort).written()
    assert json.loads(json.dumps(said, allow_nan=False)) == said
    assert said["cohort"]["metrics"]["auc"]["value"] is None
    assert said["cohort"]["delays"] == {"0.5": 1.0}


def test_the_monitor_exports_it(stream: Stream, tmp_path: Path) -> None:
    """Only with such a policy; labels in another partition than what they are about."""
    log = local_log(tmp_path / "log", stream.asked(128), stream.labels(100, 0.5))
    policy = parse_policy(POLICY.replace("MINIMUM", "0.8").encode())
    packages, feed = Known.of(stream.package, SERVICE), LocalFeed()
    following = LocalFollowing(log, tmp_path / "monitor", 64, packages, feed.hand, pause=lambda _: None)
    plans = {SERVICE: (Placed(digest=stream.package.digest),)}
    monitor = Monitor(
        following, lambda _: feed, log, Ungoverned(lambda: policy, lambda: plans), packages,
        lambda _: FileStates(tmp_path / "judged"), pane_records=64, labels_seconds=1e9,
    )  # fmt: skip
    with closing(monitor):
        for _ in range(6):
            monitor.step()
        said = {
            (sample.name, *sample.labels.values()): sample.value
            for metric in monitor.collect()
            for sample in metric.samples
            if any(each in sample.name for each in ("performance", "label", "group"))
        }
        (package,) = json.loads(b"".join(pages(monitor)["/figures"]({}, lambda *_: None)))
    labels = package["labels"]
    assert labels["cohort"]["metrics"]["accuracy"]["value"] == pytest.approx(0.5)
    assert labels["cohort"]["start"] < labels["cohort"]["end"]
    assert labels["alarms"] == {"accuracy": "page"}
    where = (SERVICE, stream.package.digest[7:19], "live")
    assert said["affiant_performance", *where, "accuracy", "value"] == pytest.approx(0.5)
    assert said["affiant_performance_alarm", *where, "accuracy", "page"] == 1
    assert said["affiant_performance_alarm", *where, "accuracy", "warn"] == 1
    assert ("affiant_label_delay_seconds", *where, "0.5") in said
    assert said["affiant_label_coverage_ratio", *where] == pytest.approx(100 / 128)
    assert said["affiant_label_unread_records", "0"] == said["affiant_label_unread_records", "1"] == 0
    assert said["affiant_label_reading_seconds_total",] > 0
    assert said["affiant_labels_unmatched", SERVICE, "waiting"] == 0
    assert said["affiant_labels_kept_too_short", SERVICE] == 0
    assert package["decided"] == {"rows": 128, "positive": 64}
    # The stream's first labels are wrong, and the later ones right: the error has changed.
    before, since = (said["affiant_performance_loss", *where, each] for each in ("before", "since"))
    assert since < 0.1 < before
    error = labels["error"]
    assert error["changes"] == said["affiant_performance_loss_changes", *where] == 1
    assert (error["newest"]["before"], error["newest"]["worse"]) == (before, False)
    assert error["newest"]["noticed"].endswith("Z")


@pytest.mark.parametrize(
    ("threshold", "why"), [(0.5, {}), (None, {"grade": "the model decides between no two classes"})]
)
def test_what_nobody_looks_at_is_told_with_the_reason(
    stream: Stream, tmp_path: Path, threshold: float | None, why: dict[str, str]
) -> None:
    """A column that the model does not take; all of them, where nothing is decided. In the figures and the metrics."""
    wider = POLICY.replace("{column: grade}", "{column: nobody}, {column: grade}").replace("MINIMUM", "0.8")
    packages = Known.of(stream.package, SERVICE)
    ((of, known),) = packages.profiles.items()
    decides = replace(known, signature=known.signature.model_copy(update={"threshold": threshold}))
    packages = replace(packages, profiles={of: decides})
    (found,) = looked(
        tmp_path, stream, stream.asked(20), by=parse_policy(wider.encode()), packages=packages
    ).values()
    assert [each.attribute for each in found.groups] == ([] if why else ["grade"])
    reasons = {"nobody": "no feature of the model"} | why
    assert found.unlooked == reasons == found.written()["unlooked"]
    told: dict[tuple[str, ...], float] = {}
    export(lambda name, labels, value: told.update({(name.name, *labels): value}), {stream.live: found}, str)
    assert {each: value for each, value in told.items() if each[0] == "affiant_group_unlooked"} == {
        ("affiant_group_unlooked", *stream.live, attribute, reason): 1
        for attribute, reason in reasons.items()
    }


def test_rates_of_groups_and_what_lies_between_them_are_exported(stream: Stream) -> None:
    """With labels those of errors, too; each a series an attribute, however many groups it has."""
    shares = {"a": 0.5, "b": 0.2}
    groups = tuple(
        Group(name, 100, True, *(Rate(100, share, Interval(0, 1)) for _ in range(3)))
        for name, share in shares.items()
    )
    gap = Gap(0.3, Interval(0.2, 0.4), "b", "a", 0.4, 0.15, 0.7)
    judged = Judged("sex", groups, {"favourable": gap, "true_favourable": gap})
    found: list[tuple[Any, ...]] = []
    export(
        lambda name, labels, value: found.append((name.name, *labels, value)),
        {Of(SERVICE, stream.package.digest, "live"): Look(groups=(judged,))},
        lambda digest: digest[7:19],
    )
    where = (SERVICE, stream.package.digest[7:19], "live", "sex")
    assert [each for each in found if each[0] == "affiant_group_rate_difference"] == [
        ("affiant_group_rate_difference", *where, "favourable", 0.3),
        ("affiant_group_rate_difference", *where, "true_favourable", 0.3),
    ]
    assert ("affiant_group_favourable_ratio", *where, "b", 0.2) in found
    assert ("affiant_group_rate_difference_least", *where, "favourable", 0.15) in found
    assert ("affiant_group_rate_ratio_most", *where, "true_favourable", 0.7) in found
    assert ("affiant_group_left_out", *where, 0) in found


def test_of_many_groups_the_largest_are_shown_and_the_others_counted(stream: Stream) -> None:
    """Two that differ beyond chance are shown however small they are; and rows by chance change nobody's place."""

    def shown(more: int) -> tuple[set[str], float]:
        groups = tuple(
            Group(
                f"g{at}", 40 + more if at < 5 else 1000 + more * at % 20, True,
                *(Rate(100, 0.5, Interval(0, 1)) for _ in range(3)),
            )
            for at in range(5000)
        )  # fmt: skip
        apart = Gap(0.9, Interval(0.8, 1.0), "g1", "g3", 0.1, 0.7, 0.2)
        chance = Gap(0.1, Interval(-0.1, 0.2), "g0", f"g{4990 + more}", 0.9, 0.0, 1.0)
        judged = Judged("town", groups, {"favourable": apart, "true_favourable": chance})
        found: list[tuple[Any, ...]] = []
        export(
            lambda name, labels, value: found.append((name.name, *labels, value)),
            {Of(SERVICE, stream.package.digest, "live"): Look(groups=(judged,))},
            str,
        )
        rows, rates, left = (
            [each for each in found if each[0] == name]
            for name in ("affiant_group_rows", "affiant_group_favourable_ratio", "affiant_group_left_out")
        )
        assert {each[5] for each in rows} == {each[5] for each in rates}
        assert len([each for each in found if each[0] == "affiant_group_rate_difference"]) == 2
        (number,) = (each[-1] for each in left)
        return {each[5] for each in rows}, number

    first, left = shown(0)
    assert len(first) == MOST_GROUPS
    assert left == 5000 - MOST_GROUPS
    assert first & {f"g{at}" for at in range(5)} == {"g1", "g3"}
    assert shown(1) == (first, left)
