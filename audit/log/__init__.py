"""The log: `kafka` (production) and `local` (a directory; the embedded default), one contract (base.py)."""

from __future__ import annotations

from pathlib import Path

from audit.config import Config
from audit.settings import LogSettings

from .base import Delivered, Finding, Log, LogEntry, LogReader, LogWriter, Topic

__all__ = [
    "Delivered",
    "Finding",
    "Log",
    "LogEntry",
    "LogReader",
    "LogWriter",
    "Topic",
    "configured_governance_log",
    "configured_log",
    "open_log",
]


def configured_log(config: Config) -> Log:
    """The log of a settings file."""
    return open_log(config.section("log", LogSettings), config)


def configured_governance_log(config: Config) -> Log:
    """The governance log of a settings file: one partition, beside the log itself."""
    settings = config.section("log", LogSettings)
    directory = config.resolve(settings.directory) if settings.directory else config.data / "log"
    return open_log(
        settings.model_copy(
            update={
                "topic": settings.governance_topic,
                "partitions": 1,
                "directory": directory.with_name(f"{directory.name}-governance"),
            }
        ),
        config,
    )


def open_log(settings: LogSettings, config: Config) -> Log:
    """The log that the settings name. No broker is contacted yet; a `local` directory is made when absent.

    Raises:
        ConfigError: settings that contradict each other.
    """
    if settings.backend == "local":
        from .local import LocalLog

        directory = config.resolve(settings.directory) if settings.directory else config.data / "log"
        return LocalLog(Path(directory), settings.topic, settings.partitions)
    from .kafka import KafkaLog

    return KafkaLog(settings, config)
