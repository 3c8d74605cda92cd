"""Asking a gateway what it has answered: all of its workers, or none.

They share one port, and the kernel chooses who takes a connection. So it is asked again, a few at once, until each
worker was heard: who looks at some of them MUST NOT report for all.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.error import URLError

from audit.direct import direct
from audit.errors import ConfigError, LogUnavailable
from audit.proof.errors import FormatError

from .complete import Answered, parse_scrape

_TIMEOUT: Final = 10.0
_MAX_SCRAPE: Final = 16 << 20
TOGETHER: Final = 8
"""Asked at once: a worker that has one to answer leaves the next to another."""
LEAST: Final = 16
"""Times that it is asked, at least, and four more for each worker: two gateways behind one address would else pass for
one when as many workers were heard as each of them has."""
EACH: Final = 32
"""Times that it is asked for each of its workers, at most. Drawn evenly, one of 64 is missed once in 10^12 looks."""


def workers_of(url: str, get: Callable[[str], str] | None = None) -> list[Answered]:
    """What each worker of the gateway at an address says, the newest of it, in the order of their journals' ids.

    Args:
        url: such as http://127.0.0.1:3000.
        get: gives a page's text; over HTTP, at that address alone, when not given.

    Raises:
        ConfigError: no address, or what answers is no gateway with a journal.
        LogUnavailable: it does not answer; a worker was not heard however often it was asked; it does not say how many
            there are; several gateways answer there.
    """
    page = url.rstrip("/") + "/metrics"
    found: dict[str, Answered] = {}
    asked = 0
    with ThreadPoolExecutor(TOGETHER) as pool:
        while True:
            for text in pool.map(get or _get, [page] * TOGETHER):
                _hear(found, _parsed(page, text), url)
            asked += TOGETHER
            count = max(each.workers for each in found.values())
            if len(found) > count:
                raise LogUnavailable(
                    f"{url}: {len(found)} journals answer there, and the gateway has {count} workers: several gateways "
                    "are behind it; give the address of each"
                )
            if len(found) == count and asked >= LEAST + 4 * count:
                return [found[journal] for journal in sorted(found)]
            if asked >= LEAST + EACH * count:
                raise LogUnavailable(
                    f"{url}: {len(found)} of {count} workers were heard, however often it was asked: what the others "
                    "have answered is not known"
                )


def _hear(found: dict[str, Answered], one: Answered, url: str) -> None:
    if not one.workers:
        raise LogUnavailable(
            f"{url}: it does not say how many workers it has (affiant_workers): a gateway of an earlier version"
        )
    before = found.get(one.journal)
    # Answers that are heard together come in no order.
    if before is None or _age(before) <= _age(one):
        found[one.journal] = one


def _age(one: Answered) -> tuple[int, int, int]:
    """Each of them only grows."""
    return one.epoch, one.sequence, one.answers


def _parsed(page: str, text: str) -> Answered:
    try:
        return parse_scrape(text)
    except FormatError as error:
        raise ConfigError(f"--gateway: {page}: {error}") from error


def _get(page: str) -> str:
    if not page.startswith(("http://", "https://")):
        raise ConfigError(
            f"--gateway is {page.removesuffix('/metrics')!r}, wanted an address such as http://127.0.0.1:3000"
        )
    try:
        with direct().open(page, timeout=_TIMEOUT) as answer:
            return str(answer.read(_MAX_SCRAPE).decode())
    except (OSError, http.client.HTTPException, UnicodeDecodeError) as error:
        # urllib has the system's error within its own.
        reason = error.reason if type(error) is URLError else error
        raise LogUnavailable(f"{page}: {getattr(reason, 'strerror', None) or reason}") from error
