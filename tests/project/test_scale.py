"""docs/scale.md: its table is what the formulae of docs/capacity.md give."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"


def test_a_cell_is_what_the_formulae_say() -> None:
    """Each row, for one cell and for all of them."""
    block = re.search(r"```python\n(.*?)```", (DOCS / "capacity.md").read_text(), re.DOTALL)
    assert block is not None
    known: dict[str, Any] = {}
    exec(block[1], known)  # noqa: S102 - a page of ours
    page = (DOCS / "scale.md").read_text()
    table = re.search(
        r"^\| \| a cell \| 1,000,000/s: (\d+) cells \|\n\|[-|]+\n((?:\|.*\n)+)", page, re.MULTILINE
    )
    assert table is not None
    cells = int(table[1])
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2].splitlines()]
    told = {name.partition(",")[0]: [first(one), first(every)] for name, one, every in rows}
    (rate, all_of_it) = told.pop("predictions a second")
    assert all_of_it == rate * cells
    assert all_of_it >= 1_000_000
    assert known["logs"](rate) == 1  # one notary of one core is enough for a cell
    assert known["logs"](1_000_000) <= cells
    day = rate * 86_400
    each = {
        "gateway workers": known["workers"](rate),
        "sidecars' cores": known["cores"](rate, known["SIDECAR"]),
        "notary's cores": known["cores"](rate, known["NOTARY"]),
        "monitors' cores": known["cores"](rate, known["MONITOR"]),
        "partitions of the entries' topic": known["partitions"](rate),
        "Kafka": rate * 1500 / 1e6,
        "Kafka's disk for 3 days": known["log_bytes"](rate, 3) / 1e12,
        "archive a day: entries": known["archive_bytes"](day, payload=0) / 1e12,
        "trees a day": known["tree_bytes"](day) / 1e12,
        "locked versions a day": known["locked_versions"](known["partitions"](rate), 2),
    }
    assert set(each) == set(told)
    units = {"Kafka": 1000, "Kafka's disk for 3 days": 1000}  # GB/s for all, PB
    for name, value in each.items():
        one, every = told[name]
        assert abs(one - value) <= 0.15 * max(value, 0.1), (name, value)
        assert abs(every - value * cells / units.get(name, 1)) <= 0.05 * every + 0.5 * (name not in units), (
            name,
            value,
        )


def test_the_points_of_growth_are_their_ratios() -> None:
    """Each row's last figure is its eighth partition's by its first's, and within the bar that the bench has."""
    page = (DOCS / "scale.md").read_text()
    rows = re.findall(
        r"^\| (sidecar|notary|monitor) \| ([\d.]+) .*\| ([\d.]+) \(\d\) \| ([\d.]+) × \|$", page, re.MULTILINE
    )
    assert [row[0] for row in rows] == ["sidecar", "notary", "monitor"]
    for _, one, eight, ratio in rows:
        assert abs(float(eight) / float(one) - float(ratio)) < 0.006
        assert float(ratio) <= 1.3


def first(text: str) -> float:
    """The first number of a cell."""
    found = re.search(r"[\d,.]*\d", text)
    assert found is not None, text
    return float(found[0].replace(",", ""))
