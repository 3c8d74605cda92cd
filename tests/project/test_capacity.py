"""docs/capacity.md: its formulae, run as they stand there, give its points, its table, and what a disk shows."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

from audit.settings import JournalSettings, NotarySettings
from monitoring.alerts.limits import Limits
from tests.components.sealed import sealed_log

PAGE = (Path(__file__).parents[2] / "docs" / "capacity.md").read_text()
OPERATIONS = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
SCALE = (Path(__file__).parents[2] / "docs" / "scale.md").read_text()
ARCHIVE = (Path(__file__).parents[2] / "docs" / "archive.md").read_text()
BENCHMARKS = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text()


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """What the block defines."""
    found = re.search(r"<!-- capacity: begin -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found[1], names)  # noqa: S102 — our own page
    return names


@pytest.mark.parametrize(
    ("measured", "constant"),
    [("17,723", "GATEWAY"), ("58,900", "SIDECAR"), ("40,889", "NOTARY")],
)
def test_the_best_are_the_benches_points(page: dict[str, Any], measured: str, constant: str) -> None:
    """Which stand in docs/benchmarks.md too: a new measurement there wants another figure here."""
    assert measured in BENCHMARKS
    assert measured in PAGE
    assert 1 / page["BEST"][constant] == pytest.approx(float(measured.replace(",", "")), rel=0.01)


def test_no_row_that_was_measured_is_beyond_the_constants(page: dict[str, Any]) -> None:
    """Of all rows, the one of each partition count too, each constant is the worst; and the page shows them all."""
    rows = dict(re.findall(r"^\| (sidecar|notary|monitor) \| (\d.*) \| [\d.]+ × \|$", SCALE, re.MULTILINE))
    assert len(rows) == 3
    for part, cells in rows.items():
        figures = re.findall(r"([\d.]+) \(\d\)", cells)
        assert len(figures) == 4
        assert f"| {part} over 1, 2, 4, 8 partitions | {', '.join(figures)} |" in PAGE
        points = [float(figure) * 1e-6 for figure in figures]
        constant, best = page[part.upper()], page["BEST"][part.upper()]
        assert constant == pytest.approx(max(*points, best))
        assert best == pytest.approx(min(*points, best))
    assert "15,731" in BENCHMARKS
    assert page["GATEWAY"] == pytest.approx(1 / 15_731, rel=0.01)
    assert page["GATEWAY"] > page["BEST"]["GATEWAY"]


def test_how_much_worse_the_worst_is_stands_there(page: dict[str, Any]) -> None:
    """In words, the most of all parts; and by it and by the best, a journal that was caught up with between them."""
    most = max(page[part] / best for part, best in page["BEST"].items())
    assert f"up to {most:.1f} × its best" in PAGE
    assert "10.8 s" in BENCHMARKS
    best = page["catching_up"](512 << 20, 15_731, each=page["BEST"]["SIDECAR"])
    worst = page["catching_up"](512 << 20, 15_731)
    assert best < 10.8 < worst
    assert f"{best:.1f} s by the best, {worst:.1f} s by the worst" in PAGE


def test_the_table_is_what_the_formulae_give(page: dict[str, Any]) -> None:
    """Each cell."""
    rows = re.findall(r"^\| (1[0,]+) \| (.*) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 3
    for told, cells in rows:
        rate = int(told.replace(",", ""))

        def each(name: str, rate: int = rate) -> str:
            return f"{page['cores'](rate, page[name]):.2f} ({page['cores'](rate, page['BEST'][name]):.2f})"

        workers = page["workers"](rate)
        journal = page["journal_bytes"](rate / workers, 3600) / 1e9
        lasts = page["journal_seconds"](rate / workers) / 60
        log, trees = page["log_bytes"](rate, 1) / 1e12, page["tree_bytes"](rate * 86_400 * 365) / 1e12
        assert cells == (
            f"{workers} | {each('SIDECAR')} | {each('NOTARY')} | {each('MONITOR')} | "
            f"{page['partitions'](rate)} | {lasts:.1f} min | {journal:.1f} GB | {log:.2f} TB | {trees:.1f} TB"
        )
    assert page["logs"](100_000) == 6


def test_what_is_said_of_the_journal_is_what_is_set_where_nothing_is(page: dict[str, Any]) -> None:
    """Its bound, the rates that it lasts four hours and under four minutes for, and when the alert comes."""
    fields, limits = JournalSettings.model_fields, Limits()
    assert page["JOURNAL"] == fields["max_bytes"].default
    assert page["journal_seconds"](160) == pytest.approx(4 * 3600, rel=0.01)
    assert 3 * 60 < page["journal_seconds"](10_000) < 4 * 60
    seconds = page["journal_seconds"](1000)
    assert page["journal_bytes"](1000, seconds) == pytest.approx(page["JOURNAL"])
    assert fields["slow_at"].default == 0.8
    for text in (PAGE, OPERATIONS):
        told = " ".join(text.split())
        assert "160 records" in told
        assert f"{limits.hours_to_full_warn} hours are left" in told
        assert f"pages at {limits.hours_to_full_page}" in told


def test_what_is_said_of_locked_versions_is_what_the_formula_gives(page: dict[str, Any]) -> None:
    """Of 24 partitions, and of one in the table of the archive's page, at the seal's own pace."""
    assert NotarySettings.model_fields["seal_seconds"].default == 1.0
    day = page["locked_versions"](24)
    assert f"{day / 1e6:.1f} million versions a day" in PAGE
    assert f"{day * 3652 / 1e9:.0f} billion in ten years" in PAGE
    rows = re.findall(r"^\| (\d) \| \d+ \| .* ([\d,]+)(?: versions)? \|$", ARCHIVE, re.MULTILINE)
    assert len(rows) == 4
    for seconds, versions in rows:
        assert page["locked_versions"](1, float(seconds)) == pytest.approx(
            float(versions.replace(",", "")), rel=0.01
        )


def test_a_partition_is_asked_for_what_brokers_take_too(page: dict[str, Any]) -> None:
    """Not for the monitors alone: at the end of the table it is the bytes that want more."""
    assert page["partitions"](100_000, record=15) == 2 * math.ceil(page["cores"](100_000, page["MONITOR"]))
    assert page["partitions"](100_000) * page["PARTITION"] >= 2 * 100_000 * 1500


def test_the_trees_take_what_the_formula_says(page: dict[str, Any], tmp_path: Path) -> None:
    """A sealed log on a disk: full tiles and bundles, by its entries' own mean length."""
    made = sealed_log(tmp_path, exchanges=508, sizes=(), archive=False)
    tile = made.folder / "tile"
    taken = sum(path.stat().st_size for path in tile.rglob("*") if path.is_file())
    entries = [record_entry_length(entry.value) for entry in made.entries()]
    assert len(entries) >= 512
    assert taken == pytest.approx(page["tree_bytes"](len(entries), sum(entries) / len(entries)), rel=0.05)


def record_entry_length(value: bytes | None) -> int:
    """Of an entry in its record."""
    return int.from_bytes((value or b"")[2:4], "big")
