"""What a monitor tells of a canary and of live (`monitoring.answers.comparison_of`), and whether a step may follow.

A step needs figures of now. For going back their age does not matter: bounds that were beyond a tolerance at any moment
of this step are as good a reason later, and nothing is gained by waiting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audit.invalid import first_problem
from monitoring.asked import Asked
from monitoring.errors import DetectError

from .compare import Side

STALE: Final = 300.0
"""Seconds after the newest pane that was compared. A step is taken soon after a pane, or not at all."""
BEHIND: Final = 16
"""Panes that are there and not judged yet, beyond which the newest ones are not known."""

_Natural = Annotated[int, Field(ge=0)]
_Hex = Annotated[str, Field(pattern=r"^(?:[0-9a-f]{2})+$", max_length=64)]
_Range = tuple[_Natural, _Natural, _Natural]
"""Partition, the first offset, the end."""


class _Answer(BaseModel):
    # Not strict: a tuple is a list in JSON. More keys are a newer monitor's.
    model_config = ConfigDict(frozen=True, extra="ignore")
    topic: str = Field(max_length=64)
    pane_records: Annotated[int, Field(ge=1)]
    effect: Annotated[float, Field(allow_inf_nan=False)]
    ranges: tuple[_Range, ...]
    reached: Mapping[str, Mapping[_Hex, _Natural]]
    newest: _Natural
    waiting: _Natural
    pages: tuple[str, ...]
    sides: Mapping[str, Any]
    single: tuple[tuple[_Natural, ...], ...] | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """Parsed. `topic`, `pane_records` and `ranges` say of which records, for who counts them again."""

    canary: Side
    live: Side
    effect: float
    topic: str
    pane_records: int
    ranges: tuple[_Range, ...]
    reached: Mapping[str, Mapping[str, int]]
    """Partition → journal (hex) → how far it had come before them."""
    newest: int
    """The time of the newest pane, ms since 1970 UTC by the log's clock; 0: there was none."""
    waiting: int
    """Panes that are there, and were not judged yet."""
    pages: tuple[str, ...]
    """Columns of the canary whose drift pages."""
    coarse: bool = False
    """Whether its scores are in the parts of a monitor of before (`leading.scores`)."""

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Self:
        """What a monitor answered. Raises DetectError: it is no comparison."""
        try:
            said = _Answer.model_validate(dict(content))
            asked = [Asked.read(said.sides[slot]) for slot in ("canary", "live")]
            canary, live = (side_of(each, _single(said.single or (), each)) for each in asked)
        except ValidationError as error:
            raise DetectError(first_problem(error)) from error
        except KeyError as error:
            raise DetectError(f"sides: there is no {error}") from error
        return cls(
            canary, live, max(1.0, said.effect), said.topic, said.pane_records, said.ranges, said.reached, said.newest,
            said.waiting, said.pages, said.single is None,
        )  # fmt: skip

    def waits(self, now: float) -> Iterator[str]:
        """Why no step is taken by it. `now`: seconds since 1970 UTC."""
        yield from self.unknown(now)
        if self.pages:
            yield f"its drift pages: {', '.join(self.pages)}"

    def unknown(self, now: float) -> Iterator[str]:
        """Why it tells nothing of now."""
        age = now - self.newest / 1000
        if not self.newest:
            yield "no pane of this step was judged yet"
        elif abs(age) > STALE:
            # A log whose clock is far ahead of ours tells as little of now as one that nobody has read.
            yield f"the newest pane is {age:.0f} s old by the clock here; {STALE:.0f} s are the most"
        if self.waiting > BEHIND:
            yield f"{self.waiting} panes were not judged yet; {BEHIND} are the most"


def side_of(asked: Asked, single: tuple[NDArray[np.bool_], ...] = ()) -> Side:
    """What is compared of it. `single`: parts of each score that hold one value alone; none: as it was before."""
    return Side(
        asked.reached, asked.failed, asked.refused, asked.rows, asked.latency, asked.confidence, asked.scores,
        asked.begins if single else (), single,
    )  # fmt: skip


def _single(said: tuple[tuple[int, ...], ...], asked: Asked) -> tuple[NDArray[np.bool_], ...]:
    """Raises DetectError: of other scores."""
    if not said:
        return ()
    parts = [len(each) for each in asked.scores]
    if len(said) != len(parts) or any(max(of, default=0) >= n for of, n in zip(said, parts, strict=True)):
        raise DetectError("single: parts that no score has")
    return tuple(np.isin(np.arange(n), of) for of, n in zip(said, parts, strict=True))
