"""The gate `lineage`: no package of deprecated data, and none whose origin the policy wants known and is not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest

from registry.gates import run_gates
from registry.gates.base import Datasets, GateResult
from registry.lineage import DataSet, Origin, lineage_json
from registry.policy import parse_policy
from registry.policy.gates import Origin as Wanted
from tests.components.lineage import package_of

MD5, SHA = "md5:" + "1" * 32, "sha256:" + "b" * 64
ROWS = DataSet("rows.csv", MD5, "dvc", True, "b" * 64)


def judged(limits: dict[str, Any], deprecated: dict[str, str] | None, **changed: Any) -> GateResult:
    """What the gate says of a package made of ROWS; `changed` keys of its lineage."""
    rules = {"gates": {"lineage": limits}, "approvals": {"roles": {"legal": 1}}}
    policy = {"format": 1, "change": {"roles": {"legal": 1}}, "services": {"credit": rules}}
    package = package_of("credit", (ROWS,), **{key: json.dumps(value) for key, value in changed.items()})
    report = run_gates(
        package, Datasets(deprecated=deprecated), parse_policy(json.dumps(policy).encode()), "credit",
        now=datetime(2026, 1, 2, tzinfo=UTC),
    )  # fmt: skip
    (found,) = report.results
    return found


def test_a_package_whose_data_is_not_deprecated_passes() -> None:
    """And the figures say what was looked at."""
    found = judged({}, {"md5:" + "2" * 32: "another"})
    assert (found.verdict, found.reason) == ("passed", "")
    assert found.figures["data"][MD5] == "rows.csv"


@pytest.mark.parametrize("version", [MD5, SHA])
def test_a_package_of_deprecated_data_fails(version: str) -> None:
    """By whichever of its names; the reason is told."""
    found = judged({}, {version: "consent withdrawn"})
    assert found.verdict == "failed"
    assert found.reason == f"it was made of 'rows.csv' ({version}), which is deprecated: consent withdrawn"


def test_without_the_governance_log_nothing_passes() -> None:
    """Nobody knows what is deprecated: that is no pass."""
    found = judged({}, None)
    assert (found.verdict, "nobody said which data is deprecated" in found.reason) == ("failed", True)


def test_what_the_policy_wants_to_be_known_must_be() -> None:
    """Each by name; a lineage that does not tell what it does not know knows nothing."""
    limits = {"known": ["git commit", "training image"]}
    assert judged(limits, {}, unknown=["run of ingestion"]).verdict == "passed"
    assert judged(limits, {}, unknown=["training image"]).reason == "its training image is unknown"
    for strange in (None, "git commit", [7]):
        expected = "passed" if strange == [7] else "failed"
        assert judged(limits, {}, unknown=strange).verdict == expected


@pytest.mark.parametrize(
    ("git", "verdict"),
    [
        ({"commit": "c", "dirty": False}, "passed"), ({"commit": "c", "dirty": True}, "failed"),
        ({"commit": "c"}, "failed"), (None, "failed"), ({"commit": "c", "dirty": 0}, "failed"),
    ],
)  # fmt: skip
def test_a_dirty_work_tree_fails_when_the_policy_says_so(git: Any, verdict: str) -> None:
    """And only then; what nobody knows is not clean."""
    assert judged({"clean": True}, {}, git=git).verdict == verdict
    assert judged({}, {}, git=git).verdict == "passed"


def test_the_policy_names_what_a_lineage_may_have_as_unknown(tmp_path: Path) -> None:
    """The same words: another would never be found missing."""
    told = json.loads(
        lineage_json(
            created=datetime(2026, 1, 2, tzinfo=UTC), model={}, table={}, git=None, parameters={}, metrics={},
            comparison=None, origin=Origin(),
        )
    )  # fmt: skip
    assert set(told["unknown"]) == set(get_args(Wanted))
