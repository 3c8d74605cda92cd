"""The judge: what warns, what pages, what clears, and what does not flap."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from monitoring.detect.figures import ColumnFigures
from monitoring.detect.judge import Change, Standing, judge
from monitoring.detect.limits import RULES, Limits, Rule
from monitoring.errors import DetectError

LIMITS = Limits()
THRESHOLD = 16.3
QUIET = ColumnFigures(
    name="age", rows=1_000, ks_lower=0.02, ks_upper=0.021, psi=0.01, psi_debiased=0.0, log_e_warn=-3.0,
    log_e_page=-3.0, effect=1.0, missing=0.0, out_of_range=0.0, unseen=0.0,
)  # fmt: skip
DRIFTED = replace(QUIET, ks_lower=0.2, ks_upper=0.201, psi=0.4)
WARNING = replace(QUIET, ks_lower=0.07, ks_upper=0.071, log_e_warn=20.0)
PAGING = replace(DRIFTED, log_e_warn=20.0, log_e_page=20.0)


class Watch:
    """Judges one column, 250 records and ten seconds a check."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.limits = limits
        self.standing = (Standing(),)
        self.now, self.position = 0.0, 0
        self.changes: list[Change] = []

    def see(self, *figures: ColumnFigures, checks: int = 1) -> str | None:
        for one in itertools.chain.from_iterable(itertools.repeat(figures, checks)):
            self.now += 10
            self.position += 250
            self.standing, changes = judge(
                self.standing, (one,), self.limits, THRESHOLD, now=self.now, position=self.position
            )
            self.changes += changes
        return self.standing[0].severity


def test_nothing_is_said_without_evidence() -> None:
    """Large distances alone are chance, or a small window, until an e-value says otherwise."""
    watch = Watch()
    assert watch.see(QUIET, DRIFTED, checks=50) is None
    assert watch.changes == []


def test_evidence_at_the_smaller_tolerance_warns_and_stays() -> None:
    """The e-detector begins anew; the warning stands."""
    watch = Watch()
    assert watch.see(WARNING) == "warn"
    assert watch.see(replace(WARNING, log_e_warn=-2.0), checks=500) == "warn"
    assert [(change.before, change.after) for change in watch.changes] == [(None, "warn")]
    assert watch.changes[0].figures == WARNING
    assert (watch.changes[0].at, watch.changes[0].position) == (10, 250)


@pytest.mark.parametrize(
    "weak",
    [
        replace(PAGING, ks_lower=0.0999),
        replace(PAGING, rows=999),
        replace(PAGING, log_e_page=THRESHOLD - 0.01),
    ],
)
def test_a_page_needs_all_three(weak: ColumnFigures) -> None:
    """The e-value at the larger tolerance, D ≥ 0.10 for certain, and 1,000 records."""
    assert Watch().see(weak) == "warn"
    assert Watch().see(PAGING) == "page"


def test_evidence_for_a_page_waits_for_its_window() -> None:
    """The e-value was above in the first pane of drift; the window is drifted enough three panes later."""
    watch = Watch()
    assert watch.see(replace(PAGING, ks_lower=0.05)) == "warn"
    assert watch.see(replace(DRIFTED, ks_lower=0.09), checks=2) == "warn"
    assert watch.see(DRIFTED) == "page"


def test_an_alarm_ends_after_three_calm_windows_and_not_before() -> None:
    """Three times 1,000 records without a break; one window that is not calm begins the count anew."""
    watch = Watch()
    watch.see(PAGING)
    assert watch.see(QUIET, checks=12) == "page"
    watch.see(replace(QUIET, ks_upper=0.05))
    assert watch.see(QUIET, checks=12) == "page"
    assert watch.see(QUIET) is None
    assert [change.after for change in watch.changes] == ["page", None]


def test_an_empty_window_is_not_a_calm_one() -> None:
    """Traffic that stops does not clear an alarm."""
    nothing = replace(QUIET, rows=0, ks_lower=0.0, ks_upper=0.0, psi=0.0)
    for limits in (LIMITS, Limits(rule="psi"), Limits(rule="ks-bonferroni")):
        watch = Watch(limits)
        watch.see(replace(PAGING, p=0.0))
        assert watch.see(nothing, checks=100) == "page"


def test_drift_between_the_tolerance_and_the_clear_distance_does_not_flicker() -> None:
    """D = 0.04 all the time: evidence comes again and again, and keeps the warning although D < 0.05."""
    watch = Watch()
    small = replace(QUIET, ks_lower=0.04, ks_upper=0.041)
    watch.see(*[small] * 7, replace(small, log_e_warn=17.0), checks=40)
    assert [change.after for change in watch.changes] == ["warn"]


def test_evidence_is_forgotten_once_it_is_calm() -> None:
    """What was seen before a clear does not page with a distance that comes by chance later."""
    watch = Watch()
    watch.see(replace(PAGING, rows=500))
    watch.see(QUIET, checks=13)
    assert watch.see(DRIFTED, checks=10) is None


def test_a_second_page_waits_for_the_cool_down() -> None:
    """It warns meanwhile, and pages when the hour is over if it is still so."""
    watch = Watch()
    watch.see(PAGING)
    watch.see(QUIET, checks=13)
    began = watch.now - 130
    assert watch.see(PAGING) == "warn"
    while watch.see(DRIFTED) != "page":
        assert watch.now < began + 4_000
    assert watch.now - began == pytest.approx(3_600, abs=10)
    assert [change.after for change in watch.changes] == ["page", None, "warn", "page"]


def test_a_day_of_flapping_input_pages_at_most_once_an_hour() -> None:
    """Half an hour of drift, half an hour without, for a day."""
    watch = Watch()
    for _ in range(24):
        watch.see(PAGING, *[DRIFTED] * 179)
        watch.see(QUIET, checks=180)
    pages = [change.at for change in watch.changes if change.after == "page"]
    assert 12 <= len(pages) <= 24
    assert (np.diff(pages) >= LIMITS.cooldown).all()


def test_a_clock_that_jumps_back_does_not_silence_for_longer_than_the_cool_down() -> None:
    """A page at the year 2100, the clock put right: an hour later the next page comes."""
    watch = Watch()
    watch.now = 4e9
    watch.see(PAGING)
    watch.see(QUIET, checks=13)
    watch.now = 1e9
    watch.see(PAGING, *[DRIFTED] * 362)
    assert [change.after for change in watch.changes][-1] == "page"
    assert watch.now < 1e9 + 3_700


def test_columns_are_judged_each_for_itself() -> None:
    """One pages, one warns, one is quiet; changes carry the names."""
    figures = (replace(PAGING, name="a"), replace(WARNING, name="b"), replace(QUIET, name="c"))
    after, changes = judge((Standing(),) * 3, figures, LIMITS, THRESHOLD, now=1, position=1_000)
    assert [one.severity for one in after] == ["page", "warn", None]
    assert [(change.column, change.after) for change in changes] == [("a", "page"), ("b", "warn")]
    with pytest.raises(DetectError, match="2 standings for 3"):
        judge((Standing(),) * 2, figures, LIMITS, THRESHOLD, now=1, position=1_000)


def test_a_standing_is_json() -> None:
    """It is stored with the offsets that it covers."""
    watch = Watch()
    watch.see(PAGING)
    assert Standing(**json.loads(json.dumps(asdict(watch.standing[0])))) == watch.standing[0]
    assert Standing(**json.loads(json.dumps(asdict(Standing())))) == Standing()


# ---------------------------------------------------------------- classic rules


def test_the_psi_rule_warns_and_pages_at_its_thresholds() -> None:
    """0.1 and 0.2, whatever the e-values say."""
    limits = Limits(rule="psi")
    assert Watch(limits).see(replace(PAGING, psi=0.09)) is None
    assert Watch(limits).see(replace(QUIET, psi=0.1)) == "warn"
    watch = Watch(limits)
    assert watch.see(replace(QUIET, psi=0.2)) == "page"
    assert watch.see(replace(QUIET, psi=0.12), checks=50) == "page"
    assert watch.see(QUIET, checks=13) is None


@pytest.mark.parametrize(("rule", "pages"), [("ks-bonferroni", [0]), ("ks-benjamini-hochberg", [0, 1])])
def test_the_p_value_rules_correct_for_the_number_of_columns(rule: str, pages: list[int]) -> None:
    """Three columns at alpha 0.05: 0.01, 0.03 and 0.5."""
    figures = tuple(replace(QUIET, p=p) for p in (0.01, 0.03, 0.5))
    limits = Limits(rule=rule)  # type: ignore[arg-type]
    after, _ = judge((Standing(),) * 3, figures, limits, THRESHOLD, now=1, position=1_000)
    assert [place for place, one in enumerate(after) if one.severity == "page"] == pages
    small = tuple(replace(one, rows=500) for one in figures)
    after, _ = judge((Standing(),) * 3, small, limits, THRESHOLD, now=1, position=1_000)
    assert [place for place, one in enumerate(after) if one.severity == "warn"] == pages


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rule": "vibes"}, "vibes"),
        ({"warn_delta": 0.0}, "delta"),
        ({"page_delta": 0.6}, "delta"),
        ({"warn_delta": 0.06}, "warn_delta is above page_delta"),
        ({"run": 0}, "run"),
        ({"clear_distance": 0.2}, "clear ≤ page"),
        ({"page_distance": 1.5}, "page_distance"),
        ({"page_rows": -1}, "page_rows"),
        ({"cooldown": -1}, "cooldown"),
        ({"alpha": 1.0}, "alpha"),
        ({"psi_warn": 0.3}, "psi_warn"),
    ],
)
def test_limits_that_contradict_each_other_are_refused(change: dict[str, object], said: str) -> None:
    """The message names them."""
    with pytest.raises(DetectError, match=said):
        replace(LIMITS, **change)


def test_every_rule_is_known_and_auto_is_a_tolerance() -> None:
    """As policies may say."""
    for rule in RULES:
        assert Limits(rule=rule, warn_delta="auto", page_delta="auto").rule == rule


@pytest.mark.parametrize("rule", ["ks-bonferroni", "ks-benjamini-hochberg"])
def test_columns_that_are_ignored_are_in_no_correction(rule: Rule) -> None:
    """Five that drift, and are ignored for that, loosen no threshold for the others; nor are they counted."""
    ignored = [replace(QUIET, name=f"ignored{number}", p=0.0) for number in range(5)]
    # Of ten, five of them at 0, the sixth would pass at 0.03; of five the first needs 0.01.
    for p, wanted in ((0.02, None), (0.009, "page")):
        others = [replace(QUIET, name=f"f{number}", p=0.5) for number in range(4)]
        figures = [*ignored, replace(QUIET, name="age", p=p), *others]
        standings, changes = judge(
            [Standing()] * 10, figures, Limits(rule=rule), THRESHOLD, now=0.0, position=250,
            ignore={one.name for one in ignored},
        )  # fmt: skip
        assert [each.severity for each in standings] == [None] * 5 + [wanted] + [None] * 4
        assert [each.column for each in changes] == (["age"] if wanted else [])
