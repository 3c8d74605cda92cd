"""What Prometheus is told is what stands in the aggregate, under the names that rules and dashboards read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from monitoring import exporter, names
from monitoring.alerts.embedded import own
from monitoring.alerts.rules import groups_of
from monitoring.alerts.samples import History
from monitoring.alerts.standing import Standing
from monitoring.detect.count import Counter
from monitoring.exporter import MOST_COLUMNS, Seen, families
from monitoring.judging import judged_by
from monitoring.labels.export import Reading
from monitoring.leading import Aggregate
from monitoring.panes import Pane
from monitoring.panes.build import Counting
from monitoring.read import Profile
from registry.policy import Policy, parse_policy
from registry.reference import build
from registry.signature import Feature, Signature
from tests.unit.monitoring.conftest import CREDIT, DIGEST, Kept

POLICY = parse_policy(b"""\
format: 1
change: {roles: {compliance: 1}}
services:
  credit:
    gates: {size: {megabytes: 5}}
    approvals: {roles: {legal: 1}}
    drift: {rule: {window_rows: 1000}}
    slo: {errors: 0.01, p99_milliseconds: 1, confidence: {at_least: 0.7, share: 0.9}}
""")
OWN = ("credit", "ab" * 6, "live")


def aggregate_of(profile: Profile, policy: Policy = POLICY) -> Aggregate:
    """One that serves the package, and has judged nothing."""
    aggregate = Aggregate(
        [0],
        Kept({DIGEST: profile}),
        lambda service: judged_by(policy, service),
        topic="00" * 16,
        pane_records=250,
    )
    aggregate.serve({CREDIT: 0})
    return aggregate


class Collector:
    """What the monitor hands over when it is asked."""

    def __init__(self, aggregate: Aggregate, policy: Policy = POLICY) -> None:
        self.aggregate, self.policy = aggregate, policy

    def collect(self) -> Any:
        seen = Seen(
            position={0: 5000}, lag={0: 7}, age={0: 1.5}, leads=True, round=90.0, waiting={0: (3, 60.0)},
            labels=Reading({0: 12}, 4.5), now=100.0,
        )  # fmt: skip
        return families(self.aggregate, self.policy, seen)


def scraped(collector: Collector) -> dict[tuple[Any, ...], float]:
    """As Prometheus reads it: (name, sorted labels) → value, in the page's order."""
    registry = CollectorRegistry()
    registry.register(collector)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


@pytest.fixture
def drifted(profile: Profile, stream: Callable[..., Any]) -> Aggregate:
    """Ten calm panes and ten drifted ones."""
    aggregate = aggregate_of(profile)
    for number in range(20):
        aggregate.take(stream().pane(number, 0.0 if number < 10 else 1.0))
    aggregate.judge()
    return aggregate


@pytest.fixture
def samples(drifted: Aggregate) -> dict[tuple[Any, ...], float]:
    """What is scraped of it."""
    return scraped(Collector(drifted))


def find(samples: dict[Any, float], name: names.Name, *values: str, suffix: str = "") -> float:
    """A sample by the labels that names.py gives it."""
    return samples[name.name + suffix, tuple(sorted(zip(name.labels, values, strict=True)))]


def test_a_drifted_feature_is_shown_and_alarmed(samples: Any) -> None:
    """A page is a warning, too; a calm feature is neither."""
    assert find(samples, names.KS_LOWER, *OWN, "age") > 0.3
    assert find(samples, names.KS_UPPER, *OWN, "age") >= find(samples, names.KS_LOWER, *OWN, "age")
    assert [find(samples, names.ALARM, *OWN, "age", each) for each in ("warn", "page")] == [1, 1]
    assert [find(samples, names.ALARM, *OWN, "home", each) for each in ("warn", "page")] == [0, 0]
    assert find(samples, names.ALARM, *OWN, "score:bad", "page") == 1
    assert find(samples, names.WINDOW_ROWS, *OWN) == 1000
    assert find(samples, names.CHECKS, *OWN, suffix="_total") == 20
    assert find(samples, names.ROWS, *OWN, suffix="_total") == 5000
    assert 2000 < find(samples, names.POSITIVE, *OWN, suffix="_total") < 4000


WIDE = 300
"""Features: more than are shown."""
WIDE_POLICY = parse_policy(
    b"""\
format: 1
change: {roles: {compliance: 1}}
services:
  credit:
    gates: {size: {megabytes: 5}}
    approvals: {roles: {legal: 1}}
    drift: {rule: {warn_delta: auto, page_delta: auto, window_rows: 1000, ignore: [f298]}}
"""
)


def wide_profile() -> Profile:
    """Of a package with so many features that not all are shown."""
    signature = Signature(
        name="credit",
        task="binary",
        features=tuple(Feature(name=f"f{at}", type="number") for at in range(WIDE)),
        classes=("good", "bad"),
        positive_class="bad",
        threshold=0.5,
    )
    random = np.random.default_rng(3)
    inputs = random.normal(size=(8_000, WIDE)).astype(np.float32)
    reference = build(inputs, random.random((8_000, 1)).astype(np.float32), signature)
    return Profile(
        DIGEST, reference, bytes(32), Counter(reference.features), Counter(reference.scores), True,
        np.float32(0.5), signature,
    )  # fmt: skip


def wide_panes(profile: Profile, first: int, count: int) -> Iterator[Pane]:
    """The last feature has drifted, and so has the one before it, which the policy ignores."""
    for number in range(first, first + count):
        random = np.random.default_rng([5, number])
        rows = random.normal(size=(250, WIDE)).astype(np.float32)
        rows[:, -2:] += (0.8, 1.0)
        counting = Counting.of(profile)
        scores = random.random((250, 1)).astype(np.float32)
        counting.add(rows, scores, np.full(250, 2_000_000, np.int64))
        yield Pane(
            0, number, number * 250, (number + 1) * 250, (number + 1) * 1000,
            tallies={CREDIT: counting.tally()},
        )  # fmt: skip


def features_of(samples: dict[Any, float], name: names.Name) -> set[str]:
    """Who has such a series."""
    return {dict(labels)["feature"] for known, labels in samples if known == name.name}


def test_of_many_features_the_most_drifted_are_shown_and_the_others_counted() -> None:
    """The last two of them have drifted; who is shown beside them does not change from pane to pane."""
    profile = wide_profile()
    aggregate = aggregate_of(profile, WIDE_POLICY)
    for pane in wide_panes(profile, 0, 8):
        aggregate.take(pane)
    aggregate.judge()
    samples = scraped(Collector(aggregate, WIDE_POLICY))
    shown = features_of(samples, names.KS_LOWER)
    assert len(shown) == MOST_COLUMNS < WIDE
    assert shown >= {"f298", "f299"}
    assert find(samples, names.ALARM, *OWN, "f299", "page") == 1
    assert find(samples, names.ALARM, *OWN, "f298", "page") == 0  # ignored, and far from the reference
    assert find(samples, names.DRIFT_LEFT_OUT, *OWN) == WIDE + 1 - MOST_COLUMNS
    assert len([name for name, labels in samples if "feature" in dict(labels)]) == 12 * MOST_COLUMNS
    for pane in wide_panes(profile, 8, 4):
        aggregate.take(pane)
    aggregate.judge()
    assert scraped(Collector(aggregate, WIDE_POLICY)).keys() == samples.keys()


def test_a_feature_that_alarms_is_told_of_however_few_are_shown(
    drifted: Aggregate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its figures; and what is calm has no series at all. The rules find the same alerts."""
    monkeypatch.setattr(exporter, "MOST_COLUMNS", 1)
    collector = Collector(drifted)
    samples = scraped(collector)
    assert features_of(samples, names.KS_LOWER) == {"age"}
    assert features_of(samples, names.ALARM) == {"age", "score:bad"}
    assert [find(samples, names.ALARM, *OWN, "score:bad", each) for each in ("warn", "page")] == [1, 1]
    assert find(samples, names.DRIFT_LEFT_OUT, *OWN) == 2
    (service,) = (each for each in groups_of(POLICY) if each.name == "affiant-credit")
    # Room for one series of each column that alarms, by severity, for five of the package, and for no figure.
    history, standing = History([service], most=9), Standing()
    history.observe("monitor", 100.0, own(collector)())
    assert history.left_out > 0
    told = [
        (alert.labels["alertname"], alert.labels["feature"], alert.labels["severity"])
        for alert in standing.evaluate(service, history, 100.0)
    ]
    assert sorted(told) == [
        ("AffiantInputDrift", "age", "page"), ("AffiantInputDrift", "age", "warn"),
        ("AffiantScoreDrift", "score:bad", "page"), ("AffiantScoreDrift", "score:bad", "warn"),
    ]  # fmt: skip


def test_objectives_count_what_was_bad(samples: Any) -> None:
    """All of it took two milliseconds, which is more than one; nothing failed."""
    assert find(samples, names.SLO_ALL, "credit", "", "live", "errors", suffix="_total") == 5000
    assert find(samples, names.SLO_BAD, "credit", "", "live", "errors", suffix="_total") == 0
    assert find(samples, names.SLO_BAD, *OWN, "latency", suffix="_total") == 5000
    unsure = find(samples, names.SLO_BAD, *OWN, "confidence", suffix="_total")
    assert 0 < unsure < 5000
    assert find(samples, names.CONFIDENCE, *OWN, suffix="_count") == 5000


def test_it_says_how_far_it_has_read(samples: Any) -> None:
    """And whether it leads."""
    assert find(samples, names.POSITION, "0") == 5000
    assert find(samples, names.LAG, "0") == 7
    assert find(samples, names.LEADER) == 1


def test_it_says_what_waits_and_what_labels_cost(samples: Any) -> None:
    """And since when it has not come round."""
    assert find(samples, names.WAITING, "0") == 3
    assert find(samples, names.WAITING_SECONDS, "0") == 40
    assert find(samples, names.ROUND_SECONDS) == 10
    assert find(samples, names.MISSED, suffix="_total") == 0
    assert find(samples, names.LABEL_UNREAD, "0") == 12
    assert find(samples, names.LABEL_READING, suffix="_total") == 4.5


def test_a_monitor_that_does_not_lead_says_nothing_of_packages() -> None:
    """Two that said the same would be counted twice."""
    told = list(families(None, POLICY, Seen(position={1: 9})))
    assert {each.name for each in told if each.samples} == {
        names.LEADER.name, names.POSITION.name, names.LAG.name, names.READ_SECONDS.name, names.ROUND_SECONDS.name,
    }  # fmt: skip


def test_names_are_unique_prefixed_and_in_base_units() -> None:
    """One module has them all."""
    known = [each for each in vars(names).values() if isinstance(each, names.Name)]
    assert len({each.name for each in known}) == len(known)
    for each in known:
        assert each.name.startswith("affiant_")
        assert not each.name.endswith(("_total", "_count", "_milliseconds", "_percent"))
