"""What a model's answer and a label mean to each other: the task, and a label's value as a truth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import NDArray

from audit.labels import Value

if TYPE_CHECKING:
    from registry.signature import Signature

Kind = Literal["binary", "multiclass", "regression"]


@dataclass(frozen=True, slots=True)
class Task:
    """Of one package."""

    kind: Kind
    classes: tuple[str, ...] = ()
    """In the order of the scores; for binary (negative, positive)."""
    threshold: float | None = None
    """binary: the positive class is decided from this score on; None: no decision is made."""

    @classmethod
    def of(cls, signature: Signature) -> Self:
        """Of a package's signature."""
        return cls(signature.task, signature.classes, signature.threshold)

    @property
    def outputs(self) -> int:
        """Columns of the scores."""
        return len(self.classes) if self.kind == "multiclass" else 1

    def truth(self, value: Value) -> float:
        """A label's value: the class's place, or the value itself; NaN: it is none.

        A class is named by its text, or by a number that is equal to it (`1`, `1.0` and `"1"` are one); of a binary
        model `true` is the positive class.
        """
        if self.kind == "regression":
            return math.nan if isinstance(value, bool) else _number(value)
        if isinstance(value, bool):
            if self.kind == "binary":
                return float(value)
            value = str(value).lower()
        if isinstance(value, str) and value in self.classes:
            return float(self.classes.index(value))
        number = _number(value)
        return next((float(at) for at, name in enumerate(self.classes) if _number(name) == number), math.nan)

    def decided(self, scores: NDArray[np.float32]) -> NDArray[np.int64] | None:
        """The class that is decided for each row of scores [n, outputs]; None: no decision is made."""
        if self.kind == "multiclass":
            largest: NDArray[np.int64] = scores.argmax(axis=1).astype(np.int64)
            return largest
        if self.kind == "regression" or self.threshold is None:
            return None
        decided: NDArray[np.int64] = (scores[:, 0] >= np.float32(self.threshold)).astype(np.int64)
        return decided


def _number(value: str | float) -> float:
    try:
        number = float(value)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan
