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

from audit.proof.entry import Key
from monitoring.consume import LocalFollowing
from monitoring.governed import Ungoverned
from monitoring.groups import Gap, Group, Judged, Rate
from monitoring.intervals import Interval
from monitoring.labels import Cohort, Estimate
from monitoring.labels.concept import prepare
from monitoring.labels.export import export
from monitoring.labels.follow import Follow, asked_of
from monitoring.labels.look import Look, look
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
from tests.components.labelled import POLICY, SERVICE, Stream, policy
from tests.components.monitored import START, Known, Traffic, local_log, logged, made_package


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
        packages or Known.of(stream.package, SERVICE), window=1e9, now_ms=START,
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
    follow = Follow(log.reader(), [0], asked_of(policy()), packages, window=1e9, now_ms=START)
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
    reading = Reading(asked_of(policy()), Known.of(package, SERVICE), 10**18)
    reading.take(logged(stream.asked(200)))
    outcomes, serving = reading.outcomes[SERVICE], {stream.live: 0}
    (found,) = look(outcomes, policy().services[SERVICE], serving, reading.newest_ms, {}).values()
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
    (later,) = look(outcomes, policy().services[SERVICE], serving, reading.newest_ms + 7_200_000, {}).values()
    assert later.coverage == 0.0
    assert [each.groups for each in later.groups] == [()]


def test_what_is_no_label_is_counted_and_changes_nothing(stream: Stream, package: Package) -> None:
    """Read alone: nobody must be stopped by it."""
    reading = Reading(asked_of(policy()), Known.of(package, SERVICE), 10**18)
    whole = stream.label(1, "class 1")
    torn = whole[:-1] + bytes([whole[-1] ^ 1])
    reading.take(logged([torn, None, b"\0\1\0\1x"], time=2**60))
    assert reading.newest_ms == 0  # that is no time
    reading.take(logged([*stream.asked(3), whole, torn]))
    assert reading.unreadable == 2
    joined, waiting = reading.outcomes[SERVICE].joined()
    assert waiting == 0
    assert int(joined[stream.live].labelled.sum()) == 1


def test_only_services_whose_policy_asks_are_read(stream: Stream, package: Package) -> None:
    """Of others nothing is asked, not even a package."""
    packages = Known.of(package, SERVICE, "other")
    reading = Reading(asked_of(policy()), packages, 10**18)
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
        Reader(), [0], asked_of(policy()), Known.of(stream.package, SERVICE), window=1.0, now_ms=START + 1600
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
    follow = Follow(log.reader(), range(3), asked_of(policy()), packages, window=1e9, now_ms=START)
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
        follow = Follow(log.reader(), [0], asked_of(policy(0.1)), packages, window=1e9, now_ms=START)
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
    (tmp_path / "policy.yaml").write_text(POLICY.replace("MINIMUM", "0.8"))
    packages, feed = Known.of(stream.package, SERVICE), LocalFeed()
    following = LocalFollowing(log, tmp_path / "monitor", 64, packages, feed.hand, pause=lambda _: None)
    plans = {SERVICE: (Placed(digest=stream.package.digest),)}
    monitor = Monitor(
        following, lambda _: feed, log, Ungoverned(tmp_path / "policy.yaml", plans), packages,
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
    gap = Gap(0.3, Interval(0.2, 0.4), "b", "a", 0.4)
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
