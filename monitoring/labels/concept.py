"""Whether a package's error has changed: ADWIN over the losses of its labelled rows.

Bifet and Gavaldà, Learning from Time-Changing Data with Adaptive Windowing, SIAM SDM 2007; river's implementation.
It keeps a window, and cuts off its older part when the means of two parts differ by more than chance allows at `delta`.
For losses in [0, 1] that are independent, a cut without a change has a probability of at most `delta` at each look, so
over many looks false ones come: a change is a hint for people, and no cause of a rollback.

Labels come late and in any order. So the detector is run anew over the newest rows, in the order of their predictions:
what it says is a function of which labels there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Final

from .join import Joined
from .performance import losses, usable

DELTA: Final = 0.002
MOST_ROWS: Final = 20_000
"""The newest ones: about a second's work."""


@dataclass(frozen=True, slots=True)
class Change:
    """The newest change of the mean loss."""

    noticed: int
    """When the request of the row arrived at which it was noticed, ns since 1970 UTC."""
    before: float
    """Mean loss of the window before it was cut."""
    after: float
    """Mean loss since: of what is left of the window, and of all that came then."""
    worse: bool
    rows: int
    """That are left."""


@dataclass(frozen=True, slots=True)
class Concept:
    """What ADWIN says of a package."""

    rows: int
    mean: float
    """Of the window that it kept; NaN without rows."""
    changes: int
    newest: Change | None


def prepare() -> None:
    """Load what `concept` runs: it takes seconds, which are not to be those of who judges."""
    import_module("river.drift")


def concept(joined: Joined, delta: float = DELTA, most_rows: int = MOST_ROWS) -> Concept:
    """Run it over the newest labelled rows.

    Args:
        joined: of one package.
        delta: see the module.
        most_rows: so many of the newest.
    """
    from river.drift import ADWIN

    places = usable(joined)[-most_rows:]
    detector = ADWIN(delta=delta)  # type: ignore[no-untyped-call]
    changes, newest, before = 0, None, float("nan")
    for place, loss in zip(places.tolist(), losses(joined, places).tolist(), strict=True):
        mean = float(detector.estimation) if detector.width else float("nan")
        detector.update(loss)  # type: ignore[no-untyped-call]
        if detector.drift_detected:
            changes, newest, before = changes + 1, int(joined.time[place]), mean
    rows, after = int(detector.width), float(detector.estimation) if len(places) else float("nan")
    change = None if newest is None else Change(newest, before, after, after > before, rows)
    return Concept(len(places), after, changes, change)
