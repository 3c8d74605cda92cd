"""When its signer says that something was said: registry.admission.times, over plain JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Final

from .certificate_bound import unseen
from .certificate_said import APPROVAL, GATES, Said

SKEW: Final = 300.0
"""Seconds that a signer's clock may be ahead of the log's."""


def said_at(said: Said) -> float:
    """By `at`, seconds since 1970; never (inf), when it says nothing."""
    at = said.predicate.get("at")
    if isinstance(at, int | float) and not isinstance(at, bool):
        with suppress(OverflowError):  # JSON has integers of any size
            return float(at) if math.isfinite(at) else math.inf
    return math.inf


def _made(said: Said) -> float:
    made = said.predicate.get("made")
    with suppress(ValueError, OverflowError):
        time = datetime.fromisoformat(made) if isinstance(made, str) else None
        if time is not None and time.tzinfo is not None:
            return time.timestamp()
    return -math.inf


def ended(said: Said, revoked: Iterable[Said]) -> bool:
    """Whether it lets something answer, and was signed before a revocation, by the times that were signed."""
    if said.type not in (APPROVAL, GATES):
        return False
    signed = said_at(said) if said.type == APPROVAL else _made(said)
    return any(
        signed < said_at(each) or (each.offset < said.offset and unseen(said, each.offset))
        for each in revoked
    )
