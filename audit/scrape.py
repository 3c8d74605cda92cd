"""/metrics, /livez and /readyz of a process, and the few other pages that it has."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from socketserver import ThreadingMixIn
from types import TracebackType
from typing import Any, Protocol, Self, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import Metric

from .errors import AuditError


class Collector(Protocol):
    """What prometheus_client asks at each scrape."""

    def collect(self) -> Iterable[Metric]:
        """Every family with its values now."""
        ...


Page = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""A WSGI application."""


class _Threads(ThreadingMixIn, WSGIServer):
    """A page that waits for a store keeps nobody from a probe."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 — the base class's name
        """Scrapes are not news."""


class MetricsServer:
    """One small server, in a thread."""

    def __init__(
        self,
        host: str,
        port: int,
        collector: Collector,
        trouble: Callable[[], str],
        *,
        table: str,
        pages: Mapping[str, Page] | None = None,
        more: Iterable[Collector] = (),
    ) -> None:
        """Listens at once.

        Args:
            host: where.
            port: 0 takes a free one.
            collector: what /metrics shows.
            trouble: why it is not ready, for /readyz; empty when it is.
            table: of the settings, for what is said.
            pages: others, by the beginning of their path.
            more: what else /metrics shows.

        Raises:
            AuditError: the address is taken.
        """
        registry = CollectorRegistry()
        for each in (collector, *more):
            registry.register(each)
        metrics = make_wsgi_app(registry)

        def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            path = environ.get("PATH_INFO", "")
            for beginning, page in (pages or {}).items():
                if path.startswith(beginning):
                    return page(environ, start)
            if path in {"/livez", "/readyz"}:
                why = "" if path == "/livez" else trouble()
                start("503 Service Unavailable" if why else "200 OK", [("Content-Type", "text/plain")])
                return [f"{why or 'ok'}\n".encode()]
            return cast("Iterable[bytes]", metrics(environ, start))

        try:
            self._server = make_server(host, port, application, _Threads, _Quiet)
        except OSError as error:
            raise AuditError(
                f"[{table}] metrics: cannot listen on {host}:{port}: {error.strerror}"
            ) from error
        self.port: int = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
