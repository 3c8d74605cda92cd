"""Drift detectors: how fast they count, how exact KS is, and what they say with and without drift.

Everything runs in this process on one core; rates are of processor time.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import ks_2samp

from harness.drift_rules import (
    PANE,
    WIDTH,
    Default,
    Evidently,
    Fixed,
    Judged,
    Policy,
    Tolerance,
    evidently_rate,
    fixed_rules,
    normal,
    watched,
)
from harness.report import Bar
from monitoring.detect.ks import bounds
from monitoring.detect.lines import Lines
from registry.reference import number_column
from tests.unit.monitoring.detect.drawn import DISTRIBUTIONS, drawn

Measured = tuple[list[dict[str, Any]], list[Bar]]
Told = Callable[[str], None]

RATE_GOAL = 1e6  # records a second a core
ERROR_GOAL = 0.001
DELAY_GOALS = {0.25: 2_000, 0.5: 500, 1.0: 250}
BLOCKS = (64, 256, 1024, 4096)
HORIZON = 160
"""Panes after which a drift that was not seen counts as missed: 40,000 records."""


def speed(rounds: int, told: Told) -> Measured:
    """Records a second: counted in blocks of several sizes; with everything that is done for a pane."""
    of = watched(0)
    rows: list[dict[str, Any]] = []
    rates: dict[int, float] = {}
    for size in BLOCKS:
        told(f"counting blocks of {size}")
        blocks = [normal(seed, size) for seed in range(max(2, 20_000 // size))]
        rates[size] = _rate(
            lambda blocks=blocks: [of.counter.count(block) for block in blocks], blocks, rounds
        )
        rows.append({"what": f"counted, blocks of {size:,}", "records_s": round(rates[size])})
    told("counting column by column")
    blocks = [normal(seed, 256) for seed in range(20)]

    def column_by_column() -> None:
        for block in blocks:
            for place, column in enumerate(of.columns):
                column.count(block[:, place])

    rows.append({
        "what": "counted by Column.count (searchsorted, bincount), blocks of 256",
        "records_s": round(_rate(column_by_column, blocks, rounds)),
    })  # fmt: skip
    bars: list[Bar] = []
    for size in (PANE, 1_000):
        told(f"panes of {size}")
        blocks = [normal(seed, size) for seed in range(max(4, 10_000 // size))]
        for what, policy in (
            ("e-detectors", Tolerance(of, 0.05)),
            ("e-detectors, window and judge", Judged(of, 4)),
        ):
            rate = _rate(
                lambda blocks=blocks, policy=policy: [policy.take(block) for block in blocks], blocks, rounds
            )
            rows.append({"what": f"counted, then {what}, panes of {size:,}", "records_s": round(rate)})
            if isinstance(policy, Tolerance):
                bars.append(
                    Bar(
                        f"counted, then e-detectors, panes of {size:,}, records a second a core",
                        rate,
                        "≥",
                        RATE_GOAL,
                    )
                )
    told("one report of Evidently")
    rows.append(
        {"what": "Evidently's report, a check a 1,000 records", "records_s": round(evidently_rate(of))}
    )
    worst = min(rate for size, rate in rates.items() if size >= 256)
    return rows, [
        Bar("counting, records a second a core, blocks of 256 to 4,096, slowest", worst, "≥", RATE_GOAL),
        *bars,
    ]


def _rate(work: Callable[[], object], blocks: list[np.ndarray], rounds: int) -> float:
    """Records a second of processor time, the median of the rounds."""
    work()
    records = sum(len(block) for block in blocks)
    found = []
    for _ in range(rounds):
        begin = time.process_time()
        work()
        found.append(records / (time.process_time() - begin))
    return statistics.median(found)


def exactness(told: Told) -> Measured:
    """The worst error of both KS bounds against scipy, a distribution a row: no drift, shifted, wider, far away."""
    rows, worst = [], 0.0
    for name in DISTRIBUTIONS:
        told(f"KS of {name}")
        reference = drawn(name, 50_000, 1)
        column = number_column(name, reference)
        lines = Lines([column])
        error = 0.0
        for seed, (scale, shift) in enumerate(((1, 0), (1, 0.1), (1, 0.5), (1.5, 0), (0.5, 0), (1, 1e6))):
            for rows_live in (250, 1_000, 10_000):
                live = drawn(name, rows_live, 100 + seed) * np.float32(scale) + np.float32(shift)
                truth = ks_2samp(reference, live, method="asymp").statistic
                found = bounds(lines, column.count(live))
                if not found.lower[0] - 1e-9 <= truth <= found.upper[0] + 1e-9:
                    raise AssertionError(f"{name}: {truth} is not within its bounds")
                error = max(error, truth - found.lower[0], found.upper[0] - truth)
        rows.append(
            {"what": f"KS of {name}", "bins": len(column.counts), "worst_error": round(float(error), 6)}
        )
        worst = max(worst, float(error))
    return rows, [
        Bar("KS against scipy, worst error of either bound, nine distributions", worst, "≤", ERROR_GOAL)
    ]


def policies(checks: int, trials: int, evidently_checks: int, told: Told) -> Measured:
    """Each policy on the same streams: false episodes without drift, records until a shift is seen."""
    of = watched(0)
    made: list[Callable[[], Policy]] = [
        *(lambda rule=rule: Fixed(of, rule) for rule in fixed_rules()),
        lambda: Evidently(of),
        lambda: Tolerance(of, 0.03), lambda: Tolerance(of, 0.05), lambda: Judged(of, 4),
        lambda: Default(of),
    ]  # fmt: skip
    episodes = _episodes(made, checks, evidently_checks, told)
    delays = {sigma: _delays(made, sigma, trials, told) for sigma in DELAY_GOALS}
    rows = []
    for make in made:
        policy = make()
        records, count = episodes[policy.name]
        row: dict[str, Any] = {
            "what": policy.name, "false_episodes": count, "checks": records // policy.every,
            "false_a_day": round(count / records * 1e6, 1),
        }  # fmt: skip
        for sigma, found in delays.items():
            row[f"{sigma:g}σ"] = _said(found[policy.name])
        rows.append(row)
    name = Tolerance(of, 0.03).name
    bars = [
        Bar(f"false pages in {checks:,} checks of {WIDTH} features", episodes[Judged(of, 4).name][1], "≤", 0),
        *(
            Bar(
                f"e-detector δ = 0.03: median records until {sigma:g} σ is seen",
                _median(found[name]),
                "≤",
                goal,
            )
            for (sigma, found), goal in zip(delays.items(), DELAY_GOALS.values(), strict=True)
        ),
    ]
    return rows, bars


def _episodes(
    made: list[Callable[[], Policy]], checks: int, evidently_checks: int, told: Told
) -> dict[str, tuple[int, int]]:
    """Policy → (records without drift, episodes: times that it began to alarm on any feature)."""
    alive = [make() for make in made]
    count = dict.fromkeys((policy.name for policy in alive), 0)
    firing = dict.fromkeys(count, False)
    records = dict.fromkeys(count, 0)
    for check in range(checks):
        if check % 500 == 0:
            told(f"no drift, check {check:,} of {checks:,}")
        block = normal(1_000_000 + check, PANE)
        for policy in alive:
            if isinstance(policy, Evidently) and check * PANE >= evidently_checks * policy.every:
                continue
            fired = policy.take(block)
            records[policy.name] += PANE
            if fired is not None:
                count[policy.name] += bool(fired.any()) and not firing[policy.name]
                firing[policy.name] = bool(fired.any())
    return {name: (records[name], count[name]) for name in count}


def _delays(made: list[Callable[[], Policy]], sigma: float, trials: int, told: Told) -> dict[str, np.ndarray]:
    """Policy → records [trials · features] from the shift to the first alarm of that feature; inf if missed.

    Each feature is a trial of its own. The shift begins where a fixed window begins, which favours those.
    Evidently's rule gets one trial, being slow.
    """
    found: dict[str, list[np.ndarray]] = {}
    for trial in range(trials):
        told(f"shift of {sigma:g} σ, trial {trial + 1} of {trials}")
        for make in made:
            policy = make()
            if isinstance(policy, Evidently) and trial:
                continue
            for check in range(0 if isinstance(policy, Fixed | Evidently) else 40):
                policy.take(normal(2_000_000 + 1_000 * trial + check, PANE))
            seen = np.full(WIDTH, np.inf)
            horizon = 16 if isinstance(policy, Evidently) else HORIZON
            for check in range(horizon):
                fired = policy.take(normal(3_000_000 + 1_000 * trial + check, PANE) + np.float32(sigma))
                if fired is not None:
                    seen = np.where(fired & np.isinf(seen), (check + 1) * PANE, seen)
                if np.isfinite(seen).all():
                    break
            found.setdefault(policy.name, []).append(seen)
    return {name: np.concatenate(each) for name, each in found.items()}


def _median(found: np.ndarray) -> float:
    """The middle one, missed ones being later than all."""
    return float(np.sort(found)[len(found) // 2])


def _said(found: np.ndarray) -> str:
    missed = float(np.isinf(found).mean())
    middle = _median(found)
    said = "never" if np.isinf(middle) else f"{middle:,.0f}"
    return said if missed in (0, 1) else f"{said} ({missed:.0%} missed)"
