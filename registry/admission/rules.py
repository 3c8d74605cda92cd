"""What admission needs of a policy, without the rest of it: per service and slot, whose word is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class SlotRules:
    """What one slot of one service wants."""

    gates: frozenset[str]
    """The gates that must have passed."""
    compared: bool = False
    """Whether they must have compared it with what was live."""
    signers: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Role → how many people of it."""
    valid_seconds: float | None = None
    """How long an approval counts; None: always."""
    publisher_may_approve: bool = False
    break_glass: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Role → people who together may do without the rest; empty: nobody may."""
    break_glass_seconds: float = 86_400.0
    """How long that counts."""
    bound: bool = False
    """Whether approvals are of the gate results that were seen."""
    signed_publication: bool = False
    """Whether somebody must have signed that they published it."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What one service wants: slot (live, canary, shadow) → its rules. A slot without rules admits nothing."""

    slots: Mapping[str, SlotRules]
    stop_on_expiry: bool = False
    """Whether what serves already stops when its approvals expire; else only new deployments do."""
