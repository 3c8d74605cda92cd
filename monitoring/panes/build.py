"""A pane that is being counted."""

from __future__ import annotations

from collections import Counter as Tallies
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitoring.read import Profile

from .counts import Counts, Dense
from .pane import CONFIDENCE_BINS, LATENCY_BOUNDS, At, Of, Pane, Tally
from .reached import Reached

_BOUNDS: Final = np.array(LATENCY_BOUNDS, np.int64)
_LATENCIES: Final = len(LATENCY_BOUNDS) + 1


@dataclass(slots=True)
class Counting:
    """The counts of one package so far."""

    profile: Profile
    features: Dense
    scores: Dense
    confidence: Dense
    latency: Dense
    requests: int = 0
    rows: int = 0
    positive: int = 0

    @classmethod
    def of(cls, profile: Profile) -> Counting:
        """Nothing yet."""
        return cls(
            profile,
            np.zeros(profile.features.size, np.int64),
            np.zeros(profile.scores.size, np.int64),
            np.zeros(CONFIDENCE_BINS if profile.probabilities else 0, np.int64),
            np.zeros(_LATENCIES, np.int64),
        )

    def add(
        self, inputs: NDArray[np.float32], scores: NDArray[np.float32], latency: NDArray[np.int64]
    ) -> None:
        """Requests with their rows.

        Args:
            inputs: [n, width].
            scores: [n, outputs].
            latency: [requests], in ns.
        """
        profile = self.profile
        features = profile.features.count(inputs)
        self.features = features if not self.requests else self.features + features
        self.scores += profile.scores.count(scores)
        self.latency += np.bincount(np.searchsorted(_BOUNDS, latency), minlength=_LATENCIES)
        if profile.probabilities:
            self.confidence += confidence_of(scores)
        if profile.threshold is not None:
            self.positive += int((scores[:, 0] >= profile.threshold).sum())
        self.requests += len(latency)
        self.rows += len(inputs)

    def tally(self) -> Tally:
        """What was counted."""
        return Tally(
            self.requests, self.rows, Counts.of(self.features), Counts.of(self.scores),
            Counts.of(self.confidence), Counts.of(self.latency), self.positive,
        )  # fmt: skip


def confidence_of(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Rows [CONFIDENCE_BINS] by their largest class probability: of one output, its own or what it leaves to 1.

    Rows with a NaN have none. All in float32, so that it is the same everywhere.
    """
    largest = scores.max(axis=1) if scores.shape[1] > 1 else np.maximum(scores[:, 0], 1 - scores[:, 0])
    sure = largest[~np.isnan(largest)]
    places = np.clip(np.floor(sure * np.float32(CONFIDENCE_BINS)), 0, CONFIDENCE_BINS - 1)
    return np.bincount(places.astype(np.int64), minlength=CONFIDENCE_BINS)


@dataclass(slots=True)
class Building:
    """All of a pane so far."""

    counting: dict[Of, Counting] = field(default_factory=dict)
    statuses: dict[At, Tallies[int]] = field(default_factory=dict)
    canaries: dict[Of, Tallies[int]] = field(default_factory=dict)
    """`statuses` of canaries, by package."""
    unreadable: Tallies[str] = field(default_factory=Tallies)
    _before: dict[bytes, int] = field(default_factory=dict)
    _met: set[bytes] = field(default_factory=set)
    _fresh: list[bytes] = field(default_factory=list)

    def once(
        self,
        reached: Reached,
        kinds: NDArray[np.uint8],
        journals: NDArray[np.void],
        sequences: NDArray[np.uint64],
    ) -> list[int]:
        """The next entries, of which those with a kind are of journals; places of those that had come before.

        What is told of a journal is what was known before this pane.
        """
        if kinds.all() and (journals == journals[0]).all() and (np.diff(sequences) == 1).all():
            # What most logs hold: one journal, one after another. As below, without a look at each.
            journal = journals[0].tobytes()
            self._meet(reached, journal)
            newest = reached[journal]
            if newest is None or newest < int(sequences[0]):
                reached.take(journal, int(sequences[0]))
                reached.take(journal, int(sequences[-1]))
                return []
        again = []
        for at, (kind, journal, sequence) in enumerate(
            zip(kinds.tolist(), journals.tolist(), sequences.tolist(), strict=True)
        ):
            if kind:
                if journal not in self._met:
                    self._meet(reached, journal)
                if not reached.take(journal, sequence):
                    again.append(at)
        return again

    def _meet(self, reached: Reached, journal: bytes) -> None:
        if journal not in self._met:
            self._met.add(journal)
            before = reached[journal]
            if before is None:
                self._fresh.append(journal)
            else:
                self._before[journal] = before

    def answers(
        self,
        of: Of,
        profile: Profile,
        inputs: NDArray[np.float32],
        scores: NDArray[np.float32],
        latency: NDArray[np.int64],
    ) -> None:
        """Answers of a package; see `Counting.add`."""
        counting = self.counting.get(of)
        if counting is None:
            counting = self.counting[of] = Counting.of(profile)
        counting.add(inputs, scores, latency)

    def status(self, at: At, status: int, count: int = 1, of: Of | None = None) -> None:
        """Requests that were answered so. `of`: the package that was chosen for them; None: none was."""
        self.statuses.setdefault(at, Tallies())[status] += count
        if of is not None and of.slot == "canary":
            self.canaries.setdefault(of, Tallies())[status] += count

    def _apart(self) -> dict[Of, dict[int, int]]:
        """See `Pane.apart`."""
        of_service = Tallies(of.service for of in self.canaries)
        return {
            of: dict(sorted(self.canaries[of].items()))
            for of in sorted(self.canaries)
            if of_service[of.service] > 1 or of not in self.counting
        }

    def pane(self, partition: int, number: int, size: int, time: int) -> Pane:
        """What was counted."""
        return Pane(
            partition,
            number,
            number * size,
            (number + 1) * size,
            time,
            {of: self.counting[of].tally() for of in sorted(self.counting)},
            {at: dict(sorted(self.statuses[at].items())) for at in sorted(self.statuses)},
            # Texts, which an encoder takes: a reason is more than that.
            {str(reason): count for reason, count in sorted(self.unreadable.items())},
            dict(sorted(self._before.items())),
            frozenset(self._fresh),
            self._apart(),
        )
