"""Where finished panes are kept, with how far they reach: both go forward together, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from monitoring.panes import Pane
from monitoring.panes.collector import Finished, State

KEEP: Final = 1024
"""Newest panes of a partition that are kept."""
REACH: Final = 768
"""Newest panes of a partition, of those that were judged, that anything is said of. So who leads from now on knows all
that who led before did, as long as no more than the rest of what is kept was counted and not judged yet."""


class Restored(NamedTuple):
    """What is known of a partition."""

    state: State | None
    """Where counting goes on; None: at the log's beginning."""
    panes: tuple[Pane, ...]
    """The newest that are kept, ascending; the last one ends at the state's position."""


class PaneStore(Protocol):
    """The panes of one log (by its topic's id) in one size. What is kept of others MUST NOT be given out.

    Used by one thread. Everything raises LogUnavailable when what is beneath does not answer, or does not take it.
    """

    def restore(self, partition: int) -> Restored:
        """The newest state that was put, with the panes before it.

        MUST NOT give a state without the pane that it belongs to. Bytes that are not what they should be end what is
        known there: it is counted again, with the same outcome.
        """
        ...

    def put(self, partition: int, finished: Sequence[Finished]) -> None:
        """Keep panes, ascending; MUST be durable on return.

        A crash in between leaves the first ones, or none. A pane that is there already is written again: it is the
        same one.
        """
        ...

    def close(self) -> None:
        """Let go."""
        ...
