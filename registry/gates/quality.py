"""Quality: metrics of a hold-out with bootstrap confidence intervals, a limit for each, and not worse than live."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from registry.package import Package
from registry.policy.gates import LOWER_IS_BETTER, MetricLimit, Quality

from .base import CannotJudge, Datasets, Outcome, Scored, score
from .metrics import metric
from .overlap import seen

NEEDS = ("the hold-out with its target",)

SEED = 0
"""Of the resampling: the same data gives the same interval."""


def judge(package: Package, datasets: Datasets, limits: Quality) -> Outcome:
    """See the module. The interval's pessimistic end is what a minimum or a maximum is held against."""
    import scipy

    trained = package.lineage.get("training_table", {})
    if isinstance(trained, dict) and str(trained.get("sha256", "")).endswith(datasets.rows.sha256):
        raise CannotJudge("the hold-out is the table that the model was trained on")
    scored = score(package, datasets)
    if len(scored.truth) < limits.minimum_rows:
        raise CannotJudge(f"the hold-out has {len(scored.truth)} rows; {limits.minimum_rows} are needed")
    live = None if datasets.live is None else score(datasets.live, datasets)
    figures: dict[str, object] = {"rows": len(scored.truth)}
    failures: list[str] = []
    if (share := _seen(datasets, limits.seen_in_training)) is not None:
        figures["seen_in_training"] = share
        if limits.seen_in_training is not None and not share <= limits.seen_in_training:
            failures.append(
                f"{share:.1%} of the hold-out's rows stand in the training table; {limits.seen_in_training:.1%} may"
            )
    for name, limit in limits.metrics.items():
        value = metric(name, scored)
        low, high = interval(name, scored, limits)
        found = {"value": value, "low": low, "high": high}
        if limit.worse_than_live_by is not None and live is not None:
            worse_low, worse_high = paired(name, live, scored, limits)
            found |= {
                "live": metric(name, live),
                "worse": worse_than(name, live, scored),
                "worse_low": worse_low,
                "worse_high": worse_high,
            }
        figures[name] = found
        failures += _failures(name, limit, found)
    return Outcome(tuple(failures), figures, {"numpy": np.__version__, "scipy": scipy.__version__})


def _seen(datasets: Datasets, limit: float | None) -> float | None:
    """The share of rows that the model has seen; None where nobody can tell, which a limit does not allow."""
    share = None if datasets.training is None else seen(datasets.rows, datasets.training)
    if share is None and limit is not None:
        raise CannotJudge(
            "seen_in_training: no training table was given, or none with a column of the hold-out"
        )
    return share


def interval(name: str, scored: Scored, limits: Quality) -> tuple[float, float]:
    """The percentile bootstrap over rows (Efron and Tibshirani 1993, section 13.3).

    Raises:
        CannotJudge: a resample has no value (one class alone), so the hold-out is too small for the metric.
    """
    return _bootstrap(lambda places: metric(name, _of(scored, places)), len(scored.truth), limits)


def worse_than(name: str, live: Scored, scored: Scored) -> float:
    """By how much the metric is worse than live's: below 0 where it is better."""
    difference = metric(name, live) - metric(name, scored)
    return -difference if name in LOWER_IS_BETTER else difference


def paired(name: str, live: Scored, scored: Scored, limits: Quality) -> tuple[float, float]:
    """The interval of `worse_than`, of both packages on the same rows: each resample draws rows, and both are asked of
    them, so that what makes a row hard for both does not widen it. The percentile bootstrap of that difference.

    Raises:
        CannotJudge: as `interval`.
    """
    return _bootstrap(
        lambda places: worse_than(name, _of(live, places), _of(scored, places)), len(scored.truth), limits
    )


def _of(scored: Scored, places: NDArray[np.int64]) -> Scored:
    return Scored(scored.signature, scored.scores[places], scored.truth[places])


def _bootstrap(
    statistic: Callable[[NDArray[np.int64]], float], rows: int, limits: Quality
) -> tuple[float, float]:
    from scipy.stats import bootstrap

    found = bootstrap(
        (np.arange(rows),),
        statistic,
        vectorized=False,
        method="percentile",
        n_resamples=limits.resamples,
        confidence_level=limits.confidence,
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return float(found.low), float(found.high)


def _failures(name: str, limit: MetricLimit, found: dict[str, float]) -> list[str]:
    failures = []
    span = f"{found['value']:.4f} [{found['low']:.4f}, {found['high']:.4f}]"
    if limit.minimum is not None and not found["low"] >= limit.minimum:
        failures.append(f"{name} is {span}; its lower end must be at least {limit.minimum:g}")
    if limit.maximum is not None and not found["high"] <= limit.maximum:
        failures.append(f"{name} is {span}; its upper end must be at most {limit.maximum:g}")
    if limit.worse_than_live_by is not None and "live" in found:
        worse, high = found["worse"], found["worse_high"]
        told = f"{name} is {worse:.4f} [{found['worse_low']:.4f}, {high:.4f}] worse than live ({found['live']:.4f})"
        if limit.worse_than_live_surely and not high <= limit.worse_than_live_by:
            failures.append(f"{told}; its upper end must be at most {limit.worse_than_live_by:g}")
        elif not worse <= limit.worse_than_live_by:
            failures.append(f"{told}; {limit.worse_than_live_by:g} is allowed")
    return failures
