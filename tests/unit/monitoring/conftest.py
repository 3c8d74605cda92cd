"""A package's profile, and panes of what it was asked, without a log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from monitoring.detect.count import Counter
from monitoring.panes import At, Of, Pane, Tally
from monitoring.panes.build import Counting
from monitoring.read import Packages, Profile
from registry.errors import StoreUnavailable
from registry.reference import build
from registry.signature import Feature, Signature

DIGEST = "sha256:" + "ab" * 32
CREDIT = Of("credit", DIGEST, "live")
SIGNATURE = Signature(
    name="credit",
    task="binary",
    features=(
        Feature(name="age", type="number"),
        Feature(name="home", type="category", categories=("own", "rent")),
    ),
    classes=("good", "bad"),
    positive_class="bad",
    threshold=0.5,
)


def rows(
    random: np.random.Generator, count: int, shift: float = 0.0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Inputs and scores; a shift of the age moves the score with it."""
    age = random.normal(size=count) + shift
    home = random.integers(0, 2, count)
    scores = 1 / (1 + np.exp(-(age + home - 1)))
    return np.column_stack([age, home]).astype(np.float32), scores.astype(np.float32)[:, None]


def profile_of(digest: str = DIGEST, count: int = 20_000, seed: int = 7) -> Profile:
    """Of a training table with so many rows."""
    reference = build(*rows(np.random.default_rng(seed), count), SIGNATURE)
    return Profile(
        digest,
        reference,
        b"\0" * 32,
        Counter(reference.features),
        Counter(reference.scores),
        True,
        np.float32(0.5),
        SIGNATURE,
    )


@dataclass
class Kept(Packages):
    """Packages that are there; away while `away`."""

    profiles: dict[str, Profile]
    away: bool = False
    asked: int = 0

    def get(self, service: str, digest: str) -> Profile | None:
        self.asked += 1
        if self.away:
            raise StoreUnavailable("the store is away")
        return self.profiles.get(digest)


@dataclass
class Stream:
    """Makes panes of one partition; each has its own random numbers, whoever makes it when."""

    profile: Profile
    partition: int = 0
    records: int = 250
    of: Of = CREDIT
    step: int = 1000
    reached: Mapping[bytes, int] = field(default_factory=dict)

    def tally(self, number: int, shift: float = 0.0) -> Tally:
        """Of pane `number`."""
        counting = Counting.of(self.profile)
        inputs, scores = rows(np.random.default_rng([self.partition, number]), self.records, shift)
        counting.add(inputs, scores, np.full(self.records, 2_000_000, np.int64))
        return counting.tally()

    def pane(self, number: int, shift: float = 0.0, time: int | None = None) -> Pane:
        """Its time: `step` ms for each pane, unless it is said."""
        return Pane(
            self.partition, number, number * self.records, (number + 1) * self.records,
            (number + 1) * self.step if time is None else time,
            tallies={self.of: self.tally(number, shift)},
            statuses={At(self.of.service, self.of.slot): {200: self.records}},
            reached=self.reached,
        )  # fmt: skip


@pytest.fixture(scope="session")
def profile() -> Profile:
    """Of 20,000 rows."""
    return profile_of()


@pytest.fixture
def stream(profile: Profile) -> Callable[..., Stream]:
    """A maker of panes."""
    return lambda **changed: Stream(profile, **changed)
