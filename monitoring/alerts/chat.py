"""A message for people, in Slack's shape: {"text": …}. Of Alertmanager's, version 4. Pure.

Text alone, without blocks: that is what Slack's incoming webhooks have in common with those of Mattermost, Rocket.Chat,
Google Chat, and Discord's `…/slack`. The approvals' messages go to the same receivers.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, Final

from audit.proof.printable import printable

MOST_LINES: Final = 20
"""Alerts that are named: people read no more, and `affiant alerts firing` has them all."""
_MOST: Final = 300
"""Letters of one line's text; Slack shortens what is over 4,000 in all, and refuses over 40,000."""
_ORDER: Final = {"page": 0, "warn": 1}


def chat(body: Mapping[str, Any]) -> dict[str, str]:
    """What is posted.

    Args:
        body: as `Outbox` makes it.
    """
    alerts = sorted(body["alerts"], key=_rank)
    fire = sum(each["status"] == "firing" for each in alerts)
    more = body["truncatedAlerts"]
    pages = any(each["status"] == "firing" and each["labels"].get("severity") == "page" for each in alerts)
    about = " ".join(_text(value) for value in body["groupLabels"].values()) or "the record's way"
    state = ("page" if pages else "warning") if fire else "over"
    lines = [f"*Affiant: {state}*, {about}", *(_line(each) for each in alerts[:MOST_LINES])]
    left = len(alerts) - len(alerts[:MOST_LINES]) + more
    if left:
        lines.append(f"and {left} more: `affiant alerts firing` has what fires")
    return {"text": "\n".join(lines)}


def _rank(alert: Mapping[str, Any]) -> tuple[int, int, str]:
    labels = alert["labels"]
    return alert["status"] != "firing", _ORDER.get(labels.get("severity", ""), 2), labels.get("alertname", "")


def _line(alert: Mapping[str, Any]) -> str:
    labels, said = alert["labels"], alert["annotations"]
    state = _text(labels.get("severity", "")) if alert["status"] == "firing" else "over"
    runbook = f" {_text(said['runbook_url'])}" if said.get("runbook_url") else ""
    at = alert["startsAt"] if alert["status"] == "firing" else alert["endsAt"]
    return f"• {state} {_text(labels.get('alertname', ''))}: {_text(said.get('summary', ''))} ({at}){runbook}"


def _text(text: str) -> str:
    """As Slack wants it; what would format, or call people (`<!channel>`, `@all` elsewhere), is text."""
    found = escape(printable(text.replace("\n", " "))[:_MOST], quote=False)
    return found.replace("`", "'").replace("*", "∗").replace("@", "(at)")
