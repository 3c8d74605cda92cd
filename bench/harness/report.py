"""What a bench leaves: a table for a person, and JSON with machine, versions, rows and bars."""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    "≥": operator.ge,
    "≤": operator.le,
    "<": operator.lt,
}


@dataclass(frozen=True)
class Bar:
    """One goal: it holds when `value relation goal`. A bar that does not hold is a finding, not a failure."""

    name: str
    value: float
    relation: str
    limit: float

    @property
    def holds(self) -> bool:
        """Whether the measured value meets the goal."""
        return COMPARE[self.relation](self.value, self.limit)

    def as_json(self) -> dict[str, object]:
        """{name, value, goal, holds}; the goal is written with its relation, as in `≥ 8`."""
        return {
            "name": self.name,
            "value": round(self.value, 4),
            "goal": f"{self.relation} {self.limit:.4g}",
            "holds": self.holds,
        }


@dataclass
class Report:
    """One bench's result."""

    bench: str
    quick: bool
    machine: dict[str, object]
    versions: dict[str, str]
    rows: list[dict[str, Any]] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write the JSON whole or not at all."""
        document = {
            "bench": self.bench,
            "quick": self.quick,
            "machine": {**self.machine, "load_after": os.getloadavg()[0]},
            "versions": self.versions,
            **self.extra,
            "rows": self.rows,
            "bars": [bar.as_json() for bar in self.bars],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".part")
        partial.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        partial.replace(path)

    def print_bars(self, console: Console) -> None:
        """The bars as a table: what was measured, what was wanted, and whether it was met."""
        if not self.bars:
            console.print("No bar: what they compare was not measured in this run.")
            return
        table = Table(title="Bars", title_justify="left")
        table.add_column("bar", overflow="fold")
        table.add_column("measured", justify="right")
        table.add_column("goal", justify="right")
        table.add_column("holds", justify="center")
        for bar in self.bars:
            mark = "[green]yes[/]" if bar.holds else "[red]no[/]"
            table.add_row(bar.name, f"{bar.value:.3g}", f"{bar.relation} {bar.limit:.3g}", mark)
        console.print(table)
