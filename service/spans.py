"""OpenTelemetry spans of sampled requests; the others cost one look at a header.

The caller decides: a request whose `traceparent` (W3C Trace Context, version 00) has the sampled flag gets one span for
itself and one for each step of its way; so does a part of those that came without one, where the settings say so. Spans
are exported in the background; when the collector is away they are dropped, and no request waits for it.

The sidecar learns of a sampled request's record by its ticket, through a ring (audit/traces/ring.py), and hands the
context on to the log.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final

import structlog
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from audit.traces.context import Context, parse
from audit.traces.export import Export, context_of
from audit.traces.ring import RingWriter

from .call import Call

TRACEPARENT: Final = b"traceparent"


def parent_of(headers: Mapping[bytes, bytes]) -> Context | None:
    """The caller's span, when it was sampled; None for anything else, malformed headers included."""
    return parse(headers.get(TRACEPARENT, b""))


class Traced:
    """A sampled request: its span, and the ends of its steps so far."""

    def __init__(self, span: Span, carry: Callable[[int, Context], None]) -> None:
        self.span = span
        self.ends: list[tuple[str, float]] = []
        self.record = ""
        self._carry = carry
        self._carried = False

    def step(self, call: Call, name: str, record: str) -> None:
        """See `call.Steps`. Its ticket is known before its record is given to the journal: that is the time to tell."""
        self.ends.append((name, call.gate.timer()))
        self.record = record or self.record
        if call.ticket and not self._carried:
            self._carried = True
            self._carry(call.ticket, context_of(self.span))


class SpanExport:
    """Makes the spans of sampled requests, and exports them."""

    def __init__(self, export: Export, ratio: float = 0.0, draw: Callable[[], float] = random.random) -> None:
        """`ratio` of the requests that come without a `traceparent` begin a trace of their own."""
        self._export = export
        self._ratio = ratio
        self._draw = draw
        self._say = structlog.get_logger("affiant.gateway")
        self.ring: RingWriter | None = None
        """Where the sidecar is told; None: nobody is."""

    @classmethod
    def to(cls, endpoint: str, ratio: float = 0.0, authorities: Path | None = None) -> SpanExport:
        """Export to an OTLP/HTTP traces address; `authorities`: see `Export`."""
        return cls(Export(endpoint, "gateway", authorities), ratio)

    def begin(self, call: Call) -> Traced | None:
        """See `call.Spans.begin`. A caller that says "not sampled" is believed."""
        parent = None
        if TRACEPARENT in call.headers:
            parent = parent_of(call.headers)
            if parent is None:
                return None
        elif not self._ratio or self._draw() >= self._ratio:
            return None
        service = call.route.service
        # Without the query: a caller may say there whom it asks about, and collectors keep what they get.
        path = call.scope["raw_path"].decode("latin-1")
        attributes = {"http.request.method": "POST", "url.path": path, "affiant.service": service}
        span = self._export.begin(f"POST {service}", parent, SpanKind.SERVER, call.arrived, attributes)
        return Traced(span, self._carry)

    def finish(self, call: Call, status: int) -> None:
        """End the request's span, with one below it for each step; times in ns since 1970 UTC."""
        traced = call.steps
        if not isinstance(traced, Traced):
            return

        def at(seconds: float) -> int:
            return call.arrived + int((seconds - call.started) * 1e9)

        end, span = call.gate.timer(), traced.span
        digest = call.served.loaded.digest if call.served is not None else ""
        span.set_attributes(
            {"http.response.status_code": status, "affiant.digest": digest, "affiant.record": traced.record}
        )
        for (_, begun), (name, ended) in pairwise([("", call.started), *traced.ends]):
            self._export.begin(name, span, SpanKind.INTERNAL, at(begun), {}).end(at(ended))
        if status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end(at(end))
        context = context_of(span)
        self._say.info(
            "answered",
            service=call.route.service,
            status=status,
            record=traced.record or None,
            trace_id=context.trace.hex(),
            span_id=context.span.hex(),
            seconds=round(end - call.started, 6),
        )

    def close(self) -> None:
        """Export what waits, and end."""
        self._export.close()
        if self.ring is not None:
            self.ring.close()

    def _carry(self, ticket: int, context: Context) -> None:
        if self.ring is not None:
            self.ring.put(ticket, context)
