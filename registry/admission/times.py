"""When its signer says that something was said, and what they had read: the signer's word, which the signature covers.

The log's own time of an entry is nobody's word: who can write to the broker can choose it, and when to append. A
signer's clock that was ahead once makes something that was kept back look newer than what ended it; how far its signer
had read the log does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Final

from registry.statement import APPROVAL, GATES, Said

SKEW: Final = 300.0
"""Seconds that a signer's clock may be ahead of the log's."""


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


def seen(said: Said) -> int | None:
    """Up to which offset of the governance log, not including, its signer had read it: `seen`. None: it does not say;
    what is no offset is none at all (0).
    """
    if "seen" not in said.predicate:
        return None
    found = said.predicate["seen"]
    return found if type(found) is int and found >= 0 else 0


def unseen(said: Said, offset: int) -> bool:
    """Whether it says that its signer had not read the log up to what stands there."""
    found = seen(said)
    return found is not None and found <= offset


def ended(said: Said, revoked: Iterable[Said]) -> bool:
    """Whether a revocation ends it: it lets something answer, and is older by the times that were signed, or its
    signer had not read of the revocation.

    Of all revocations, also one that stands before another: who keeps statements back chooses their order. One that is
    dated ahead ends what is signed until then; one without a time, everything.
    """
    if said.type not in (APPROVAL, GATES):
        return False
    signed = at(said) if said.type == APPROVAL else made(said)
    return any(
        signed < at(each) or (each.offset < said.offset and unseen(said, each.offset)) for each in revoked
    )
