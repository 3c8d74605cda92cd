"""The panes of a range of offsets, counted at once: what a monitor that follows the log must have found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from audit.log.base import LogReader
from audit.show import walk
from monitoring.panes import Pane
from monitoring.panes.collector import Collector, State
from monitoring.read import External, Packages

_TOGETHER = 4096


def panes_of(
    reader: LogReader,
    partition: int,
    first: int,
    end: int,
    packages: Packages,
    reached: Mapping[bytes, int],
    *,
    size: int,
    time: int = 0,
    external: External | None = None,
) -> Iterator[Pane]:
    """Panes of the offsets [first, end), which MUST be whole ones.

    Args:
        reader: of the log.
        partition: of it.
        first: a multiple of `size`.
        end: likewise.
        packages: where profiles are had.
        reached: journal → newest sequence before `first`; of journals that are not in these panes it does not matter.
        size: offsets of a pane.
        time: the largest log time before `first`; only the panes' times depend on it.
        external: what the object store has under a digest.

    Raises:
        OffsetGone: the log does not have them any more.
        LogUnavailable: it does not answer, or has not come so far; or the object store does not answer.
        StoreUnavailable: a package cannot be had.
    """
    collector = Collector(partition, size, packages, State(first, time, tuple(reached.items())), external)
    held = []
    for entry in walk(reader, partition, first, end):
        held.append(entry)
        if len(held) >= _TOGETHER:
            yield from (finished.pane for finished in collector.take(held))
            held = []
    yield from (finished.pane for finished in collector.take(held))
