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
    "governance_copy",
    "governance_log_of_gateway",
    "open_log",
]


def configured_log(config: Config, *, create: bool = True) -> Log:
    """The log of a settings file; see `open_log`."""
    return open_log(config.section("log", LogSettings), config, create=create)


def configured_governance_log(config: Config, *, create: bool = True) -> Log:
    """The governance log of a settings file: one partition, beside the log itself; see `open_log`."""
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
        create=create,
    )


def governance_copy(config: Config) -> Path:
    """Where the sidecar keeps a copy of a governance log that is on Kafka (copy.py), for the gateway beside it."""
    return config.data / "governance-copy"


def governance_log_of_gateway(config: Config) -> Log:
    """The governance log as a gateway reads it: itself when it is a directory, else its copy. Nothing is made."""
    settings = config.section("log", LogSettings)
    if settings.backend == "local":
        return configured_governance_log(config, create=False)
    from .local import LocalLog

    return LocalLog(governance_copy(config), settings.governance_topic, create=False)


def open_log(settings: LogSettings, config: Config, *, create: bool = True) -> Log:
    """The log that the settings name. No broker is contacted yet.

    Args:
        settings: [log].
        config: for paths.
        create: make a `local` log's directory when it is absent. Who only reads MUST give False: an empty log is
            without a flaw.

    Raises:
        ConfigError: settings that contradict each other.
    """
    if settings.backend == "local":
        from .local import LocalLog

        directory = config.resolve(settings.directory) if settings.directory else config.data / "log"
        return LocalLog(Path(directory), settings.topic, settings.partitions, create=create)
    from .kafka import KafkaLog

    return KafkaLog(settings, config)
