"""What comes in: answers of one package, and labels of one service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audit.labels import Label
from audit.proof.entry import parse_record_id
from monitoring.panes import Of
from monitoring.panes.pane import Slot

__all__ = ["Answers", "Label", "Prediction", "answers_of"]


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers of one package, a request a place. Only those with status 200 belong here."""

    journals: Sequence[bytes]
    """16 bytes each."""
    sequences: NDArray[np.uint64]
    times: NDArray[np.int64]
    """When the requests arrived, ns since 1970 UTC. A shadow's is that of the request that it was shown, so both can
    be told to be of one request."""
    requests: Sequence[str | None]
    """The client's own ids."""
    rows: NDArray[np.int64]
    """Rows of each request."""
    scores: NDArray[np.float32]
    """[sum of rows, outputs]"""
    logged_ms: int
    """The log's newest time among their records, ms since 1970 UTC; at most what it is now by the reader's clock."""
    inputs: NDArray[np.float32] | None = None
    """[sum of rows, width]; only looked at for groups."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One recorded answer, for who has them one by one; see `answers_of`."""

    record_id: str
    request_id: str | None
    time_ns: int
    """When the request arrived."""
    service: str
    digest: str
    slot: Slot
    scores: NDArray[np.float32]
    """[rows, outputs]"""
    logged_ms: int
    """The log's time of its record, ms since 1970 UTC."""
    inputs: NDArray[np.float32] | None = None
    """[rows, width]"""

    @property
    def package(self) -> Of:
        """Who answered."""
        return Of(self.service, self.digest, self.slot)


def answers_of(predictions: Sequence[Prediction]) -> Answers:
    """Several predictions of one package, at least one, as columns.

    Raises:
        FormatError: a record id that is none.
    """
    places = [parse_record_id(one.record_id) for one in predictions]
    inputs = [one.inputs for one in predictions if one.inputs is not None]
    return Answers(
        [journal for journal, _ in places],
        np.array([sequence for _, sequence in places], np.uint64),
        np.array([one.time_ns for one in predictions], np.int64),
        [one.request_id for one in predictions],
        np.array([len(one.scores) for one in predictions], np.int64),
        np.concatenate([one.scores for one in predictions]),
        max(one.logged_ms for one in predictions),
        np.concatenate(inputs) if len(inputs) == len(predictions) else None,
    )
