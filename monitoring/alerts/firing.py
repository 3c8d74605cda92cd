"""The monitor's page of what fires, as JSON: GET /firing, when it evaluates the alerts itself.

    {"leads": bool, "firing": [{"labels": {…}, "annotations": {…}, "since": s since 1970 UTC}, …]}

Of the monitor that is asked, and of no other: the rules of the record's way are about the machine that it is on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

from audit.served import Page

from .standing import Alert

PATH: Final = "/firing"
_JSON: Final = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))


def firing_page(firing: Callable[[], Iterable[Alert]] | None, leads: Callable[[], bool]) -> dict[str, Page]:
    """By the beginning of its path.

    Args:
        firing: what fires; None: this monitor leaves alerts to Prometheus, and the page is 404.
        leads: whether this monitor judges.
    """

    def page(_: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if firing is None:
            start("404 Not Found", list(_JSON))
            return [json.dumps({"detail": "this monitor evaluates no alerts: Prometheus does"}).encode()]
        found = [
            {"labels": dict(each.labels), "annotations": dict(each.annotations), "since": each.starts}
            for each in firing()
        ]
        start("200 OK", list(_JSON))
        return [json.dumps({"leads": leads(), "firing": found}).encode() + b"\n"]

    return {PATH: page}
