"""What a gate must not take for good: each rule taken out of a copy, and a test of the gates fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.mutation import Mutation, assert_caught, params, run

pytestmark = pytest.mark.fault

DRIFT = "registry/gates/drift.py"
ASKED = "registry/gates/asked.py"
RUN = "registry/gates/run.py"
TRAFFIC = "monitoring/traffic.py"

GATE = "tests/unit/registry/gates/test_gates_traffic.py"
READ = "tests/unit/monitoring/test_traffic.py"
GATES = "tests/unit/registry/gates/test_gates_held.py"
FAIR = "tests/unit/registry/gates/test_gates_fairness.py"

COPIED = (
    "audit", "registry", "monitoring", "examples/credit/german_credit.csv", "examples/credit/policy.yaml",
    "tests/__init__.py", "tests/components/__init__.py", "tests/components/packages.py",
    "tests/components/monitored.py", GATE, READ, GATES, FAIR, "tests/unit/registry/gates/test_gates.py",
)  # fmt: skip

MUTATIONS = (
    Mutation(
        "traffic that is asked for",
        DRIFT,
        "    if limits.traffic:\n",
        "    if limits.traffic and datasets.traffic:\n",
        GATE,
        short=True,
    ),
    Mutation(
        "too little traffic",
        DRIFT,
        '_enough(found.rows, limits.least_traffic, "the ranges of the log have")',
        "pass",
        GATE,
    ),
    Mutation(
        "old traffic",
        DRIFT,
        "limits.traffic_hours is not None and not age <= limits.traffic_hours * 3600",
        "False",
        GATE,
    ),
    Mutation(
        "traffic that is gone",
        DRIFT,
        "if not unread <= allowed * (unread + found.requests):",
        "if False:",
        GATE,
    ),
    Mutation("another service's traffic", RUN, "datasets.traffic.service != service", "False", GATE),
    Mutation(
        "a column that nobody was asked for",
        ASKED,
        "for name in wanted if name not in asked]",
        "for name in ()]",
        GATE,
    ),
    Mutation(
        "a column that it does not take",
        ASKED,
        "for name in asked if name not in wanted]",
        "for name in ()]",
        GATE,
    ),
    Mutation(
        "a number for a category",
        ASKED,
        '(asked[name].type == "category") != (each.type == "category")',
        "False",
        GATE,
    ),
    Mutation("what it would refuse", ASKED, "    if refused:\n", "    if False:\n", GATE),
    Mutation(
        "codes of another package",
        ASKED,
        "found[there] = known[places.astype(np.intp)]",
        "found[there] = places",
        GATE,
    ),
    Mutation(
        "codes that nobody has",
        ASKED,
        "(places < 0) | (places >= len(known))",
        "(places >= len(known))",
        GATE,
    ),
    Mutation(
        "the ranges in the digest", ASKED, '"spans": [list(each) for each in self.spans]', '"spans": []', GATE
    ),
    Mutation(
        "bytes that the entry does not cover",
        TRAFFIC,
        "if reason is Reason.WRONG:",
        "if False:",
        READ,
    ),
    Mutation("an answer once", TRAFFIC, "if not reached.take(", "if False and not reached.take(", READ),
    Mutation("shadows", TRAFFIC, "slot not in _SLOTS", "False", READ),
    Mutation("explanations", TRAFFIC, "(heads.protocol != _EXPLAIN)", "True", READ),
    Mutation("strangers' entries", TRAFFIC, "if reason is Reason.PACKAGE:", "if False:", READ),
    Mutation(
        "the newest of all partitions",
        TRAFFIC,
        "sorted(candidates, reverse=True)",
        "sorted(candidates)",
        READ,
    ),
    Mutation(
        "rows that the model has seen",
        "registry/gates/quality.py",
        "if limits.seen_in_training is not None and not share <= limits.seen_in_training:",
        "if False:",
        GATES,
    ),
    Mutation(
        "groups that are not judged",
        "registry/gates/fairness.py",
        'if limits.unjudged == "fail":',
        "if False:",
        FAIR,
    ),
    Mutation(
        "a limit that nothing is held to",
        "registry/gates/robustness.py",
        'if limits.decisions_changed is not None and signature.task == "regression":',
        "if False:",
        GATES,
    ),
)


@pytest.mark.long
def test_without_a_mutation_the_tests_pass(copy: Path) -> None:
    """Else the failures below would show nothing."""
    done = run(copy, f"{GATE} {READ} {GATES} {FAIR}")
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("mutation", params(MUTATIONS))
def test_the_tests_fail_without(copy: Path, mutation: Mutation) -> None:
    """One guard less, one failing test at least."""
    assert_caught(copy, mutation)
