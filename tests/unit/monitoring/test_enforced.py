"""What is held of an objective is what is counted: one number, told beside the policy's."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from cli.main import app
from monitoring.alerts.rules import groups_of
from monitoring.enforced import RECORDS, SECONDS, Enforced, by_records, enforced, lines
from monitoring.panes import CONFIDENCE_BINS
from monitoring.slo import Objective, of_confidence, of_latency
from registry.policy import Policy, Slo, parse_policy
from registry.policy.behaviour import Confidence

POLICY = """
format: 1
change: {roles: {policy: 1}}
services:
  credit:
    gates: {documentation: {}}
    approvals: {roles: {legal: 1}}
    slo:
      {errors: 0.01, p99_milliseconds: MS, confidence: {at_least: SURE, share: 0.9},
       scores: {between: [0, 0.7], share: 0.9}}
"""


def policy_of(milliseconds: str, sure: str) -> Policy:
    """With these limits."""
    return parse_policy(POLICY.replace("MS", milliseconds).replace("SURE", sure).encode())


def is_bad(objective: Objective, edges: Sequence[float], value: float) -> bool:
    """Whether one request with that number counts as bad; edges belong to the bin below."""
    counts = [0] * (len(edges) + 1)
    counts[bisect_left(edges, value)] = 1
    return of_latency(objective, edges, counts).bad == 1


@given(limit=st.floats(1e-7, 200.0) | st.sampled_from(RECORDS) | st.sampled_from(SECONDS))
def test_late_is_what_takes_longer_than_that(limit: float) -> None:
    """Never more is bad than the policy says, and no bin more than it has to is good."""
    (held,) = enforced(Slo(p99_milliseconds=limit * 1000))
    objective = Objective("latency", 0.01, held.policy)
    for edges, said in ((RECORDS, held.records), (SECONDS, held.gateways)):
        if said is None:
            assert not is_bad(objective, edges, 1e9)
            continue
        assert said >= held.policy
        assert not is_bad(objective, edges, said)
        assert is_bad(objective, edges, said * 1.001)
        assert max((low for low, high in pairwise((0.0, *edges)) if high == said), default=0.0) < held.policy


@given(limit=st.floats(0.5, 1.0, exclude_min=True) | st.sampled_from([each / 20 for each in range(11, 21)]))
def test_unsure_is_what_is_below_that(limit: float) -> None:
    """By the very bins that are counted."""
    (held,) = enforced(Slo(confidence=Confidence(at_least=limit, share=0.9)))
    assert held.records is not None
    assert held.records <= limit < held.records + 1 / CONFIDENCE_BINS + 1e-12
    for at in range(CONFIDENCE_BINS):
        counts = [int(each == at) for each in range(CONFIDENCE_BINS)]
        bad = of_confidence(Objective("confidence", 0.1, limit), counts).bad == 1
        assert bad == ((at + 1) / CONFIDENCE_BINS <= held.records)


def test_what_has_no_limit_has_none() -> None:
    """Shares are counted as they are."""
    assert enforced(Slo(errors=0.01, refusals=0.1)) == ()
    assert by_records(Objective("errors", 0.01)) is None


@pytest.mark.parametrize(
    ("milliseconds", "sure", "told"),
    [
        (
            "510", "0.89",
            [
                "latency: late is above 630 ms by the records, above 1 s by the gateways (the policy says 510 ms)",
                "confidence: unsure is an answer below 0.85 (the policy says 0.89)",
            ],
        ),
        (
            "200000", "0.54",
            [
                "latency: late is none by the records, not looked at by the gateways (the policy says 200 s)",
                "confidence: unsure is an answer below 0.5: of two classes no answer ever is (the policy says 0.54)",
            ],
        ),
        ("500", "0.9", []),
    ],
)  # fmt: skip
def test_checking_a_policy_says_what_is_enforced(
    tmp_path: Path, milliseconds: str, sure: str, told: list[str]
) -> None:
    """Where it is not what the policy says; as JSON always."""
    policy = policy_of(milliseconds, sure)
    assert list(lines(policy)) == [f"credit: {each}" for each in told]
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY.replace("MS", milliseconds).replace("SURE", sure))
    done = CliRunner().invoke(app, ["policy", "check", str(file)])
    assert done.exit_code == 0
    assert [each for each in done.output.splitlines() if "the policy says" in each] == list(lines(policy))
    as_json = CliRunner().invoke(app, ["policy", "check", str(file), "--json"]).output
    assert [f'"policy": {each.policy}' in as_json for each in enforced(policy.services["credit"].slo)] == [
        True,
        True,
    ]


def test_the_alert_says_it() -> None:
    """Each source its own number; nothing is added where it is the policy's, or there is no limit."""
    rounded, exact = (
        {
            (rule.alert, rule.labels["objective"]): rule.summary
            for group in groups_of(policy_of(*limits))
            for rule in group.rules
            if "objective" in rule.labels
        }
        for limits in (("510", "0.89"), ("500", "0.9"))
    )
    burn, gateway = "AffiantObjectiveBurn", "AffiantGatewayBurn"
    assert "are bad (slower than 0.63 s; the policy says 0.51 s), 0.01 may be" in rounded[burn, "latency"]
    assert "are bad (slower than 1 s; the policy says 0.51 s), 0.01 may be" in rounded[gateway, "latency"]
    assert "are bad (less sure than 0.85; the policy says 0.89), 0.1 may be" in rounded[burn, "confidence"]
    assert "are bad, 0.01 may be" in rounded[burn, "errors"]
    assert "are bad (a score outside of 0 to 0.7), 0.1 may be" in rounded[burn, "scores"]
    assert "are bad (slower than 0.5 s), 0.01 may be" in exact[gateway, "latency"]
    assert not Enforced("confidence", 0.9, 0.9, None).rounded
