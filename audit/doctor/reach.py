"""Does what an address names answer, and as what it should? One GET each, without a proxy, credentials or redirects."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

TIMEOUT: Final = 5.0
_MOST: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `date` is its Date header; the body's first 64 KiB."""

    status: int
    date: str | None
    body: bytes

    @property
    def line(self) -> str:
        """The body's first line, for what is said."""
        return self.body.decode(errors="replace").strip().splitlines()[0][:200] if self.body.strip() else ""


Ask = Callable[[str, ssl.SSLContext | None], Answer]
"""A GET of a URL, with the TLS of who asks (None: the system's). Raises OSError: nobody answers there in time."""


def get(url: str, tls: ssl.SSLContext | None = None, timeout: float = TIMEOUT) -> Answer:
    """GET a URL.

    Raises:
        OSError: nobody answers, not in time, not in HTTP; or its certificate is not one that is believed.
    """
    connection: http.client.HTTPConnection
    try:
        parts = urlsplit(url)
        host, target = parts.hostname or "", (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if parts.scheme == "https":
            context = tls or ssl.create_default_context()
            connection = http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=context)
        else:
            connection = http.client.HTTPConnection(host, parts.port, timeout=timeout)
    except (http.client.HTTPException, ValueError) as error:
        raise OSError(f"{url} is no address: {error}") from error
    try:
        connection.request("GET", target, headers={"User-Agent": "affiant-doctor"})
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheader("Date"), answer.read(_MOST))
    except (http.client.HTTPException, UnicodeError, ValueError) as error:
        raise OSError(f"what answers speaks no HTTP ({type(error).__name__})") from error
    finally:
        connection.close()


def accepts(address: str, timeout: float = TIMEOUT) -> OSError | None:
    """Whether `host:port` takes a connection; why not."""
    host, _, port = address.strip().rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout).close()
    except ValueError:
        return OSError(f"{address} is not host:port")
    except OSError as error:
        return error
    return None


def why(error: OSError) -> str:
    """What to say of a failure."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "there is no host of that name"
    return error.strerror or str(error)
