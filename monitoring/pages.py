"""What the monitor's server has beside its metrics, as JSON.

    /figures                                what stands of each package that serves
    /evidence/{service}/{digest}/{slot}     what its newest panes say by themselves, and where they stand in the log
    /comparison/{service}                   what was asked of a canary and of live since the canary's last step
    /comparison/{service}/{digest}          the same of one of several canaries

A monitor that does not lead asks the one that does (asking.py): 200 and 404 are always the leader's; 503 says why there
is no answer of a leader. Nothing of it is secret. Who rolls back for an alarm believes none of it, and counts again.
Who takes the steps of a rollout believes the comparison: a lie moves no further than people have signed, or back, and
the event has the lie in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import quote, unquote

from audit.served import Page

from .asking import HOP, LEADS, Answer, Asking, detail, none
from .errors import NotLeading
from .monitor import Monitor

_JSON: Final = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
_STATUSES: Final = {200: "200 OK", 404: "404 Not Found", 503: "503 Service Unavailable"}
_ENVIRON: Final = "HTTP_" + HOP.upper().replace("-", "_")
Start = Callable[..., Any]


def pages(monitor: Monitor, asking: Asking | None = None) -> dict[str, Page]:
    """By the beginning of their path. `asking`: of the one that leads; None: there is no other monitor."""

    def page(found: Callable[[list[str]], Any]) -> Page:
        def answer(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
            return _written(start, _answer(environ, found, asking))

        return answer

    def evidence(parts: list[str]) -> Any:
        said = monitor.evidence(*parts) if len(parts) == 3 else None
        return None if said is None else said.model_dump(mode="json")

    def comparison(parts: list[str]) -> Any:
        return monitor.comparison(*parts) if len(parts) in (1, 2) else None

    return {
        "/figures": page(lambda _: monitor.figures()),
        "/evidence/": page(evidence),
        "/comparison/": page(comparison),
    }


def _answer(environ: dict[str, Any], found: Callable[[list[str]], Any], asking: Asking | None) -> Answer:
    # WSGI gives the path unquoted already, as Latin-1 of UTF-8.
    path = str(environ.get("PATH_INFO", "")).encode("latin-1")
    parts = path.decode("utf-8", "replace").strip("/").split("/")[1:]
    try:
        said = found([unquote(part) for part in parts])
    except NotLeading as error:
        if asking is None or _ENVIRON in environ:
            return none(str(error))
        return asking.ask(quote(path, safe="/:"))
    if said is None:
        return Answer(404, detail("there is none"), None)
    return Answer(200, json.dumps(said, allow_nan=False).encode() + b"\n", None)


def _written(start: Start, answer: Answer) -> Iterable[bytes]:
    # A list of its own for each answer: the server adds to it.
    headers = list(_JSON)
    if answer.leader is not None:
        headers.append((LEADS, answer.leader))
    start(_STATUSES[answer.status], headers)
    return [answer.body]
