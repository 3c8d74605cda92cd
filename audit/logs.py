"""How processes log: events with fields, for people or as JSON."""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog

Form = Literal["text", "json"]


def configure(form: Form) -> None:
    """From now on every event of this process is written in this form; text is what nobody has to ask for.

    JSON: one object a line on the standard output, with `event`, `level`, `timestamp` (RFC 3339, UTC) and the
    event's own fields; an exception's traceback is its `exception`. What the standard library's loggers say
    (servers, clients) goes the same way, whatever handlers they were given before; so do Python's warnings.
    """
    if form == "text":
        # What rich would print of an exception has the locals of every frame: bodies, keys of callers.
        plain = structlog.dev.ConsoleRenderer(
            colors=sys.stdout is not None and sys.stdout.isatty(),
            exception_formatter=structlog.dev.plain_traceback,
        )
        structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])
        return
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.UnicodeDecoder(),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    logging.captureWarnings(True)
    for logger in list(root.manager.loggerDict.values()):
        # A server's own handler writes text, and what it passes on as well would be told twice.
        if isinstance(logger, logging.Logger) and logger.handlers:
            logger.handlers, logger.propagate = [], True
