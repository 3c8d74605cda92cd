"""Ranges of offsets, counted (docs/pane-format.md).

What stands here are panes as others see them; `collector` makes them of entries, `codec` writes them as bytes.
"""

from __future__ import annotations

from .counts import Counts, Dense
from .pane import CONFIDENCE_BINS, LATENCY_BOUNDS, SLOTS, At, Of, Pane, Slot, Sum, Tally, add, add_statuses

__all__ = [
    "CONFIDENCE_BINS",
    "LATENCY_BOUNDS",
    "SLOTS",
    "At",
    "Counts",
    "Dense",
    "Of",
    "Pane",
    "Slot",
    "Sum",
    "Tally",
    "add",
    "add_statuses",
]
