"""When its signer says that something was said: the signer's clock, which the signature covers.

The log's own time of an entry is nobody's word: who can write to the broker can choose it, and when to append.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from registry.statement import APPROVAL, GATES, Said


def at(said: Said) -> float:
    """By `at`, seconds since 1970; never (inf), when it says nothing."""
    found = said.predicate.get("at")
    if isinstance(found, int | float) and not isinstance(found, bool):
        # json reads NaN, and a comparison with it is never true: it would never expire. And integers of any size.
        with suppress(OverflowError):
            return float(found) if math.isfinite(found) else math.inf
    return math.inf


def made(said: Said) -> float:
    """By `made` of gate results, ISO 8601 with its offset from UTC, seconds since 1970; -inf, when it says none."""
    found = said.predicate.get("made")
    with suppress(ValueError, OverflowError):
        time = datetime.fromisoformat(found) if isinstance(found, str) else None
        if time is not None and time.tzinfo is not None:
            return time.timestamp()
    return -math.inf


def ended(said: Said, revoked: Iterable[Said]) -> bool:
    """Whether a revocation ends it by the times that were signed: it lets something answer, and is older.

    Of all revocations, also one that stands before another: who keeps statements back chooses their order. One that is
    dated ahead ends what is signed until then; one without a time, everything.
    """
    if said.type not in (APPROVAL, GATES):
        return False
    signed = at(said) if said.type == APPROVAL else made(said)
    return any(signed < at(each) for each in revoked)
