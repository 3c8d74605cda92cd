"""What the documentation lists is what the code has."""

from __future__ import annotations

import re
from pathlib import Path

from service import metrics
from service.errors import TABLE

GATEWAY = (Path(__file__).parents[2] / "docs" / "gateway.md").read_text()


def test_the_page_lists_every_refusal() -> None:
    """Status, type and title, one line each."""
    lines = set(re.findall(r"^\| (\d{3}) \| `([a-z-]+)` \| (.+) \|$", GATEWAY, re.MULTILINE))
    assert lines == {(str(problem.status), problem.slug, problem.title) for problem in TABLE.values()}


def test_the_page_lists_every_metric_of_the_gateway() -> None:
    """And none that is not there."""
    source = Path(metrics.__file__).read_text()
    made = set(re.findall(r'"(affiant_[a-z_]+)"', source))
    listed = set(re.findall(r"^\| `(affiant_[a-z_]+)`", GATEWAY, re.MULTILINE))
    assert {name for name in listed if not name.startswith("affiant_journal_")} | {
        "affiant_journal_append_seconds"
    } == made
