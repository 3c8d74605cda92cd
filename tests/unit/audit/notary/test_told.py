"""What the notary tells has its place in docs/notary.md, and the page names nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from audit.notary import metrics

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "notary.md").read_text()
SOURCES = ("audit/follow.py", "audit/notary/watch.py", "audit/notary/session.py", "audit/notary/tended.py",
           "audit/notary/notary.py", "audit/notary/alarms.py")  # fmt: skip


def test_every_alarm_is_on_the_page_with_what_to_do() -> None:
    """Each name that the code raises has its row, and each row a name that the code raises."""
    code = "".join((ROOT / source).read_text() for source in SOURCES)
    rows = set(re.findall(r"^\| `([a-z]+)` \| .+ \| .+ \|$", PAGE, re.MULTILINE))
    raised = set(re.findall(r'(?:flaw|alarm|Alarm|_flaw|Flaw)\(\s*"([a-z]+)"', code)) | {"topic"}
    assert raised - {"unclean"} == rows


def test_every_metric_is_on_the_page() -> None:
    """By its name, or by what follows `affiant_notary` beside another; counters as they are scraped."""
    names = [
        *metrics.GAUGES,
        *(f"{name}_total" for name in metrics.COUNTERS),
        f"{metrics.ALARMS}_total",
        metrics.UP,
    ]
    absent = [
        name for name in names if name not in PAGE and f"`{name.removeprefix('affiant_notary')}" not in PAGE
    ]
    assert absent == []
