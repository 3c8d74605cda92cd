"""Whether figures that were computed twice are the same, perhaps on two machines. Pure.

What is counted is the same or it is not. What is computed of counts goes through logarithms and gamma functions, whose
last bits are another processor's or numpy's own affair.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

TOLERANCE: Final = 1e-7
"""Relative, and absolute of what is smaller than 1. Figures are told to nine places, and their last bits (1e-16) are
added up over 4,096 panes at most: that comes to 1e-9 together. A hundred times that hides nothing: one row more or
less moves a distance of the largest window that a policy may have (10,000,000 rows) by as much, and rows are counted.
"""


def same(signed: object, computed: object) -> bool:
    """Whether what is signed is what was computed: floats to `TOLERANCE`, all else exactly.

    What is a float is said by `computed`: JSON may have written 0.0 as 0.
    """
    if isinstance(computed, Mapping):
        return (
            isinstance(signed, Mapping)
            and signed.keys() == computed.keys()
            and all(same(signed[key], computed[key]) for key in computed)
        )
    if isinstance(computed, list | tuple):
        return (
            isinstance(signed, list | tuple)
            and len(signed) == len(computed)
            and all(map(same, signed, computed))
        )
    if isinstance(computed, float):
        if isinstance(signed, bool) or not isinstance(signed, int | float):
            return False
        return math.isclose(signed, computed, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return type(signed) is type(computed) and signed == computed
