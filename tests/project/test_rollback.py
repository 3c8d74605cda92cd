"""The page about rollback names tests that are there, and every outcome that is counted."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "rollback.md").read_text()


def test_each_row_of_what_is_tried_names_tests_that_are_there() -> None:
    """Whoever doubts a row can run it."""
    part = PAGE.split("## What is tried against it", 1)[1]
    rows = [line for line in part.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    there = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)\(", file.read_text(), re.MULTILINE)
    }
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row.rpartition("|")[0].rpartition("|")[2])
        files = re.findall(r"`(tests/[^`]+)`", row)
        assert named or files, row
        assert set(named) <= there, set(named) - there
        assert all((ROOT / each).is_file() for each in files), row


def test_each_outcome_of_a_webhook_is_named() -> None:
    """Whoever alerts on one finds it here."""
    source = "".join(
        (ROOT / "monitoring" / "controller" / name).read_text() for name in ("webhook.py", "run.py")
    )
    counted = set(re.findall(r'WEBHOOKS, "(\w+)"', source)) | {"accepted", "duplicate", "resolved", "full"}
    line = next(each for each in PAGE.split("\n\n") if "affiant_controller_webhooks_total" in each)
    assert counted <= set(re.findall(r"\w+", line))
