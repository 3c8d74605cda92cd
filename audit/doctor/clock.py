"""Clocks. No time server is asked: what is there anyway says a time, and ours is held against it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from .base import Finding, Looked, Outcome

TOLERANCE: Final = 2_000_000_000
"""ns. An HTTP date is of whole seconds, and its answer needs its way."""
_JUMP: Final = 100_000_000
"""ns. Slewing (500 ppm) moves a clock by less than this in three minutes."""
_SET: Final = (
    "let chrony or systemd-timesyncd keep this machine's clock: records and drift windows have its times"
)


@dataclass(frozen=True, slots=True)
class Reference:
    """Another's clock: `ahead` ns of ours. `earliest`: it says only that its time had come, not that it is now."""

    whose: str
    ahead: int
    earliest: bool = False


def utc(now: int) -> datetime:
    """A time in ns since 1970 UTC, as certificates are held against it."""
    return datetime.fromtimestamp(now / 1e9, UTC)


def of_date(whose: str, date: str | None, now: int) -> Reference | None:
    """Of an HTTP answer's Date; None where it has none, or one that is none."""
    try:
        said = parsedate_to_datetime(date or "")
    except (TypeError, ValueError):
        return None
    # It is of whole seconds, cut: half a second later is the best that is known.
    return Reference(whose, int(said.timestamp() * 1e9) + 500_000_000 - now)


def judge(references: Iterator[Reference] | list[Reference]) -> Iterator[Outcome]:
    """Ours against each."""
    for each in references:
        seconds = abs(each.ahead) / 1e9
        if each.ahead > TOLERANCE:
            yield Finding(
                "clock-behind", each.whose, f"this machine's clock is {seconds:,.1f} s behind it", _SET
            )
        elif each.ahead < -TOLERANCE and not each.earliest:
            yield Finding(
                "clock-ahead", each.whose, f"this machine's clock is {seconds:,.1f} s ahead of it", _SET
            )
        elif not each.earliest:
            yield Looked(f"clock against {each.whose}", f"{each.ahead / 1e9:+.1f} s")


class Steady:
    """Whether the wall clock went as the monotonic one does, from its making to `judge`."""

    def __init__(
        self, wall: Callable[[], int] = time.time_ns, monotonic: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._begun = wall() - monotonic()

    def judge(self) -> Iterator[Outcome]:
        """Says by how much it was set."""
        moved = self._wall() - self._monotonic() - self._begun
        if abs(moved) > _JUMP:
            yield Finding(
                "clock-jump",
                "this machine's clock",
                f"it was set by {moved / 1e9:+,.1f} s while the doctor looked",
                "a clock that is set by steps puts records in the wrong window; " + _SET,
            )
