"""Until when a verdict stands by itself: for who asks again and again, and need not judge again what did not change."""

from __future__ import annotations

import math
from collections.abc import Iterable

from registry.statement import APPROVAL, Said

from .rules import Rules
from .times import SKEW, at


def stands_until(rules: Rules | None, said: Iterable[Said], now: float) -> float:
    """Seconds since 1970 at which the verdict on a package may be another one, though nobody says anything: an approval
    ends, or one that was dated ahead begins to count. Infinite: it stands.

    MAY be too early, since it asks of no approval whether it counts; MUST NOT be too late. So each place in
    `evaluate` that looks at the time has its moment here.

    Args:
        rules: of the service; None: it has none, and nothing may answer.
        said: all that was said of the package.
        now: at which it was judged.
    """
    slots = () if rules is None else rules.slots.values()
    after = {-SKEW} | {each.valid_seconds for each in slots} | {each.break_glass_seconds for each in slots}
    signed = [at(each) for each in said if each.type == APPROVAL]
    moments = (each + seconds for each in signed for seconds in after if seconds is not None)
    return min((each for each in moments if each > now), default=math.inf)
