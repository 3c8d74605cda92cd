"""OpenTelemetry spans of requests whose caller sampled them; the others cost one look at a header.

The caller decides: a request whose `traceparent` (W3C Trace Context, version 00) has the sampled flag gets one span for
itself and one for each step of its way. Spans are exported in the background; when the collector is away they are
dropped, and no request waits for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from .call import Call

TRACEPARENT: Final = b"traceparent"
_FORM: Final = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


def parent_of(headers: Mapping[bytes, bytes]) -> SpanContext | None:
    """The caller's span, when it was sampled; None for anything else, malformed headers included."""
    found = _FORM.fullmatch(headers.get(TRACEPARENT, b""))
    if found is None or not int(found[3], 16) & TraceFlags.SAMPLED:
        return None
    context = SpanContext(int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=TraceFlags(1))
    return context if context.is_valid else None


class SpanExport:
    """Makes the spans of a finished request, and exports them."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._provider = TracerProvider(
            sampler=ALWAYS_ON, resource=Resource.create({"service.name": "affiant-gateway"})
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("affiant.gateway")

    @classmethod
    def to(cls, endpoint: str) -> SpanExport:
        """Export to an OTLP/HTTP traces address."""
        return cls(OTLPSpanExporter(endpoint=endpoint))

    def wants(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether the caller sampled this request."""
        return TRACEPARENT in headers and parent_of(headers) is not None

    def finish(self, call: Call, status: int) -> None:
        """One span for the request, one below it for each step; times in ns since 1970 UTC."""
        parent = parent_of(call.headers)
        if parent is None or call.steps is None:
            return

        def at(seconds: float) -> int:
            return call.arrived + int((seconds - call.started) * 1e9)

        end = call.gate.timer()
        span = self._tracer.start_span(
            f"POST {call.route.service}",
            context=set_span_in_context(NonRecordingSpan(parent)),
            kind=SpanKind.SERVER,
            start_time=call.arrived,
            attributes={
                "http.request.method": "POST",
                "http.response.status_code": status,
                "url.path": call.target,
                "affiant.service": call.route.service,
                "affiant.digest": call.served.loaded.digest if call.served is not None else "",
            },
        )
        inside = set_span_in_context(span)
        for (_, begun), (name, ended) in pairwise([("", call.started), *call.steps]):
            step = self._tracer.start_span(name, context=inside, start_time=at(begun))
            step.end(at(ended))
        if status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end(at(end))

    def close(self) -> None:
        """Export what waits, and end."""
        self._provider.shutdown()
