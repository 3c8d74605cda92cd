"""What the monitor's server has beside its metrics, as JSON.

    /figures                                what stands of each package that serves
    /evidence/{service}/{digest}/{slot}     what its newest panes say by themselves, and where they stand in the log
    /comparison/{service}                   what was asked of a rollout's canary and of live since it began

Nothing of it is secret, and nothing of it is believed by whoever acts on it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import unquote

from audit.scrape import Page

from .monitor import Monitor

_JSON: Final = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
Start = Callable[..., Any]


def pages(monitor: Monitor) -> dict[str, Page]:
    """By the beginning of their path."""

    def figures(_: dict[str, Any], start: Start) -> Iterable[bytes]:
        return _answer(start, monitor.figures())

    def evidence(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        parts = _parts(environ)
        found = monitor.evidence(*parts) if len(parts) == 3 else None
        return _answer(start, None if found is None else found.model_dump(mode="json"))

    def comparison(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        parts = _parts(environ)
        return _answer(start, monitor.comparison(parts[0]) if len(parts) == 1 else None)

    return {"/figures": figures, "/evidence/": evidence, "/comparison/": comparison}


def _parts(environ: dict[str, Any]) -> list[str]:
    # WSGI gives the path unquoted already, as Latin-1 of UTF-8.
    path = str(environ.get("PATH_INFO", "")).encode("latin-1").decode("utf-8", "replace")
    return [unquote(part) for part in path.strip("/").split("/")[1:]]


def _answer(start: Start, found: Any) -> Iterable[bytes]:
    if found is None:
        start("404 Not Found", list(_JSON))  # the server adds to the list
        return [b'{"detail":"there is none, or another monitor leads"}\n']
    start("200 OK", list(_JSON))
    return [json.dumps(found, allow_nan=False).encode() + b"\n"]
