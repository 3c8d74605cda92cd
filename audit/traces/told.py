"""What OpenTelemetry says of a collector that is away: once, not up to four times a batch for as long as it lasts."""

from __future__ import annotations

import logging
from typing import Final

import structlog

from audit.news import News

LOGGERS: Final = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.sdk._shared_internal",
)


class OnceAChange(logging.Filter):
    """Passes each message once until `went_well`; of messages that differ in their numbers alone, one."""

    def __init__(self) -> None:
        super().__init__()
        self._news: Final = News()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is news."""
        return self._news(record.getMessage())

    def went_well(self) -> None:
        """What comes next is news again."""
        if self._news.forget():
            structlog.get_logger("affiant").info("spans reach the collector again")

    def begin(self) -> None:
        """From now on; up to `end`."""
        for name in LOGGERS:
            logging.getLogger(name).addFilter(self)

    def end(self) -> None:
        """Of this one alone."""
        for name in LOGGERS:
            logging.getLogger(name).removeFilter(self)
