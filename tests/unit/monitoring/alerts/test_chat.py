"""What people read of a message."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from monitoring.alerts.chat import MOST_LINES, chat
from monitoring.alerts.outbox import Outbox
from monitoring.alerts.standing import Alert


def text_of(*alerts: Alert, told: tuple[Alert, ...] = ()) -> str:
    """Of the message about alerts of one group; `told`: what was told before."""
    outbox = Outbox.of_people()
    if told:
        outbox.tell(told)
        outbox.sent(outbox.due(0)[0], 0)
    outbox.tell(alerts)
    (notice,) = outbox.due(1)
    return chat(notice.body)["text"]


def alert(name: str, severity: str = "page", ends: float | None = None, **more: Any) -> Alert:
    """About the record's way."""
    said = {"summary": more.pop("summary", "it is so")} | more.pop("annotations", {})
    return Alert({"alertname": name, "severity": severity} | more, said, 1_800_000_000.0, ends)


def test_pages_come_first_and_what_is_over_last() -> None:
    """A line each: how grave, which one, what is so, since when, and what to do."""
    runbook = {"runbook_url": "https://example.org/AffiantUnshipped.md"}
    text = text_of(
        alert("AffiantPlanBehind", "warn"),
        alert("AffiantUnshipped", annotations=runbook),
        alert("AffiantNotReady", ends=1_800_000_060.0),
        told=(alert("AffiantNotReady"),),
    )
    assert text.splitlines() == [
        "*Affiant: page*, the record's way",
        "• page AffiantUnshipped: it is so (2027-01-15T08:00:00.000Z) https://example.org/AffiantUnshipped.md",
        "• warn AffiantPlanBehind: it is so (2027-01-15T08:00:00.000Z)",
        "• over AffiantNotReady: it is so (2027-01-15T08:01:00.000Z)",
    ]


def test_the_head_says_what_it_is_about_and_whether_it_is_over() -> None:
    """By the service, the package and its slot."""
    of = {"service": "credit", "digest": "0123456789ab", "slot": "live"}
    first = alert("AffiantScoreDrift", "warn", **of)
    assert text_of(first).startswith("*Affiant: warning*, credit 0123456789ab live\n")
    over = alert("AffiantScoreDrift", "warn", 1_800_000_060.0, **of)
    assert text_of(over, told=(first,)).startswith("*Affiant: over*, credit 0123456789ab live\n")


def test_of_very_many_some_are_named() -> None:
    """And it is said where the others are."""
    text = text_of(*(alert("AffiantInputDrift", feature=f"f{number}") for number in range(600)))
    assert len(text.splitlines()) == MOST_LINES + 2
    assert text.endswith(f"and {600 - MOST_LINES} more: `affiant alerts firing` has what fires")


@given(st.text(max_size=400), st.text(max_size=400))
def test_what_a_stranger_wrote_calls_nobody_and_formats_nothing(name: str, summary: str) -> None:
    """Names of features and of services are other people's texts."""
    lines = text_of(
        alert(name or "x", summary=summary), alert("<!channel> `x` *y* @all &\n\x1b[2J")
    ).splitlines()
    assert len(lines) == 3
    for line in lines[1:]:
        assert not set(line) & set("<>`*@\x1b")
        assert len(line) < 10 * 800
