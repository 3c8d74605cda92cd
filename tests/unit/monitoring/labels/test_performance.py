"""Metrics against scikit-learn's, intervals against what they promise, cohorts, and the paired comparison."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as theirs
from numpy.typing import NDArray

from monitoring.intervals import at_all_times, quantile, resampled, wilson
from monitoring.labels import HOUR, Estimate, Joined, Task, cohorts, compare
from monitoring.labels.metrics import BINS, calibration, measured
from monitoring.labels.performance import estimates
from tests.unit.monitoring.labels.streams import START

BINARY = Task("binary", ("good", "bad"), 0.4)
THREE = Task("multiclass", ("a", "b", "c"))
NUMBER = Task("regression")


def joined(
    task: Task, scores: Any, truth: Any, *, time: Any = None, known: Any = None, asked: Any = None
) -> Joined:
    """Rows as the join gives them, a request each, a second apart."""
    rows = np.asarray(scores, np.float32)
    rows = rows if rows.ndim == 2 else rows[:, None]
    count = len(rows)
    times = START + np.arange(count, dtype=np.int64) * 10**9 if time is None else np.asarray(time, np.int64)
    truths = np.asarray(truth, np.float64)
    late = np.where(np.isnan(truths), 0, times + HOUR)
    return Joined(
        task, (), times, rows, truths, late if known is None else np.asarray(known, np.int64),
        np.empty((count, 0), np.int16),
        np.asarray(range(count) if asked is None else asked, np.uint64),
        np.zeros(count, np.int64), 0, 0,
    )  # fmt: skip


def draw(seed: int, rows: int, task: Task = BINARY) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Scores that say something about the truth, with ties."""
    random = np.random.default_rng(seed)
    if task.kind == "regression":
        truth = random.normal(size=rows)
        return (truth + random.normal(scale=0.5, size=rows)).astype(np.float32)[:, None], truth
    if task.kind == "multiclass":
        scores = random.dirichlet((1, 1, 1), rows).astype(np.float32)
        return scores, np.array(
            [random.choice(3, p=one / one.sum()) for one in scores.astype(np.float64)], float
        )
    scores = random.beta(1.2, 1.5, rows).round(2).astype(np.float32)
    return scores[:, None], (random.random(rows) < 0.15 + 0.6 * scores).astype(np.float64)


@pytest.mark.parametrize("seed", range(3))
def test_metrics_of_a_binary_model_are_scikit_learns(seed: int) -> None:
    """All of them, ties and all."""
    scores, truth = draw(seed, 500)
    found = {name: one.value for name, one in measured(BINARY, scores, truth).items()}
    said = scores[:, 0] >= np.float32(0.4)
    p = scores[:, 0].astype(np.float64)
    assert found == pytest.approx(
        {
            "auc": theirs.roc_auc_score(truth, p),
            "accuracy": theirs.accuracy_score(truth, said),
            "balanced_accuracy": theirs.balanced_accuracy_score(truth, said),
            "precision": theirs.precision_score(truth, said),
            "recall": theirs.recall_score(truth, said),
            "f1": theirs.f1_score(truth, said),
            "brier": theirs.brier_score_loss(truth, p),
            "log_loss": theirs.log_loss(truth, np.clip(p, 1e-7, 1)),
        },
        rel=1e-6,
    )


def test_metrics_of_other_models_are_scikit_learns() -> None:
    """Multiclass and regression."""
    scores, truth = draw(0, 400, THREE)
    found = {name: one.value for name, one in measured(THREE, scores, truth).items()}
    right = np.eye(3)[truth.astype(int)]
    shares = scores / scores.sum(axis=1, keepdims=True)
    assert found == pytest.approx(
        {
            "accuracy": theirs.accuracy_score(truth, scores.argmax(axis=1)),
            "balanced_accuracy": theirs.balanced_accuracy_score(truth, scores.argmax(axis=1)),
            "brier": ((shares - right) ** 2).sum(axis=1).mean(),
            "log_loss": theirs.log_loss(truth, shares),
        },
        rel=1e-5,
    )
    given, value = draw(1, 400, NUMBER)
    regression = {name: one.value for name, one in measured(NUMBER, given, value).items()}
    assert regression == pytest.approx(
        {
            "mae": theirs.mean_absolute_error(value, given[:, 0]),
            "rmse": theirs.root_mean_squared_error(value, given[:, 0]),
            "bias": (given[:, 0] - value).mean(),
        },
        rel=1e-6,
    )


def test_the_influence_of_a_row_is_what_the_metric_moves_by_without_it() -> None:
    """For every metric: the jackknife, which knows no formula, agrees."""
    for task in (BINARY, THREE, NUMBER):
        scores, truth = draw(3, 300, task)
        whole = measured(task, scores, truth)
        for place in (0, 57, 211):
            left = measured(task, np.delete(scores, place, 0), np.delete(truth, place))
            for name, one in whole.items():
                moved = (one.value - left[name].value) * (len(truth) - 1)
                assert moved == pytest.approx(one.influence[place], abs=0.02), (name, place)
        assert all(abs(one.influence.mean()) < 1e-9 for one in whole.values())


def test_the_interval_of_the_auc_is_delongs() -> None:
    """By the formula of the paper, with its sums."""
    scores, truth = draw(4, 300)
    ones, zeros = scores[truth == 1, 0], scores[truth == 0, 0]
    wins = (ones[:, None] > zeros).astype(float) + (ones[:, None] == zeros) / 2
    variance = wins.mean(axis=1).var(ddof=1) / len(ones) + wins.mean(axis=0).var(ddof=1) / len(zeros)
    found = estimates(joined(BINARY, scores, truth), np.arange(300), 0.95)["auc"]
    assert (found.interval.high - found.interval.low) / 2 == pytest.approx(
        1.959964 * math.sqrt(variance), rel=0.01
    )


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """120 draws of 300 rows: about nine in ten intervals of 90 % do. The truth is that of a million rows."""
    many = measured(BINARY, *draw(99, 1_000_000))
    hits = dict.fromkeys(many, 0)
    for seed in range(120):
        scores, truth = draw(1000 + seed, 300)
        found = estimates(joined(BINARY, scores, truth), np.arange(300), 0.9)
        for name, one in many.items():
            low, high = found[name].interval
            hits[name] += low <= one.value <= high
    assert all(97 <= count <= 118 for count in hits.values()), hits


def test_calibration_is_the_distance_of_what_was_said_from_what_came() -> None:
    """By hand in each bin; 0 when it is right, its interval says how far chance goes."""
    scores, truth = draw(5, 2000)
    found = calibration(BINARY, scores, truth)
    assert found is not None
    p, total = scores[:, 0].astype(np.float64), 0.0
    for at in range(BINS):
        inside = (p * BINS).astype(int).clip(0, BINS - 1) == at
        total += inside.mean() * abs(p[inside].mean() - truth[inside].mean()) if inside.any() else 0
    assert found[0] == pytest.approx(total)
    estimate = estimates(joined(BINARY, scores, truth), np.arange(2000), 0.95)["ece"]
    assert estimate.interval.low < found[0] < estimate.interval.high
    perfect = calibration(THREE, np.eye(3, dtype=np.float32), np.array([0.0, 1, 2]))
    assert perfect is not None
    assert perfect[0] == 0
    assert calibration(NUMBER, scores, truth) is None


def test_what_is_not_defined_is_not_told() -> None:
    """One class alone, no threshold, nothing decided positive."""
    ones = measured(BINARY, np.full((9, 1), 0.1, np.float32), np.zeros(9))
    assert set(ones) == {"accuracy", "brier", "log_loss"}
    assert set(measured(Task("binary", ("a", "b")), *draw(0, 50))) == {"auc", "brier", "log_loss"}
    assert estimates(joined(BINARY, [0.1], [math.nan]), np.arange(0), 0.95) == {}


def test_a_cohort_without_a_positive_row_has_no_f1_and_stops_nobody() -> None:
    """Though the model has found some: a monitor that ended at it would end at it again."""
    (cohort,) = cohorts(joined(BINARY, [0.9, 0.1], [0, 0]), HOUR)
    assert cohort.metrics["precision"].value == 0
    assert not {"f1", "recall", "auc", "balanced_accuracy"} & set(cohort.metrics)


def test_a_perfect_auc_of_few_rows_is_no_certainty() -> None:
    """Its interval is that of the smaller class."""
    found = estimates(joined(BINARY, [0.9, 0.8, *[0.1] * 40], [1, 1, *[0] * 40]), np.arange(42), 0.95)["auc"]
    assert found == Estimate(1.0, wilson(2, 2, 0.95), 42)
    assert found.interval.low < 0.4


@pytest.mark.parametrize(
    ("count", "rows", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)]
)
def test_wilsons_intervals_are_those_of_the_literature(
    count: int, rows: int, low: float, high: float
) -> None:
    """The third is Newcombe's example (Statistics in Medicine 17, 1998)."""
    assert wilson(count, rows, 0.95) == pytest.approx((low, high), abs=1e-4)


def test_cohorts_are_by_the_time_of_the_prediction() -> None:
    """Coverage, delays and metrics of each; what has no finite answer is in no metric."""
    time = START + np.array([0, 1, HOUR - 1, HOUR, 2 * HOUR, 2 * HOUR])
    known = [START + 10 * 10**9, 0, START + HOUR, START, START + 3 * HOUR, START + 3 * HOUR]
    rows = joined(
        BINARY, [0.1, 0.9, 0.9, 0.9, math.nan, 0.1], [0, math.nan, 1, 1, 1, 1], time=time, known=known
    )
    first, second, third = cohorts(rows, HOUR)
    assert [
        (one.start - START, one.end - one.start, one.rows, one.labelled, one.unscored)
        for one in (first, second, third)
    ] == [(0, HOUR, 3, 2, 0), (HOUR, HOUR, 1, 1, 0), (2 * HOUR, HOUR, 2, 2, 1)]
    assert first.metrics["accuracy"] == Estimate(1.0, wilson(2, 2, 0.95), 2)
    assert first.coverage == wilson(2, 3, 0.95)
    assert first.delays[0.5] == pytest.approx(5.0, abs=1e-6)
    assert second.delays == {0.5: 0.0, 0.9: 0.0, 0.99: 0.0}
    assert third.metrics["accuracy"].value == 0.0
    assert cohorts(rows, HOUR, since=START + HOUR + 5) == [second, third]
    assert cohorts(joined(BINARY, np.empty((0, 1)), []), HOUR) == []


def test_the_difference_of_two_packages_is_paired() -> None:
    """Of a model that is worse on the same rows: narrower than the interval of either, and not around 0."""
    scores, truth = draw(6, 2000)
    random = np.random.default_rng(7)
    noisy = np.clip(scores + random.normal(scale=0.2, size=scores.shape), 0, 1).astype(np.float32)
    live, shadow = joined(BINARY, scores, truth), joined(BINARY, noisy, truth)
    found = compare(shadow, live)
    assert (found.rows, found.labelled) == (2000, 2000)
    auc = found.differences["auc"]
    assert auc.value == pytest.approx(
        theirs.roc_auc_score(truth, noisy) - theirs.roc_auc_score(truth, scores)
    )
    apart = estimates(live, np.arange(2000), 0.95)["auc"].interval
    assert auc.interval.high - auc.interval.low < apart.high - apart.low
    assert auc.interval.low < auc.value < auc.interval.high < 0
    brier = found.differences["brier"]
    gaps = (noisy[:, 0] - truth) ** 2 - (scores[:, 0] - truth) ** 2
    half = 1.959964 * gaps.std(ddof=1) / math.sqrt(2000)
    assert (brier.interval.low, brier.interval.high) == pytest.approx(
        (gaps.mean() - half, gaps.mean() + half), abs=1e-6
    )
    same = compare(live, live).differences["auc"]
    assert (same.value, same.interval) == (0.0, (0.0, 0.0))


def test_only_rows_that_both_have_answered_are_compared() -> None:
    """Of labelled requests, once each, in the time that is asked for."""
    nan = math.nan
    live = joined(BINARY, [0.1, 0.2, 0.3, 0.4, 0.5], [0, 1, nan, 1, 1], asked=[1, 2, 3, 4, 4])
    shadow = joined(BINARY, [0.9, 0.8, 0.7, 0.6], [1, nan, 0, 1], asked=[2, 3, 1, 4])
    found = compare(shadow, live)
    assert (found.rows, found.labelled) == (3, 2)
    assert found.differences["brier"].after == pytest.approx(((0.9 - 1) ** 2 + 0.7**2) / 2)
    assert found.differences["brier"].before == pytest.approx(((0.2 - 1) ** 2 + 0.1**2) / 2)
    assert compare(shadow, live, until=START).rows == 0
    assert compare(shadow, live, since=START + 1).rows == 2
    with pytest.raises(ValueError, match="different tasks"):
        compare(joined(NUMBER, [1.0], [1.0]), live)


def test_the_interval_of_the_calibration_is_of_a_share() -> None:
    """However sure it has to be, and few the rows: of what is right, and of what is wrong."""
    for came, end in (([0, 0, 1, 1] * 3, 0), ([1, 1, 0, 0] * 3, 1)):
        of = joined(BINARY, np.array([0.0, 0.3, 0.7, 1.0] * 3, np.float32), np.array(came, np.float64))
        interval = estimates(of, np.arange(12), 0.999999)["ece"].interval
        assert end in interval
        assert 0 <= interval.low < interval.high <= 1


def test_an_interval_beyond_what_resamples_show_is_wider_than_all_of_them() -> None:
    """By the standard error: of a mean that is known."""
    rows = np.random.default_rng(1).normal(size=500)

    def mean(places: NDArray[np.intp]) -> float:
        return float(rows[places].mean())

    error = rows.std(ddof=1) / math.sqrt(500)
    for confidence in (0.99, 0.9999, 0.9999999):
        low, high = resampled(mean, 500, confidence)
        half = quantile(confidence) * error
        assert (rows.mean() - low, high - rows.mean()) == pytest.approx((half, half), rel=0.1)


def test_a_calibration_error_at_its_limit_is_left_alone_at_all_looks_at_it() -> None:
    """What was said is 0.05 less than what came, in each bin; by the ends of 200 resamples 19 of 20 were left."""
    left = 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        said = random.uniform(0, 0.94, 1500)
        came = (random.random(1500) < said + 0.05).astype(np.float64)
        of = joined(BINARY, said.astype(np.float32), came)
        left += any(
            estimates(of, np.arange(rows), at_all_times(0.95, rows, 200))["ece"].interval.low > 0.05
            for rows in (200, 300, 450, 700, 1000, 1500)
        )
    assert left <= 2
