"""What was asked of a slot and how it was answered, added up: small enough to be kept in every state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from monitoring.errors import DetectError
from monitoring.panes import CONFIDENCE_BINS, LATENCY_BOUNDS, Tally
from monitoring.panes.counts import Dense

_LATENCIES = len(LATENCY_BOUNDS) + 1


@dataclass(slots=True)
class Asked:
    """Grows by `add` and `count`."""

    rows: int = 0
    positive: int = 0
    """Rows with the positive class as their decision."""
    confidence: Dense = field(default_factory=lambda: np.zeros(CONFIDENCE_BINS, np.int64))
    """Rows by their largest class probability; none of a regression."""
    latency: Dense = field(default_factory=lambda: np.zeros(_LATENCIES, np.int64))
    """Answered requests by their time (`LATENCY_BOUNDS`)."""
    scores: tuple[Dense, ...] = ()
    """Of a rollout's side: rows by each score, in parts that both sides share, by where a row's bin ends …"""
    begins: tuple[Dense, ...] = ()
    """… and by where it begins (leading/scores.py); none in a comparison of before."""
    statuses: Counter[int] = field(default_factory=Counter)
    """Requests by HTTP status; 0: accepted and never answered."""

    def add(self, tally: Tally) -> None:
        """What a package answered in one pane."""
        self.rows += tally.rows
        self.positive += tally.positive
        if tally.confidence.size:
            tally.confidence.add_to(self.confidence)
        tally.latency.add_to(self.latency)

    def count(self, statuses: Mapping[int, int]) -> None:
        """Requests of one pane by status."""
        self.statuses.update(statuses)

    @property
    def reached(self) -> int:
        """Requests that reached a package: answered, or failed through a fault of ours."""
        return sum(count for status, count in self.statuses.items() if status == 200 or _failed(status))

    @property
    def refused(self) -> int:
        """Requests that were refused for what they ask; not among those that reached a package."""
        return sum(count for status, count in self.statuses.items() if 400 <= status < 500)

    @property
    def failed(self) -> int:
        """Of them, those without an answer."""
        return sum(count for status, count in self.statuses.items() if _failed(status))

    def written(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "rows": self.rows, "positive": self.positive, "confidence": self.confidence.tolist(),
            "latency": self.latency.tolist(), "scores": [each.tolist() for each in self.scores],
            "statuses": {str(key): n for key, n in sorted(self.statuses.items())},
        } | ({"begins": [each.tolist() for each in self.begins]} if self.begins else {})  # fmt: skip

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Self:
        """What `written` gave. Raises DetectError: it is none."""
        try:
            statuses = Counter({int(key): int(number) for key, number in content["statuses"].items()})
            found = cls(
                int(content["rows"]), int(content["positive"]), np.array(content["confidence"], np.int64),
                np.array(content["latency"], np.int64),
                tuple(np.array(each, np.int64) for each in content["scores"]),
                tuple(np.array(each, np.int64) for each in content.get("begins", ())), statuses,
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise DetectError(f"not what was asked of a slot: {error}") from error
        if any(each.ndim != 1 for each in (*found.scores, *found.begins)):
            raise DetectError("not what was asked of a slot: its scores are of one column alone")
        if found.confidence.shape != (CONFIDENCE_BINS,) or found.latency.shape != (_LATENCIES,):
            raise DetectError("not what was asked of a slot: other bins")
        return found


def _failed(status: int) -> bool:
    return status == 0 or status >= 500
