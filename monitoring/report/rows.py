"""The rows themselves of an evidence's window, from the log: for who wants more of them than counts."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from audit.log.base import LogEntry, LogReader
from audit.show import walk
from monitoring.figures import Evidence
from monitoring.judging.again import NotThose
from monitoring.judging.judging import Judging
from monitoring.panes import Of
from monitoring.panes.collector import Collector, State
from monitoring.read import Block, External, Heads, Packages, Profile

_TOGETHER: Final = 4096

Rows = NDArray[np.float32]


def rows_of(
    evidence: Evidence, judging: Judging, reader: LogReader, packages: Packages, external: External | None
) -> Rows:
    """What the package was asked in the window, [rows, width], as the model was given it, in the order of the log.

    They are exactly those that were counted: the same collector reads them, from the same first pane on.

    Args:
        evidence: what was judged.
        judging: what came of it (`judged_again`): its window is the one.
        reader: of the record log, or of an archive of it.
        packages: where the package's profile is had.
        external: what the object store has under a digest.

    Raises:
        NotThose: the log does not have as many rows as were counted.
        LogUnavailable, OffsetGone: the log does not have, or does not give, what stood there.
    """
    of, size = Of(evidence.service, evidence.digest, evidence.slot), evidence.pane_records
    found: list[Rows] = []
    for partition in sorted({each.partition for each in judging.window}):
        numbers = [number for where, number in evidence.panes if where == partition]
        wanted = frozenset(each.number for each in judging.window if each.partition == partition)
        reached = evidence.reached.get(str(partition), {})
        before = tuple((bytes.fromhex(journal), sequence) for journal, sequence in reached.items())
        state = State(min(numbers) * size, 0, before)
        keeping = _Keeping(partition, size, packages, state, external, of, wanted)
        held = []
        for entry in walk(reader, partition, state.position, (max(numbers) + 1) * size):
            held.append(entry)
            if len(held) >= _TOGETHER:
                keeping.keep(held)
                held = []
        keeping.keep(held)
        found += keeping.rows
    rows = (
        np.concatenate(found) if found else np.empty((0, len(judging.profile.reference.features)), np.float32)
    )
    if len(rows) != judging.window_rows:
        raise NotThose(f"the log has {len(rows)} rows of the window, and {judging.window_rows} were counted")
    return rows


class _Keeping(Collector):
    """Counts, and keeps the rows of one package in some panes."""

    def __init__(
        self,
        partition: int,
        size: int,
        packages: Packages,
        state: State,
        external: External | None,
        of: Of,
        wanted: frozenset[int],
    ) -> None:
        super().__init__(partition, size, packages, state, external)
        self._of, self._wanted = of, np.array(sorted(wanted), np.int64)
        self.rows: Final[list[Rows]] = []

    def keep(self, entries: list[LogEntry]) -> None:
        """The next entries; the panes themselves nobody needs."""
        for _ in self.take(entries):
            pass

    def _answers(
        self, heads: Heads, numbers: NDArray[np.int64], of: Of, profile: Profile, block: Block
    ) -> None:
        super()._answers(heads, numbers, of, profile, block)
        if of == self._of:
            theirs = np.isin(numbers[block.places], self._wanted)
            self.rows.append(block.inputs[np.repeat(theirs, block.rows)])
