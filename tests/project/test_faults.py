"""The page of faults names the tests that show each row, and they are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "faults.md").read_text()
TABLES = ("## What is injected", "## What a failing system call does to a gateway")
BELOW = "those of the table below"


def rows(heading: str) -> list[list[str]]:
    """A table's rows, without its head."""
    part = PAGE.split(heading, 1)[1].split("\n## ", 1)[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


def find_tests(*folders: str) -> dict[str, Path]:
    """Every test, and its file."""
    return {
        name: file
        for folder in folders
        for file in (ROOT / "tests" / folder).rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)\(", file.read_text(), re.MULTILINE)
    }


@pytest.mark.parametrize("heading", TABLES)
def test_each_row_names_the_tests_that_show_it(heading: str) -> None:
    """Whoever doubts a row can run it."""
    there = find_tests("fault", "integration", "property", "unit")
    found = rows(heading)
    assert len(found) > 5
    for row in found:
        named, files = re.findall(r"`(test_\w+)`", row[-1]), re.findall(r"`(tests/[^`]+)`", row[-1])
        assert named or files or row[-1] == BELOW, row
        assert [name for name in named if name not in there] == [], row
        assert all(list(ROOT.glob(each)) for each in files), row


def test_each_file_of_faults_has_a_row() -> None:
    """A fault that is injected and stands nowhere is one that nobody knows to be looked at."""
    there = find_tests("fault")
    files = {
        file
        for file in there.values()
        if file.parent.name != "attacks" and not file.name.startswith("test_mutations_")
    }
    named = {there[name] for name in re.findall(r"`(test_\w+)`", PAGE) if name in there}
    assert sorted(str(file.relative_to(ROOT)) for file in files - named) == []
