"""What OpenTelemetry says of a collector that is away: once, not up to four times a batch for as long as it lasts."""

from __future__ import annotations

import logging
import re
from typing import Final

import structlog

LOGGERS: Final = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.sdk._shared_internal",
)
_NUMBER: Final = re.compile(r"0x[0-9a-f]+|\d+")
"""Addresses of objects, pauses, ports: no other trouble."""


class OnceAChange(logging.Filter):
    """Passes each message once until `went_well`; of messages that differ in their numbers alone, one."""

    def __init__(self) -> None:
        super().__init__()
        self._said: frozenset[str] = frozenset()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is news."""
        kind = _NUMBER.sub("", record.getMessage())
        if kind in self._said:
            return False
        self._said |= {kind}
        return True

    def went_well(self) -> None:
        """What comes next is news again."""
        if self._said:
            self._said = frozenset()
            structlog.get_logger("affiant").info("spans reach the collector again")

    def begin(self) -> None:
        """From now on; up to `end`."""
        for name in LOGGERS:
            logging.getLogger(name).addFilter(self)

    def end(self) -> None:
        """Of this one alone."""
        for name in LOGGERS:
            logging.getLogger(name).removeFilter(self)
