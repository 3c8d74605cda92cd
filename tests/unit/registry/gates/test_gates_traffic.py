"""The drift gate on recent traffic: what a service was asked, as another package would have been given it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from audit.errors import ConfigError
from monitoring.gate import distances
from registry.gates import CannotJudge, Datasets, GateResult, run_gates
from registry.gates.asked import Answered, Inputs, Span, Traffic, asked_of
from registry.gates.drift import counts_digest
from registry.package import Package
from registry.policy import Policy, parse_policy
from registry.signature import Feature, Signature
from registry.table import encode, model_rows, table_of
from tests.components.packages import TARGET, credit_package, credit_table

NOW = datetime(2026, 1, 2, tzinfo=UTC)
OLD = "sha256:" + "0d" * 32


@pytest.fixture(scope="module")
def package() -> Package:
    """The credit model, of all thousand rows: it was not asked anything yet."""
    return credit_package()


def signature(*features: Feature) -> Signature:
    return Signature(name="x", task="regression", features=features)


def number(name: str, **more: Any) -> Feature:
    return Feature(name=name, type="number", **more)


def grade(*categories: str, **more: Any) -> Feature:
    return Feature(name="grade", type="category", categories=categories, **more)


WAS = signature(number("a"), grade("low", "high", missing=True))
ASKED = np.array([[1.5, 0], [2.5, 1], [3.5, np.nan]], np.float32)


def traffic(inputs: Inputs, was: Signature, **changed: Any) -> Traffic:
    """What one package was asked, an hour ago."""
    found = Traffic(
        "5e" * 16, "credit", (Span(0, 0, len(inputs)),), (Answered(OLD, was, inputs),), {}, 0, len(inputs),
        1_000_000, 1_000_001, 1_000.0 + 3600,
    )  # fmt: skip
    return replace(found, **changed)


def test_codes_and_columns_are_those_of_the_package_that_is_asked() -> None:
    """Another order of columns, and of categories: found by their names; what is missing stays missing."""
    now = signature(grade("mid", "high", "low", missing=True), number("a"))
    found = asked_of(traffic(ASKED, WAS), now)
    assert found.tolist()[:2] == [[2.0, 1.5], [1.0, 2.5]]
    assert np.isnan(found[2, 0])
    assert found[2, 1] == 3.5


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (signature(number("a"), WAS.features[1], number("b")), "it wants 'b', which nobody was asked for"),
        (signature(number("a")), "'grade' was asked, and it does not take it"),
        (signature(grade("low", "high"), number("a")), "'grade' was missing in 1 rows, and must be there"),
        (signature(number("a"), number("grade")), "'grade' was a category, and is a number to it"),
        (
            signature(number("a"), grade("low", missing=True)),
            "'grade' was 'high' in 1 rows, which it does not know",
        ),
    ],
)
def test_another_schema_than_was_asked_is_said(now: Signature, why: str) -> None:
    """The package has never seen such a request, or would refuse it: no distance says that."""
    with pytest.raises(CannotJudge, match=re.escape(why)):
        asked_of(traffic(ASKED, WAS), now)


def test_what_is_let_through_as_missing_is_missing() -> None:
    """A category that the new package does not know, where its signature lets such through."""
    now = signature(number("a"), grade("low", missing=True, unknown="missing"))
    assert np.isnan(asked_of(traffic(ASKED, WAS), now)[1:, 1]).all()


def test_a_code_that_nobody_has_is_no_category() -> None:
    """A forged input would else be some other row of the table of codes."""
    with pytest.raises(CannotJudge, match="a recorded code is none of the package's"):
        asked_of(traffic(np.array([[1.0, -1.0]], np.float32), WAS), WAS)


def test_the_digest_is_of_ranges_packages_and_rows() -> None:
    """Whoever reads the same has the same; anything else has another."""
    one = traffic(ASKED, WAS)
    others = [
        replace(one, spans=(Span(0, 0, 4),)),
        replace(one, topic="5f" * 16),
        replace(one, answered=(Answered("sha256:" + "0e" * 32, WAS, ASKED),)),
        traffic(ASKED[:2], WAS, spans=one.spans),
        traffic(ASKED + np.float32(1e-6), WAS),
    ]
    assert len({each.sha256 for each in (one, *others)}) == 6
    assert replace(one, read=5.0).sha256 == one.sha256


def policy(**limits: Any) -> Policy:
    content = {
        "format": 1,
        "change": {"roles": {"legal": 1}},
        "services": {"credit": {"gates": {"drift": limits}, "approvals": {"roles": {"legal": 1}}}},
    }
    return parse_policy(json.dumps(content).encode())


def judged(package: Package, found: Traffic | None, rows_of: str = "traffic", **limits: Any) -> GateResult:
    """What the gate says."""
    holdout = table_of(credit_table().frame.sample(300, random_state=3).reset_index(drop=True), "holdout")
    datasets = Datasets(holdout=holdout, target=TARGET, measure=distances, traffic=found)
    report = run_gates(package, datasets, policy(rows_of=rows_of, **limits), "credit", now=NOW)
    if found is not None:
        assert report.data["traffic"] == f"sha256:{found.sha256}"
    return report.results[0]


def applicants(package: Package, rows: int = 400, **changed: float) -> Traffic:
    """Requests like the training's; some columns multiplied."""
    frame = credit_table().frame.sample(rows, random_state=1).reset_index(drop=True)
    frame = frame.assign(**{name: frame[name] * by for name, by in changed.items()})
    return traffic(model_rows(encode(frame, package.signature), package.signature), package.signature)


def test_traffic_like_the_reference_passes_and_says_where_it_stands(package: Package) -> None:
    """Ranges, rows and digests are in the result, so that it can be computed again; the hold-out is not looked at."""
    found = applicants(package)
    result = judged(package, found, ks=0.0)
    assert result.verdict == "passed", result.reason
    assert set(result.figures) == {"traffic"}
    told: Any = result.figures["traffic"]
    assert told["ranges"] == [{"partition": 0, "first": 0, "last": 399}]
    assert told["rows"] == told["requests"] == told["packages"][OLD] == 400
    assert told["topic"] == "5e" * 16
    rows = asked_of(found, package.signature)
    from registry.runtimes import load

    assert told["counts_sha256"] == counts_digest(package, rows, load(package).predict(rows).reshape(-1, 1))


def test_traffic_in_another_unit_fails_by_its_name(package: Package) -> None:
    """With the hold-out as well, which passes: both are told."""
    result = judged(package, applicants(package, duration_in_month=30.0), "both")
    assert result.verdict == "failed"
    assert result.reason.startswith("recent traffic: duration_in_month: KS distance is at least")
    assert result.figures["rows"] == 300
    assert result.figures["traffic"]["rows"] == 400  # type: ignore[index,call-overload]


@pytest.mark.parametrize(
    ("changed", "limits", "why"),
    [
        (None, {}, "no recent traffic was given"),
        ({}, {"traffic_rows": 500}, "the ranges of the log have 400 rows; 500 are needed"),
        ({}, {"minimum_rows": 401}, "the ranges of the log have 400 rows; 401 are needed"),
        (
            {},
            {"traffic_hours": 0.5},
            "the oldest answer was logged 1.0 hours before it was read; 0.5 are allowed",
        ),
        ({"unread": {"payload absent": 30}}, {}, "of 430 answers 30 cannot be read (payload absent: 30)"),
        ({"unread": {"payload absent": 1}}, {"traffic_unread": 0.0}, "0.0% are allowed"),
    ],
)
def test_traffic_that_cannot_be_judged_fails(
    package: Package, changed: dict[str, Any] | None, limits: dict[str, Any], why: str
) -> None:
    """It is never skipped."""
    found = None if changed is None else replace(applicants(package), **changed)
    result = judged(package, found, **limits)
    assert result.verdict == "failed"
    assert why in result.reason


def test_traffic_of_another_service_is_none(package: Package) -> None:
    """Somebody else's applicants say nothing of this service's."""
    with pytest.raises(ConfigError, match="the traffic is that of cards, and not of credit"):
        judged(package, replace(applicants(package), service="cards"))


def test_a_policy_that_does_not_ask_for_traffic_is_the_one_it_was() -> None:
    """The keys came later: without them the digest is what it was, and with them they must mean something."""
    assert b"traffic" not in policy().canonical()
    with pytest.raises(
        ConfigError, match="traffic_hours is of recent traffic, which rows_of does not ask for"
    ):
        policy(traffic_hours=24)
