"""What a service's traffic must be like once it is live: drift, answers, performance, groups, rollout.

Keys that came later than format 1 are declared by `later()`: absent, they are not in the canonical form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from .base import Count, Part, Positive, Share, later
from .gates import Metric, Protected

Delta = Annotated[float, Field(gt=0, le=0.5, allow_inf_nan=False)] | Literal["auto"]
"""Difference of distribution functions that does not matter; auto: the smallest that the reference supports."""
Minutes = Annotated[float, Field(ge=0, le=525_600, allow_inf_nan=False)]
Cause = Literal["prediction", "input", "performance", "slo"]
"""What a rollback may be for."""

Bound = Annotated[float, Field(ge=-3.4e38, le=3.4e38, allow_inf_nan=False)]
"""Of scores, which are float32."""

DISTANCE: Final = 0.10
"""`Drift.ks` where it is absent."""
INDEX: Final = 0.2
"""`Drift.psi` where it is absent."""


class Rule(Part):
    """How drift is told from chance."""

    detector: Literal["tolerance", "ks", "psi"] = "tolerance"
    """tolerance: an e-detector of differences beyond delta, which may look as often as it likes. ks, psi: a fixed
    threshold in each window, for those who must; it alarms falsely, or late (docs/drift-statistics.md)."""
    warn_delta: Delta = 0.03
    """tolerance: differences of distribution functions up to this never warn."""
    page_delta: Delta = 0.05
    """tolerance: and up to this never page."""
    checks_between_false_alarms: Annotated[int, Field(ge=100, le=10**9)] = 400_000
    """tolerance: mean number of checks of one service without drift until the first false alarm, at least."""
    window_rows: Annotated[int, Field(ge=100, le=10_000_000)] = 2000
    """Newest rows that distances are computed of, at least; whole panes."""
    clear_ks: Share = 0.05
    """An alarm ends when the upper bound of the distance is below this …"""
    clear_windows: Count = 3
    """… in so many windows in a row that share no row."""
    p_value: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """ks: of all features together, after the correction."""
    correction: Literal["bonferroni", "benjamini-hochberg"] = "bonferroni"
    """ks: for looking at many features."""
    ignore: tuple[str, ...] = ()
    """Features that are shown and never alarm."""


class Rollback(Part):
    """When the controller goes back to the last approved digest by itself."""

    causes: Annotated[tuple[Cause, ...], Field(min_length=1)] = ("prediction",)
    """Another model mends neither its input nor a slow machine by itself: `input` and `slo` are for those who know that
    it does. Of `slo`, latency, confidence and scores are computed again; nothing of `performance` is: people decide."""
    cooldown_minutes: Minutes = 30
    """After a rollback, whoever's, how long nothing is rolled back by itself. Not after a deployment, as a bad version
    shows in the minutes after it."""
    maximum_per_day: Count = 3
    """Rollbacks of the service in any 24 hours."""
    dry_run: bool = False
    """Decide and say so; append nothing."""


class Drift(Part):
    """Limits that the monitor holds live traffic to."""

    psi: Positive | None = None
    """Population stability index of a feature or the score from which detector psi pages; 0.2 when absent."""
    ks: Share | None = None
    """Kolmogorov–Smirnov distance whose lower bound a page needs; 0.10 when absent."""
    minimum_rows: Count = 1000
    """Fewer rows in a window never page."""
    rule: Rule | None = later()
    """How drift is told from chance; when absent the defaults, with deltas as small as each reference supports."""
    rollback: Rollback | None = later()
    """Absent: nothing is rolled back by itself."""
    retrain: bool | None = later()
    """Whether a page asks for retraining: an event in the governance log, and the webhook."""


class Confidence(Part):
    """Share of predictions of which the model is sure."""

    at_least: Annotated[float, Field(gt=0.5, le=1)]
    """A prediction is confident when its largest class probability is at or above this."""
    share: Share
    """That must be."""


class Scores(Part):
    """Share of scores that lie in an interval, of each of the model's outputs."""

    between: tuple[Bound, Bound]
    """Its ends, which belong to it. What is no number lies in no interval. Scores are counted by the bins of the
    package's reference, and a bin with any place inside counts as inside: an end beyond all scores of the reference
    is not held (docs/alerts.md)."""
    share: Share
    """That must be."""

    @model_validator(mode="after")
    def _rises(self) -> Self:
        low, high = self.between
        if low >= high:
            raise ValueError(f"between: {low:g} is not below {high:g}")
        return self


class Slo(Part):
    """Limits of the answers themselves."""

    p99_milliseconds: Positive | None = None
    """Of requests, over a window."""
    errors: Share | None = None
    """Share of requests that may fail."""
    refusals: Share | None = later()
    """Share of requests that may be refused for what they ask (status 4xx)."""
    confidence: Confidence | None = later()
    """Share of confident predictions."""
    scores: Scores | None = later()
    """Share of scores in an interval."""
    period_days: Annotated[float, Field(gt=0, le=366)] | None = later()
    """Over which the shares are promised: what a burn rate is a rate of; 30 when absent."""


class LiveLimit(Part):
    """What a metric of labelled predictions must hold."""

    minimum: float | None = Field(default=None, allow_inf_nan=False)
    """The interval's optimistic end must be at least this, else it pages."""
    maximum: float | None = Field(default=None, allow_inf_nan=False)
    """For errors (brier, mae, rmse): the interval's optimistic end must be at most this."""
    worse_than_before_by: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Against the package before on the same requests (a shadow): the paired interval must not lie beyond this."""

    @model_validator(mode="after")
    def _limited(self) -> Self:
        if self.minimum is None and self.maximum is None and self.worse_than_before_by is None:
            raise ValueError("a metric needs minimum, maximum or worse_than_before_by")
        return self


class Performance(Part):
    """What labels say, by when the prediction was made."""

    metrics: Mapping[Metric, LiveLimit] = Field(min_length=1)
    """By the metric's name."""
    cohort_hours: Annotated[float, Field(gt=0, le=8760)] = 24
    """Predictions of so long are judged together."""
    minimum_labels: Count = 200
    """Fewer in a cohort are shown, and not judged."""
    coverage: Share | None = None
    """Share of a cohort that must have labels …"""
    coverage_after_hours: Annotated[float, Field(gt=0, le=87_600)] = 168
    """… so long after its end."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """Of the two-sided intervals."""


class LiveFairness(Part):
    """Decisions about live traffic, by group. Only these attributes are looked at."""

    attributes: tuple[Protected, ...] = Field(min_length=1)
    """Columns of the model's input."""
    favourable: Literal["positive", "negative"] = "negative"
    """The decision that people want."""
    minimum_group: Count = 100
    """Smaller groups are counted, and not judged."""
    demographic_parity_difference: Share | None = None
    """Largest difference of the groups' rates of the favourable decision."""
    demographic_parity_ratio: Share | None = None
    """Smallest rate over the largest."""
    error_rate_difference: Share | None = None
    """Largest difference of the groups' true or false positive rates, with labels."""


class Rollout(Part):
    """When a canary's steps move on by themselves: once its comparison with live is shown to hold."""

    errors_worse_by: Share = 0.01
    """Share of failed requests that it may have more than live."""
    slower_by: Positive = 1.25
    """Its median latency over live's, at most."""
    ks: Share = 0.10
    """Distance of the two slots' scores that does not matter, of each score."""
    false_stop: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    """Probability that a canary as good as live is ever turned back, however often it is looked at."""
    minimum_requests: Count = 200
    """Of the canary, before a step moves on; what is to be shown mostly takes more (docs/rollouts.md)."""
    false_move: Annotated[float, Field(gt=0, lt=0.5)] | None = later()
    """Probability that a canary beyond any of these limits is ever moved on; 0.05 when absent."""
    refusals_worse_by: Share | None = later()
    """Share of requests refused for what they ask (status 4xx) that it may have more than live; 0.02 when absent."""
    p99_slower_by: Positive | None = later()
    """Its 99th percentile of latency over live's, at most; 2.5 when absent."""
    unsure_worse_by: Share | None = later()
    """Share of predictions below `slo.confidence.at_least` that it may have more than live; 0.10 when absent. Without
    that objective it is not asked."""
    give_up_after_hours: Annotated[float, Field(gt=0, le=8760, allow_inf_nan=False)] | None = later()
    """How long a step whose time has come is waited for; then the canary is taken back. 168, a week, when absent."""
