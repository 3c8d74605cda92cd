"""/metrics, /livez and /readyz of a process, and the few other pages that it has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol, cast

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import Metric

from .served import Bounds, Page, PageServer


class Collector(Protocol):
    """What prometheus_client asks at each scrape."""

    def collect(self) -> Iterable[Metric]:
        """Every family with its values now."""
        ...


BOUNDS: Final = Bounds(connections=128, silence=10.0, longest=60.0)
"""Scrapes and probes, and each gateway worker's questions after receipts, which may wait for the store."""


class MetricsServer(PageServer):
    """/metrics, /livez, /readyz, and some pages more."""

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

        super().__init__(host, port, application, whose=f"[{table}] metrics:", bounds=BOUNDS)
