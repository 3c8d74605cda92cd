"""The one contract of all gates: (package, datasets, policy) -> outcome.

A gate MUST NOT pass when it could not judge: it raises CannotJudge, and `run_gates` makes a failure of that and of
every other exception. It MUST give the same outcome for the same input, times of predictions excepted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from registry.errors import RegistryError
from registry.package import Package
from registry.runtimes import LoadedModel, Rows, load
from registry.signature import Signature
from registry.signing.kept.base import Kept
from registry.table import Table, encode, model_rows, texts

if TYPE_CHECKING:
    from .asked import Traffic


class CannotJudge(RegistryError):  # noqa: N818 - the name says what happened
    """The gate could not run; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a gate found. It has passed when `failures` is empty."""

    failures: tuple[str, ...]
    """One sentence for each limit that does not hold."""
    figures: Mapping[str, Any]
    """JSON; what was measured."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Library → version."""


class Distance(NamedTuple):
    """How far rows are from a column of a reference, as a Kolmogorov–Smirnov distance between two bounds."""

    column: str
    lower: float
    upper: float
    rows: int
    reference_rows: int


Measure = Callable[[Package, Rows, NDArray[np.float32]], Sequence[Distance]]
"""(package, inputs [n, width], scores [n, outputs]) → each feature's and score's distance from its reference.

The monitor's room has it; who runs the gates hands it down.
"""


@dataclass(frozen=True, slots=True)
class Suite:
    """A Great Expectations suite."""

    content: Mapping[str, Any]
    """Its JSON."""
    digest: str
    """sha256:… of the file."""


@dataclass(frozen=True)
class Datasets:
    """What the gates may look at. Parts that are absent fail the gates that need them."""

    holdout: Table | None = None
    """Rows that the model has not seen, with the target."""
    target: str | None = None
    """The target's column."""
    training: Table | None = None
    """The rows that the model has seen."""
    live: Package | None = None
    """What answers now."""
    documents: Mapping[str, Any] | None = None
    """What people wrote: purpose, owners, …"""
    documents_digest: str | None = None
    """sha256:… of their file."""
    suite: Suite | None = None
    """Expectations of the hold-out."""
    deprecated: Mapping[str, str] | None = None
    """Version of data → why it is not to be used any more, by the governance log."""
    signatures: Sequence[Kept] | None = None
    """OpenSSF signatures that the store keeps with the package."""
    measure: Measure | None = None
    """How distances from the reference are measured."""
    traffic: Traffic | None = None
    """What the service was asked, out of the log."""
    traffic_problem: str = ""
    """Why there is none, when somebody looked."""

    @cached_property
    def rows(self) -> Table:
        """The hold-out. Raises CannotJudge."""
        if self.holdout is None:
            raise CannotJudge("no hold-out was given")
        return self.holdout

    @property
    def digests(self) -> dict[str, str]:
        """What was looked at (holdout, training, documents, suite, traffic) → sha256:… of it."""
        found = {
            "holdout": None if self.holdout is None else f"sha256:{self.holdout.sha256}",
            "training": None if self.training is None else f"sha256:{self.training.sha256}",
            "documents": self.documents_digest,
            "suite": None if self.suite is None else self.suite.digest,
            "traffic": None if self.traffic is None else f"sha256:{self.traffic.sha256}",
        }
        return {name: digest for name, digest in found.items() if digest is not None}

    def sample(self, signature: Signature, count: int) -> Rows:
        """At most `count` rows of the hold-out, evenly spread, as the model sees them: [n, width] float32."""
        frame = self.rows.frame
        places = np.unique(np.linspace(0, len(frame) - 1, min(count, len(frame))).astype(int))
        return model_rows(encode(frame.iloc[places], signature), signature)


@dataclass(frozen=True)
class Scored:
    """A package's answers on the hold-out."""

    signature: Signature
    scores: NDArray[np.float64]
    """[n, outputs]."""
    truth: NDArray[Any]
    """[n]: class names as text, or values."""

    @property
    def positive(self) -> NDArray[np.bool_]:
        """Whether the truth is the positive class."""
        found: NDArray[np.bool_] = self.truth == self.signature.positive_class
        return found

    @property
    def decided(self) -> NDArray[np.bool_]:
        """Whether the decision is the positive class: score at or above the threshold, both in float32."""
        if self.signature.task != "binary" or self.signature.threshold is None:
            raise CannotJudge(f"a {self.signature.task} model makes no decision by a threshold")
        found: NDArray[np.bool_] = self.scores[:, 0].astype(np.float32) >= np.float32(
            self.signature.threshold
        )
        return found


def score(package: Package, datasets: Datasets, model: LoadedModel | None = None) -> Scored:
    """A package's answers on the whole hold-out. Raises CannotJudge, PackageError, PublishError."""
    table, target, signature = datasets.rows, datasets.target, package.signature
    if target is None or target not in table.frame.columns:
        raise CannotJudge(f"the hold-out has no target column {target!r}")
    rows = model_rows(encode(table.frame, signature), signature)
    scores = (model or load(package)).predict(np.ascontiguousarray(rows)).astype(np.float64)
    if not np.isfinite(scores).all():
        raise CannotJudge("the model gives answers that are no finite numbers")
    column = table.frame[target]
    if column.isna().any():
        raise CannotJudge(f"{int(column.isna().sum())} rows of the hold-out have no target")
    if signature.task == "regression":
        truth: NDArray[Any] = column.to_numpy(np.float64)
    else:
        truth = np.array(texts(column))
        strange = sorted(set(truth.tolist()) - set(signature.classes))
        if strange:
            raise CannotJudge(f"the hold-out has classes that the model does not: {', '.join(strange[:5])}")
    return Scored(signature, scores.reshape(len(rows), -1), truth)


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GateResult(_Document):
    """What one gate said."""

    name: str
    verdict: Literal["passed", "failed"]
    reason: str
    """Why it failed; empty when it passed."""
    figures: dict[str, JsonValue]
    limits: dict[str, JsonValue]
    """The section of the policy, defaults written out."""
    versions: dict[str, str]


class GateReport(_Document):
    """The predicate of https://affiant.dev/gates/v1: what all gates said of a package, under one policy."""

    format: Literal[1] = 1
    package: str
    """sha256:…"""
    service: str
    policy: str
    """Its digest."""
    data: dict[str, str]
    """holdout, training, documents, suite → sha256:… of the file; traffic → of the rows and their ranges."""
    live: str | None
    """The package that it was compared with."""
    made: str
    """RFC 3339, UTC."""
    seen: int | None = Field(default=None, exclude_if=lambda value: value is None)
    """Up to which offset, not including, the governance log was read before; absent: nobody read it."""
    results: tuple[GateResult, ...]

    @property
    def passed(self) -> bool:
        """Whether each gate that ran has passed; False when none ran."""
        return bool(self.results) and all(each.verdict == "passed" for each in self.results)
