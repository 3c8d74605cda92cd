"""What a loaded model promises, whatever runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from registry.signature import Signature

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Batching:
    """Whether a row's answer depends on the rows that it is predicted with; found at load by the golden rows.

    exact: never.
    padded: not when each batch is filled up to a multiple of `rows`; `predict` does that by itself.
    tolerance: it does.
    All that as far as golden rows show, in batches of up to 64: a GPU may take other kernels for larger ones.

    `bound`: by how much answers differed from the golden ones here (measured, absolute); 0 when every bit agreed.
    """

    kind: Literal["exact", "padded", "tolerance"]
    rows: int = 1
    bound: float = 0.0


class Runner(Protocol):
    """A model in its runtime, before the golden rows have been asked."""

    @property
    def runtime(self) -> str:
        """Library and version, as it stands in the journal's opening entry."""
        ...

    @property
    def device(self) -> str:
        """Where it runs: cpu, cuda, or cpu+cuda. What has no kernel for the device that was asked for runs on the
        processor, and MUST be said.
        """
        ...

    def predict(self, rows: Rows, /) -> Rows:
        """C-contiguous float32 [n, width] -> float32 [n] or [n, outputs], the caller's own."""
        ...

    def explain(self, rows: Rows, /) -> Rows:
        """Rows -> contributions [n, width + 1], the last being the bias; [n, outputs, width + 1] for many
        classes.

        Raises:
            NotExplainable: this runtime has no exact explanation.
        """
        ...


class Model(Protocol):
    """A verified model that answers.

    `predict` MUST be given C-contiguous float32 [n, width], n at least 1, and gives float32: [n] (the
    positive class's probability, or the value) or [n, classes]. It MUST NOT be called from two threads at
    once.
    """

    @property
    def digest(self) -> str:
        """The package's name."""
        ...

    @property
    def signature(self) -> Signature:
        """What goes in and comes out."""
        ...

    @property
    def schema_hash(self) -> bytes:
        """SHA-256 of signature.json."""
        ...

    @property
    def runtime(self) -> str:
        """Library and version."""
        ...

    @property
    def device(self) -> str:
        """See `Runner.device`."""
        ...

    @property
    def batching(self) -> Batching:
        """What the golden rows showed."""
        ...

    def predict(self, rows: Rows, /) -> Rows:
        """See the class."""
        ...

    def explain(self, rows: Rows, /) -> Rows:
        """See `Runner.explain`."""
        ...
