"""The gates' thresholds, one section a gate. A gate whose section is absent is not asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from audit.errors import KeyRefused
from registry.signing.keys import MAX_KEY, public_key

from .base import Count, Part, Positive, Share, later

Metric = Literal["auc", "accuracy", "balanced_accuracy", "precision", "recall", "f1", "brier", "mae", "rmse"]
LOWER_IS_BETTER: Final[frozenset[str]] = frozenset({"brier", "mae", "rmse"})


class MetricLimit(Part):
    """What a metric of the hold-out must reach."""

    minimum: float | None = Field(default=None, allow_inf_nan=False)
    """The interval's pessimistic end must be at least this."""
    maximum: float | None = Field(default=None, allow_inf_nan=False)
    """For errors (brier, mae, rmse): the interval's pessimistic end must be at most this."""
    worse_than_live_by: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """The metric may be this much worse than that of the package that is live, on the same rows."""
    worse_than_live_surely: bool | None = later()
    """Whether the pessimistic end of the paired interval is held against that, in place of the measured difference: it
    must be sure that it is not worse by more. Absent: the interval is shown."""

    @model_validator(mode="after")
    def _limited(self) -> Self:
        if self.minimum is None and self.maximum is None and self.worse_than_live_by is None:
            raise ValueError("a metric needs minimum, maximum or worse_than_live_by")
        if self.worse_than_live_surely is not None and self.worse_than_live_by is None:
            raise ValueError("worse_than_live_surely is of worse_than_live_by, which is not there")
        return self


class Quality(Part):
    """Metrics of a hold-out with bootstrap confidence intervals."""

    metrics: Mapping[Metric, MetricLimit] = Field(min_length=1)
    """By the metric's name."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    """Of the two-sided intervals."""
    resamples: Annotated[int, Field(ge=100, le=100_000)] = 1000
    """Of the bootstrap."""
    minimum_rows: Count = 100
    """Fewer rows in the hold-out fail the gate."""
    seen_in_training: Share | None = later()
    """Largest share of the hold-out's rows that may stand in the training table too, which then must be given. Absent:
    the share is shown where the training table is given; the table itself as the hold-out fails in any case."""

    @model_validator(mode="after")
    def _directions(self) -> Self:
        for name, limit in self.metrics.items():
            wrong = "minimum" if name in LOWER_IS_BETTER else "maximum"
            if getattr(limit, wrong) is not None:
                raise ValueError(f"{name} has no {wrong}: it is better when it is {_better(name)}")
        return self


def _better(name: str) -> str:
    return "lower" if name in LOWER_IS_BETTER else "higher"


class Protected(Part):
    """An attribute by which people are told apart: a column of the hold-out, in the model or not."""

    column: Annotated[str, Field(min_length=1)]
    """Its name."""
    edges: tuple[float, ...] = ()
    """For a numeric column: where one group ends and the next begins; a group has its lower edge in it."""


class Fairness(Part):
    """Of decisions (by the package's threshold and positive class), not of scores, by group."""

    attributes: tuple[Protected, ...] = Field(min_length=1)
    """Each is judged by itself."""
    intersections: bool = False
    """Judge all attributes together as well."""
    favourable: Literal["positive", "negative"] = "negative"
    """The decision that people want; in credit the positive class is "bad", so it is the negative one."""
    minimum_group: Count = 30
    """Smaller groups are shown, and not judged."""
    unjudged: Literal["tell", "fail"] | None = later()
    """What becomes of a hold-out with groups that are too small to be judged: they are told beside the figures (absent:
    the same), or the gate fails, until there are rows enough or `edges` that put them with others."""
    demographic_parity_difference: Share | None = None
    """Largest difference of the groups' rates of the favourable decision."""
    demographic_parity_ratio: Share | None = None
    """Smallest rate over the largest: the four-fifths rule asks for 0.8."""
    disparate_impact: Share | None = None
    """Each group's rate over that of the most numerous group, smallest of them."""
    equalized_odds_difference: Share | None = None
    """Largest difference of the groups' true or false positive rates."""

    @model_validator(mode="after")
    def _limited(self) -> Self:
        limits = (
            self.demographic_parity_difference, self.demographic_parity_ratio,
            self.disparate_impact, self.equalized_odds_difference,
        )  # fmt: skip
        if all(limit is None for limit in limits):
            raise ValueError("fairness needs at least one limit")
        for attribute in self.attributes:
            if list(attribute.edges) != sorted(set(attribute.edges)):
                raise ValueError(f"the edges of {attribute.column!r} do not rise")
        return self


class Privacy(Part):
    """Personal data in column names and text columns, found by Presidio's recognisers."""

    allowed: tuple[str, ...] = ()
    """Entities that may be there, such as DATE_TIME."""
    columns_allowed: tuple[str, ...] = ()
    """Columns that may hold personal data, each of which somebody has looked at."""
    sample_rows: Count = 1000
    """Rows that are looked at, evenly spread; all when there are fewer."""
    score: Share = 0.5
    """Findings below this score are not counted; telephone numbers are from 0.4 on, as Presidio scores them."""
    require_ner: bool = False
    """Patterns find no names of people: a model for that must run, too, or the gate fails."""


class DataContract(Part):
    """The hold-out keeps to the schema: columns, types, categories, missing values, ranges; and to a suite."""

    out_of_range: Share = 0.01
    """Share of a column's values that may lie outside its training range."""
    unknown_categories: Share = 0.0
    """Share of a column's values that may be categories which the package does not have."""
    suite: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None
    """The SHA-256 of a Great Expectations suite's file (`sha256sum`): it must be given, and each of its expectations
    must hold. A suite that is given without being asked for here must hold, too."""


class Documentation(Part):
    """What people must have written about the model."""

    required: tuple[str, ...] = ("purpose", "owners", "bias_notes", "privacy_flags", "data_sheet")
    """Keys that must be there and not be empty."""
    minimum_characters: Count = 20
    """Of each text; `owners` needs one name."""


class Explanation(Part):
    """Contributions are there and add up to the model's margin."""

    tolerance: Positive = 1e-4
    """Largest difference of a row's sum from its margin."""
    rows: Count = 100
    """Rows of the hold-out that are explained."""


class Robustness(Part):
    """Missing and extreme inputs get a finite answer."""

    rows: Count = 50
    """Rows of the hold-out, each changed in one column at a time."""
    decisions_changed: Share | None = None
    """Share of decisions that a missing value in one column may turn, for the worst column."""


class Latency(Part):
    """How long one prediction takes in process, with one thread."""

    p99_milliseconds: Positive
    """Of single rows."""
    calls: Annotated[int, Field(ge=100, le=100_000)] = 500
    """That are timed."""


class Size(Part):
    """How large the package may be."""

    megabytes: Positive
    """All parts; 10^6 bytes."""


Origin = Literal[
    "git commit", "run of ingestion", "run of preprocessing", "run of training", "training image",
    "training command", "locked requirements",
]  # fmt: skip
"""What the lineage of a package may have as unknown."""


class Lineage(Part):
    """None of the package's data is deprecated, and where it came from is known."""

    known: tuple[Origin, ...] = ()
    """What the lineage must not have as unknown."""
    clean: bool = False
    """Whether a package fails that was made from a work tree with changes that no commit has."""


def _key(text: str) -> str:
    """A key that cannot be used makes no policy. Raises ValueError."""
    try:
        public_key(text.encode(), "the key")
    except KeyRefused as error:
        raise ValueError(str(error)) from error
    return text


class ModelSigning(Part):
    """The package has an OpenSSF model signature by a key that the policy names."""

    public_keys: Annotated[
        tuple[Annotated[str, Field(max_length=MAX_KEY), AfterValidator(_key)], ...],
        Field(min_length=1, max_length=16),
    ]
    """In PEM, on P-256, P-384 or P-521. A signature by any of them is enough."""
    required: bool = True
    """Whether a package without a signature fails. Else only one fails that has signatures of which none holds; and
    whoever can write to the store can take signatures away."""


class DriftGate(Part):
    """The hold-out or recent traffic, and the answers to it, are distributed as the package's own reference says."""

    ks: Share = 0.05
    """Kolmogorov–Smirnov distance of a column that may be there beyond what chance explains."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.99
    """Of all columns together: how sure one must be that a distance is larger."""
    minimum_rows: Count = 100
    """Fewer rows in the hold-out, or of traffic, fail the gate."""
    ignore: tuple[str, ...] = ()
    """Columns that are shown, and not judged."""
    rows_of: Literal["holdout", "traffic", "both"] | None = later()
    """What is judged; absent: the hold-out. Traffic is what the service was asked, out of the log."""
    traffic_rows: Count | None = later()
    """Fewer rows of traffic fail the gate; absent: `minimum_rows`. So many are read when nobody says which."""
    traffic_hours: Positive | None = later()
    """No older traffic is judged: the oldest answer was logged so long before it was read, at most. Absent: any."""
    traffic_unread: Share | None = later()
    """Share of the answers in the ranges whose inputs may be gone (erased, encrypted, …); absent: 0.05."""

    @property
    def holdout(self) -> bool:
        """Whether the hold-out is judged."""
        return self.rows_of in (None, "holdout", "both")

    @property
    def traffic(self) -> bool:
        """Whether recent traffic is judged."""
        return self.rows_of in ("traffic", "both")

    @property
    def least_traffic(self) -> int:
        """Rows of traffic that are needed."""
        return self.minimum_rows if self.traffic_rows is None else self.traffic_rows

    @model_validator(mode="after")
    def _of_traffic(self) -> Self:
        given = [
            name
            for name in ("traffic_rows", "traffic_hours", "traffic_unread")
            if getattr(self, name) is not None
        ]
        if given and not self.traffic:
            raise ValueError(f"{given[0]} is of recent traffic, which rows_of does not ask for")
        return self


class GatesPolicy(Part):
    """The gates that must pass."""

    documentation: Documentation | None = None
    """What people must have written."""
    lineage: Lineage | None = None
    """None of its data is deprecated, and where it came from is known."""
    model_signing: ModelSigning | None = later()
    """Who made it, by an OpenSSF model signature."""
    size: Size | None = None
    """How large it may be."""
    data_contract: DataContract | None = None
    """The hold-out keeps to the package's schema."""
    privacy: Privacy | None = None
    """No personal data in names and texts."""
    quality: Quality | None = None
    """Metrics of the hold-out."""
    fairness: Fairness | None = None
    """Decisions by group."""
    explanation: Explanation | None = None
    """Contributions are there and add up."""
    robustness: Robustness | None = None
    """Missing and extreme inputs."""
    latency: Latency | None = None
    """How long a prediction takes."""
    drift: DriftGate | None = later()
    """The hold-out, or recent traffic, is like the reference."""

    @property
    def required(self) -> tuple[str, ...]:
        """The names of the gates that must pass, in the order in which they run."""
        return tuple(name for name in GATES if getattr(self, name) is not None)

    @property
    def compares(self) -> bool:
        """Whether quality is held against what is live."""
        limits = () if self.quality is None else self.quality.metrics.values()
        return any(each.worse_than_live_by is not None for each in limits)


GATES: Final = tuple(GatesPolicy.model_fields)
"""Every gate's name."""
