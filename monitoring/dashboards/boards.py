"""Every dashboard, in the order in which one looks at them."""

from __future__ import annotations

from .drift import drift
from .form import Board, Ground
from .gateway import gateway
from .governance import governance
from .objectives import objectives
from .record import record
from .rollback import rollback


def boards(ground: Ground | None = None) -> tuple[Board, ...]:
    """All of them, with that ground's limits."""
    given = Ground() if ground is None else ground
    return tuple(each(given) for each in (gateway, record, drift, objectives, rollback, governance))
