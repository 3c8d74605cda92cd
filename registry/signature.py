"""What a model takes and gives: the `signature.json` of a package."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Name = Annotated[str, Field(min_length=1, max_length=256)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Feature(_Part):
    """One input column, in the model's order.

    The model's input is float32: a number as itself, a category as its place in `categories`
    (the model's own codes), a missing value as NaN.
    """

    name: Name
    type: Literal["number", "integer", "category"]
    minimum: float | None = None
    """Smallest value of the training table: informative, out-of-range values are counted, not refused."""
    maximum: float | None = None
    categories: tuple[str, ...] = ()
    missing: bool = False
    """Whether null is accepted. A missing value that the signature does not allow is refused."""
    unknown: Literal["refuse", "missing"] = "refuse"
    """A category text outside `categories`: refused, or passed as missing and counted in the entry.
    XGBoost itself treats an unknown code as missing without a word, so the choice is made here."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.type == "category") != bool(self.categories):
            raise ValueError(
                f"feature {self.name!r}: categories go with type category, and it needs at least one"
            )
        if len(set(self.categories)) != len(self.categories):
            raise ValueError(f"feature {self.name!r}: a category is there twice")
        return self


class Signature(_Part):
    """Names, types, ranges and categories of the features; outputs; task; positive class; threshold."""

    format: Literal[1] = 1
    name: Name
    task: Literal["binary", "multiclass", "regression"]
    features: tuple[Feature, ...] = Field(min_length=1, max_length=16_384)
    classes: tuple[str, ...] = ()
    """Class names in the order of the model's scores; for binary (negative, positive)."""
    positive_class: str | None = None
    score_column: Annotated[int, Field(ge=0, le=1)] | None = None
    """Binary ONNX models: the column of the probabilities that is the positive class's, in the model's own
    label order. None: the last column. What a `Model` answers has one column in any case."""
    threshold: float | None = None
    """A binary decision is the positive class when the score is at or above this."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [feature.name for feature in self.features]
        if len(set(names)) != len(names):
            raise ValueError("a feature name is there twice")
        if self.task == "binary" and (len(self.classes) != 2 or self.positive_class != self.classes[1]):
            raise ValueError("a binary task has two classes, the second being positive_class")
        if self.task == "multiclass" and len(self.classes) < 3:
            raise ValueError("a multiclass task has at least three classes")
        return self

    @property
    def width(self) -> int:
        """Columns of the model's input."""
        return len(self.features)

    @property
    def outputs(self) -> int:
        """Columns of the model's output: the positive class's probability, one per class, or the value."""
        return len(self.classes) if self.task == "multiclass" else 1


def schema_hash(signature_json: bytes) -> bytes:
    """SHA-256 of the package's signature.json bytes: names the layout of a recorded model input."""
    return sha256(signature_json).digest()
