"""Spans to an OpenTelemetry collector, in the background: when it is away they are dropped, and nobody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    INVALID_SPAN,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    TraceFlags,
    set_span_in_context,
)
from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter

from .context import Context
from .told import OnceAChange

Attributes = Mapping[str, str | int]
CLOSE_SECONDS: Final = 3.0
"""How long the last spans may take: it counts against the time that a pod has to end."""


class _Believing(HTTPAdapter):
    """Believes these authorities alone. Not by the exporter's own argument: REQUESTS_CA_BUNDLE comes before that."""

    def __init__(self, authorities: Path) -> None:
        super().__init__()
        self._authorities = authorities

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        return super().send(request, *args, **{**kwargs, "verify": str(self._authorities)})


def _session(authorities: Path) -> Session:
    session = Session()
    session.mount("https://", _Believing(authorities))
    return session


class _Exporter(OTLPSpanExporter):
    """Says what is wrong once a change."""

    told: OnceAChange

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = super().export(spans)
        if result is SpanExportResult.SUCCESS:
            self.told.went_well()
        return result

    def shutdown(self) -> None:
        if not self._shutdown:
            super().shutdown()  # type: ignore[no-untyped-call]


class Export:
    """One component's spans. Each was sampled before: whoever asks for a span gets it."""

    def __init__(self, endpoint: str, component: str, authorities: Path | None = None) -> None:
        """`endpoint` is an OTLP/HTTP traces address; `authorities` are of those that sign the collector's certificate,
        None: the system's. Nothing is contacted yet.
        """
        self._provider: Final = TracerProvider(
            sampler=ALWAYS_ON,
            resource=Resource.create({"service.name": f"affiant-{component}"}),
            shutdown_on_exit=False,  # `close` is called; what it gave up MUST NOT hold up the exit
        )
        session = None if authorities is None else _session(authorities)
        self._exporter: Final = _Exporter(endpoint=endpoint, session=session)
        self._told: Final = OnceAChange()
        self._exporter.told = self._told
        self._told.begin()
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer: Final = self._provider.get_tracer(f"affiant.{component}")

    def begin(
        self, name: str, parent: Context | Span | None, kind: SpanKind, at: int, attributes: Attributes
    ) -> Span:
        """A span that has begun at `at`, ns since 1970 UTC; without a parent it begins a trace."""
        if isinstance(parent, Context):
            parent = NonRecordingSpan(
                SpanContext(
                    int.from_bytes(parent.trace),
                    int.from_bytes(parent.span),
                    is_remote=True,
                    trace_flags=TraceFlags(TraceFlags.SAMPLED),
                )
            )
        # Without a parent of its own the tracer would take whatever span is current here.
        context = set_span_in_context(INVALID_SPAN if parent is None else parent)
        return self._tracer.start_span(name, context, kind, attributes, start_time=at)

    def close(self) -> None:
        """Export what waits, and end; within seconds, also where the collector hangs: the rest is dropped."""
        # In a thread that may be left: an export that is under way has no end that could be set.
        ending = threading.Thread(target=self._provider.shutdown, name="spans-end", daemon=True)
        ending.start()
        ending.join(CLOSE_SECONDS)
        self._exporter.shutdown()  # nothing is tried again
        self._told.end()


def context_of(span: Span) -> Context:
    """Ids of a span."""
    found = span.get_span_context()
    return Context(found.trace_id.to_bytes(16), found.span_id.to_bytes(8))
