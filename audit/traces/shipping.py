"""What the sidecar does with sampled requests' records: a header in the log, a span, and a line in its output."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from .context import TRACEPARENT, Context

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from .export import Export

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Shipped:
    """A sampled record on its way: its span, where spans are exported."""

    context: Context
    headers: Headers
    record: str
    begun: int
    span: Span | None


class Tracing:
    """Of all journals of a sidecar."""

    def __init__(
        self, export: Export | None, topic: str, system: str, clock: Callable[[], int] = time.time_ns
    ) -> None:
        """`export` None: contexts go into the log's headers, and no span is made of the shipping. `system` is the log's
        kind, as OpenTelemetry's `messaging.system`.
        """
        self._export = export
        self._topic = topic
        self._system = system
        self._clock = clock
        self._say = structlog.get_logger("sidecar")

    def begin(self, context: Context, record: str) -> Shipped:
        """A record that is about to be sent. The header names the span of who sends, where there is one."""
        now, span = self._clock(), None
        named = context
        if self._export is not None:
            from opentelemetry.trace import SpanKind

            from .export import context_of

            span = self._export.begin(
                f"{self._topic} publish",
                context,
                SpanKind.PRODUCER,
                now,
                {
                    "messaging.system": self._system,
                    "messaging.operation.type": "send",
                    "messaging.destination.name": self._topic,
                    "affiant.record": record,
                },
            )
            named = context_of(span)
        return Shipped(named, ((TRACEPARENT, named.header()),), record, now, span)

    def end(self, shipped: Shipped, partition: int) -> None:
        """The log has acknowledged it."""
        now = self._clock()
        if shipped.span is not None:
            shipped.span.set_attribute("messaging.destination.partition.id", str(partition))
            shipped.span.end(now)
        self._say.info(
            "shipped",
            record=shipped.record,
            trace_id=shipped.context.trace.hex(),
            span_id=shipped.context.span.hex(),
            partition=partition,
            seconds=round((now - shipped.begun) / 1e9, 6),
        )
