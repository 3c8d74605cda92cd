"""What Prometheus is told is what stands in the aggregate, under the names that rules and dashboards read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from monitoring import names
from monitoring.exporter import Seen, families
from monitoring.judging import judged_by
from monitoring.labels.export import Reading
from monitoring.leading import Aggregate
from monitoring.read import Profile
from registry.policy import parse_policy
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


@pytest.fixture
def samples(profile: Profile, stream: Callable[..., Any]) -> dict[tuple[Any, ...], float]:
    """Ten calm panes and ten drifted ones, as Prometheus reads them: (name, sorted labels) → value."""
    aggregate = Aggregate(
        [0],
        Kept({DIGEST: profile}),
        lambda service: judged_by(POLICY, service),
        topic="00" * 16,
        pane_records=250,
    )
    aggregate.serve({CREDIT: 0})
    for number in range(20):
        aggregate.take(stream().pane(number, 0.0 if number < 10 else 1.0))
    aggregate.judge()
    seen = Seen(
        position={0: 5000}, lag={0: 7}, age={0: 1.5}, leads=True, round=90.0, waiting={0: (3, 60.0)},
        labels=Reading({0: 12}, 4.5), now=100.0,
    )  # fmt: skip

    class Collector:
        def collect(self) -> Any:
            return families(aggregate, POLICY, seen)

    registry = CollectorRegistry()
    registry.register(Collector())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


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
