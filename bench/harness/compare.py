"""Interleaved measurement of several servers on one core, each alone while it is measured."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness import wrk
from harness.processes import BenchError
from harness.servers import Row


@dataclass(frozen=True)
class Cell:
    """One row at one number of connections in one round. Milliseconds, requests a second, µs of processor."""

    row: str
    connections: int
    round: int
    rate: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_us: float  # user and system time of the server's whole process tree, a request
    requests: int
    failed: int


@dataclass(frozen=True)
class Plan:
    """What to measure. `wanted` says which rows at which number of connections."""

    rounds: int
    seconds: int
    warm_seconds: int
    connections: Sequence[int]
    wanted: Callable[[Row, int], bool]
    client_core: int | None

    def cells(self, rows: Sequence[Row]) -> list[tuple[int, int, Row]]:
        """(round, connections, row) in the order of measuring: every second round runs backwards, so that
        a drift of the machine does not fall on the same server each time.
        """
        ordered = []
        for number in range(self.rounds):
            for connections in self.connections:
                turn = [row for row in rows if self.wanted(row, connections)]
                ordered += [(number, connections, row) for row in (turn if number % 2 == 0 else turn[::-1])]
        return ordered


class Comparison:
    """All cells of a run, and the medians over its rounds."""

    def __init__(self, plan: Plan, rows: Sequence[Row], directory: Path) -> None:
        self.plan = plan
        self.rows = {row.name: row for row in rows}
        if len(self.rows) != len(rows):
            raise BenchError("two rows have one name")
        self.directory = directory
        self.cells: list[Cell] = []
        for number, row in enumerate(rows):
            row.target.write(self._requests(number))
        self._numbers = {row.name: number for number, row in enumerate(rows)}

    def measure(self, number: int, connections: int, row: Row) -> Cell:
        """Wake the server, warm it, measure it, and stop it again. Every other server MUST be stopped."""
        requests = self._requests(self._numbers[row.name])
        row.process.resume()
        try:
            wrk.run(
                row.target,
                requests,
                connections=connections,
                seconds=self.plan.warm_seconds,
                core=self.plan.client_core,
            )
            before = row.process.cpu_seconds()
            load = wrk.run(
                row.target,
                requests,
                connections=connections,
                seconds=self.plan.seconds,
                core=self.plan.client_core,
            )
            spent = row.process.cpu_seconds() - before
            if not row.process.alive():
                raise BenchError(f"{row.name} ended under load:\n{row.process.tail()}")
        finally:
            row.process.pause()
        cell = Cell(
            row=row.name,
            connections=connections,
            round=number,
            rate=load.rate,
            p50_ms=load.p50_ms,
            p99_ms=load.p99_ms,
            max_ms=load.max_ms,
            cpu_us=spent / max(1, load.requests) * 1e6,
            requests=load.requests,
            failed=load.failed,
        )
        self.cells.append(cell)
        return cell

    def of(self, name: str, connections: int) -> list[Cell]:
        """The cells of one row, by round."""
        found = [cell for cell in self.cells if cell.row == name and cell.connections == connections]
        return sorted(found, key=lambda cell: cell.round)

    def median(self, name: str, connections: int, what: str) -> float | None:
        """The median of one figure over the rounds; None when it was not measured."""
        values = [getattr(cell, what) for cell in self.of(name, connections)]
        return statistics.median(values) if values else None

    def paired(self, first: str, second: str, connections: int, what: str) -> list[tuple[float, float]]:
        """The same figure of two rows, round by round: they were measured next to each other."""
        return [
            (getattr(one, what), getattr(other, what))
            for one, other in zip(self.of(first, connections), self.of(second, connections), strict=True)
        ]

    def as_rows(self) -> list[dict[str, object]]:
        """Medians for the report, with every round beside them."""
        rows: list[dict[str, object]] = []
        for row in self.rows.values():
            for connections in self.plan.connections:
                cells = self.of(row.name, connections)
                if not cells:
                    continue
                figures = {
                    what: round(statistics.median(getattr(cell, what) for cell in cells), 3)
                    for what in ("rate", "p50_ms", "p99_ms", "max_ms", "cpu_us")
                }
                rows.append(
                    {
                        "server": row.server,
                        "runtime": row.runtime,
                        "protocol": row.protocol,
                        "audited": row.audited,
                        "counted": row.counted,
                        "connections": connections,
                        **figures,
                        "failed": sum(cell.failed for cell in cells),
                        "rounds": [asdict(cell) for cell in cells],
                    }
                )
        return rows

    def _requests(self, number: int) -> Path:
        return self.directory / f"requests-{number}"
