"""Sends an outbox's messages, in a thread of its own: a webhook that does not answer keeps nobody else waiting."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import structlog

from audit.direct import NoRedirects, direct
from audit.errors import KeyRefused
from audit.proof.printable import printable

from .outbox import Outbox
from .standing import Alert

TIMEOUT: Final = 5.0
"""Seconds that a server may say nothing."""
_AGAIN: Final = frozenset({401, 403, 404, 408, 425, 429})
"""Statuses below 500 after which it is tried again: the token, or the server behind the address, may be set right."""

log = structlog.get_logger("affiant.alerts")

Post = Callable[[bytes], int]
"""Posts a body; the status of the answer. Raises OSError: there is none."""
Shape = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Alertmanager's message → what is posted, for JSON."""


def poster(
    url: str | Callable[[], str],
    *,
    token: Callable[[], str] | None = None,
    tls: Callable[[], ssl.SSLContext] | None = None,
    timeout: float = TIMEOUT,
    proxied: bool = False,
) -> Post:
    """Posts JSON to an address.

    Args:
        url: the address, or what gives it each time; no message has it, for it may be a secret.
        token: asked for each time: it may be changed while we run.
        tls: whose certificates are believed, asked for each time, as they may be renewed; the machine's own when None.
            Raises OSError.
        timeout: seconds that the server may say nothing.
        proxied: whether it is outside, and a proxy of the environment leads there. MUST NOT go with a token or `tls`.
    """
    assert not (proxied and (token is not None or tls is not None))
    plain = urllib.request.build_opener(NoRedirects) if proxied else direct()

    def post(body: bytes) -> int:
        headers = {"Content-Type": "application/json", "User-Agent": "affiant-monitor"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token()}"
        address = url if isinstance(url, str) else url()
        request = urllib.request.Request(address, body, headers, method="POST")  # noqa: S310 - settings take http(s) alone
        opener = plain if tls is None else direct(urllib.request.HTTPSHandler(context=tls()))
        try:
            with opener.open(request, timeout=timeout) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except http.client.HTTPException as error:
            raise OSError(f"no HTTP: {type(error).__name__}") from error

    return post


class Sender:
    """One webhook. `tell` may be called from any thread, and returns at once."""

    def __init__(
        self,
        post: Post,
        outbox: Outbox | None = None,
        *,
        shape: Shape = dict,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing runs yet: see `run`, and `start`. `shape`: how its receiver wants a message."""
        self._post: Final = post
        self._outbox: Final = outbox if outbox is not None else Outbox()
        self._shape: Final = shape
        self._clock: Final = clock
        self._changed: Final = threading.Condition()
        self.trouble = ""
        """Why the last message was not taken; empty when it was."""

    def tell(self, alerts: Iterable[Alert]) -> None:
        """What fires, and what has ended."""
        with self._changed:
            self._outbox.tell(alerts)
            self._changed.notify_all()

    def forget(self, alerts: Iterable[Alert]) -> None:
        """See `Outbox.forget`."""
        with self._changed:
            self._outbox.forget(alerts)

    def step(self) -> float | None:
        """Send what is due; when the next is, by the clock. None: nothing waits."""
        with self._changed:
            notices = self._outbox.due(self._clock())
        for notice in notices:
            body = json.dumps(self._shape(notice.body), ensure_ascii=False).encode()
            status: int | None = None
            try:
                status = self._post(body)
            except (OSError, KeyRefused) as error:
                why = printable(str(error))
            else:
                why = "" if 200 <= status < 300 else f"it answered {status}"
            again = status is None or status >= 500 or status in _AGAIN
            with self._changed:
                (self._outbox.failed if again else self._outbox.sent)(notice, self._clock())
            self._say(why)
            if status is None:
                break  # nobody is there: the others would wait for it, too
        with self._changed:
            return self._outbox.next(self._clock())

    def run(self, stop: threading.Event) -> None:
        """Send until `stop` is set."""
        while not stop.is_set():
            due = self.step()
            with self._changed:
                now = self._clock()
                if not self._outbox.due(now):
                    self._changed.wait(0.5 if due is None else min(0.5, max(0.0, due - now)))

    def start(self, stop: threading.Event) -> threading.Thread:
        """`run`, in a thread."""
        thread = threading.Thread(target=self.run, args=(stop,), name="alerts", daemon=True)
        thread.start()
        return thread

    def _say(self, why: str) -> None:
        if why and why != self.trouble:
            log.warning("a webhook did not take an alert", receiver=self._outbox.receiver, why=why)
        self.trouble = why
