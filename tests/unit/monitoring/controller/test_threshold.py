"""Evidence that another processor rounds otherwise is the same; what differs by more, or in a count, is not."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from monitoring.burns import Burns
from monitoring.close import TOLERANCE, same
from monitoring.controller.threshold import held_to, nudged
from monitoring.figures import Evidence
from monitoring.judging import Judging, judged_by
from monitoring.judging.evidence import Where, evidence_of_panes
from monitoring.judging.judging import Taken
from monitoring.read import Profile
from registry.admission import InForce
from registry.policy import parse_policy
from tests.components.controller import ONE, TWO, Town, burns_of_town, evidence_of_town

Change = Callable[[float], float]
ROUNDED: tuple[Change, ...] = (
    lambda x: math.nextafter(x, math.inf),
    lambda x: math.nextafter(x, -math.inf),
    lambda x: x * (1 + 1e-9) + 1e-9,
    lambda x: x * (1 - 1e-9) - 1e-9,
)
BEYOND: tuple[Change, ...] = (
    lambda x: x + 2 * TOLERANCE * max(1, x),
    lambda x: x - 2 * TOLERANCE * max(1, x),
)


def town() -> Town:
    """Whose second package is live."""
    found = Town()
    found.approve(ONE, TWO)
    found.deploy(ONE)
    found.deploy(TWO)
    return found


HERE = town()
DRIFT, SLO = evidence_of_town(HERE), burns_of_town(HERE)
Path = tuple[Any, ...]


def leaves(found: Any, kind: type, *way: Any) -> list[Path]:
    """Where there are such numbers."""
    if isinstance(found, dict | list | tuple):
        items = found.items() if isinstance(found, dict) else enumerate(found)
        return [each for key, value in items for each in leaves(value, kind, *way, key)]
    return [way] if type(found) is kind else []


def changed(evidence: Evidence | Burns, paths: list[Path], by: Callable[[Any], Any]) -> Any:
    """With other numbers there."""
    content = evidence.model_dump(mode="json")
    for *way, last in paths:
        place = content
        for each in way:
            place = place[each]
        place[last] = by(place[last])
    return type(evidence).model_validate(content)


def unmoved(_: float) -> Evidence:
    """Limits that are more or less by the tolerance change nothing."""
    return DRIFT


@pytest.mark.parametrize("evidence", [DRIFT, SLO])
def test_what_is_rounded_otherwise_is_the_same(evidence: Evidence | Burns) -> None:
    """Each float alone and all of them, by its last bit and by a billionth."""
    floats = leaves(evidence.model_dump(mode="json"), float)
    assert len(floats) > 2
    for paths in (floats, *([each] for each in floats)):
        for by in ROUNDED:
            alike, how = held_to(changed(evidence, paths, by), evidence, unmoved)
            assert (alike, how.startswith("equal, but for rounding")) == (True, True), paths
    assert held_to(evidence, evidence, unmoved) == (True, "equal, to the bit")


@pytest.mark.parametrize("evidence", [DRIFT, SLO])
def test_what_is_further_away_is_another(evidence: Evidence | Burns) -> None:
    """Each float alone, by twice the tolerance; each whole number by one."""
    content = evidence.model_dump(mode="json")
    for path in leaves(content, float):
        for by in BEYOND:
            alike, how = held_to(changed(evidence, [path], by), evidence, unmoved)
            assert (alike, how.startswith("others: ")) == (False, True), path
    for path in leaves(content, int):
        if path != ("format",):
            assert not held_to(changed(evidence, [path], lambda n: n + 1), evidence, unmoved)[0], path


def test_a_column_is_there_once_and_says_what_it_said() -> None:
    """Its order may change; another one, one twice, one less, or another severity, far from a threshold, is another."""
    one, other = DRIFT.columns
    assert held_to(DRIFT.model_copy(update={"columns": (other, one)}), DRIFT, unmoved)[0]
    for columns in (
        (one,), (one, one), (one, other, other), (one, other.model_copy(update={"column": "x"})),
        (one, other.model_copy(update={"severity": None})),
    ):  # fmt: skip
        assert not held_to(DRIFT.model_copy(update={"columns": columns}), DRIFT, unmoved)[0], columns


def test_what_one_side_of_a_threshold_says_stands() -> None:
    """Of a column that says otherwise by limits that are more or less by the tolerance; of no other column."""
    one, other = DRIFT.columns
    calm = other.model_copy(update={"severity": None, "log_e": {"warn": 1.0, "page": 0.5}})
    signed = DRIFT.model_copy(update={"columns": (one, calm)})
    for side in (1 - TOLERANCE, 1 + TOLERANCE):
        alike, how = held_to(signed, DRIFT, lambda by, side=side: signed if by == side else DRIFT)
        assert (alike, how.split(":")[0]) == (
            True, "at a threshold, where rounding decides; what was decided stands",
        )  # fmt: skip
        assert how.endswith(other.column)
    elsewhere = DRIFT.model_copy(update={"columns": (calm.model_copy(update={"column": one.column}), other)})
    assert not held_to(signed, DRIFT, lambda _: elsewhere)[0]


LIMITS = """\
format: 1
change: {roles: {compliance: 1}}
services:
  credit:
    gates: {size: {megabytes: 5}}
    approvals: {roles: {legal: 1}}
    drift: {ks: %r, rule: {window_rows: 1000}}
"""


def test_a_limit_that_a_distance_just_reaches(profile: Profile, stream: Callable[..., Any]) -> None:
    """It pages, or it does not: what was signed stands. A limit that is a little further away says nothing of it."""
    shifted = stream()
    panes = [shifted.pane(number, 1.0) for number in range(8)]
    taken = [Taken(0, at, pane.time, pane.tallies[shifted.of]) for at, pane in enumerate(panes)]

    def judged(limit: float, by: float = 1.0) -> Evidence:
        policy = nudged(InForce(parse_policy((LIMITS % limit).encode()), 1, 0), "credit", by)
        assert policy is not None
        limits = judged_by(policy.policy, "credit")
        found = evidence_of_panes(shifted.of, profile, limits, taken, Where("0a" * 16, 250, {}))
        return found.model_copy(update={"policy": TWO})

    def age(found: Evidence) -> Any:
        return next(each for each in found.columns if each.column == "age")

    # Each pane's distance; the largest of those that the window pages of.
    one, reached = Judging(profile, judged_by(parse_policy((LIMITS % 0.2).encode()), "credit")), []
    for each in taken:
        one.take(each)
        reached.append(next(figures for figures in one.figures() if figures.name == "age"))
    largest = max(each.ks_lower for each in reached if each.rows >= 1000)
    below, above = judged(largest, 1 - TOLERANCE), judged(largest, 1 + TOLERANCE)
    assert (age(below).severity, age(above).severity) == ("page", "warn")
    for signed, computed in ((below, above), (above, below)):
        alike, how = held_to(signed, computed, lambda by: judged(largest, by))
        assert (alike, how.split(",")[0]) == (True, "at a threshold"), how
        assert not held_to(signed, computed, lambda _, computed=computed: computed)[0]
    # Neither by a limit from which it is further away than rounding comes.
    for limit, signed in ((largest * (1 + 1e-5), below), (largest * (1 - 1e-5), above)):
        alike, how = held_to(signed, judged(limit), lambda by, limit=limit: judged(limit, by))
        assert (alike, "age" in how) == (False, True), how


def test_every_limit_is_moved() -> None:
    """Of the policy's section or of the defaults; what limits nothing of drift is as it was, and no policy is none."""
    policy = InForce(parse_policy((LIMITS % 0.2).encode()), 1, 0)
    before = judged_by(policy.policy, "credit").limits
    for by in (1 - TOLERANCE, 1 + TOLERANCE):
        moved = nudged(policy, "credit", by)
        assert moved is not None
        after = judged_by(moved.policy, "credit").limits
        for name in ("page_distance", "clear_distance", "psi_warn", "psi_page"):
            assert getattr(after, name) == pytest.approx(getattr(before, name) * by, rel=1e-12)
        assert after.alpha == pytest.approx(before.alpha / by, rel=1e-12)
        assert after.run - before.run == (-1 if by < 1 else 1)
        assert (after.warn_delta, after.page_delta, after.page_rows) == (
            before.warn_delta, before.page_delta, before.page_rows,
        )  # fmt: skip
    assert nudged(policy, "cards", 2.0) is policy
    assert nudged(None, "credit", 2.0) is None


def test_a_burn_rate_at_its_limit_pages_as_it_was_decided() -> None:
    """Where a share is the limit but for rounding; nowhere else, and not of a few bad ones alone."""
    (burn,) = SLO.burns
    for bad, limit, alike in (
        (288, 0.144 * (1 + 1e-9), True),
        (288, 0.144 * (1 + 1e-6), False),
        (2, 0.001, False),
    ):
        told = burn.model_copy(update={"bad": bad, "limit": limit, "short_bad": bad // 20, "pages": False})
        computed = SLO.model_copy(update={"burns": (told,)})
        signed = SLO.model_copy(update={"burns": (told.model_copy(update={"pages": True}),)})
        assert held_to(signed, computed, unmoved)[0] is alike, (bad, limit)
    assert not held_to(SLO, DRIFT, unmoved)[0]
    assert not held_to(SLO.model_copy(update={"burns": ()}), SLO, unmoved)[0]


def test_what_is_no_float_is_the_same_or_not() -> None:
    """JSON may write 0.0 as 0; a count is no float, and true is no number."""
    assert same({"a": [0, None, "x"]}, {"a": (0.0, None, "x")})
    for signed, computed in (
        (1.0, 1), (True, 1.0), (True, 1), (None, 0.0), ("1", 1.0), (float("nan"), 1.0), ([1], [1, 2]), ({}, {"a": 1}),
        ([], {}), (1, [1]),
    ):  # fmt: skip
        assert not same(signed, computed), (signed, computed)
