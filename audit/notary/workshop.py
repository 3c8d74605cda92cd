"""What the sealing of a log's partitions shares, and what each says of itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from audit.archive import Limits
from audit.errors import LogError, ObjectsUnavailable, WitnessContradicts
from audit.log.base import Log, Topic
from audit.objects.base import Objects
from audit.proof.note import Signer, SignerUnavailable
from audit.settings import NotarySettings

from .cosigning import Cosigner

RETRIES: Final = (0.5, 15.0)
"""Shortest and longest pause before another try, in seconds."""
END_SECONDS: Final = 20.0
"""When the notary was told to end: how long a store is tried that does not answer, and a log is waited for that hands
nothing out."""
AWAY: Final = (LogError, ObjectsUnavailable, SignerUnavailable, WitnessContradicts)
"""What another try may heal: log, store or signer do not answer, or too many witnesses say that the log was forked."""


class TopicChanged(LogError):  # noqa: N818 — says what happened
    """The log's topic is another one than this partition is of: what was read last is not sealed."""


class LogCut(LogError):  # noqa: N818 — says what happened
    """The log ends before what was read of it: what was not sealed of that is let go of."""


@dataclass(slots=True)
class Status:
    """What the metrics say of one partition. Written by its thread, read by others."""

    size: int = 0
    """Leaves that are sealed."""
    published: int = 0
    end: int = 0
    """The log's, as last seen."""
    archived: int = 0
    sealed: int = 0
    """ns since 1970 UTC of the newest state."""
    oldest: int | None = None
    """ms since 1970 UTC: when the oldest record was logged that waits to be sealed; None when none does."""
    caught_up: int = 0
    """ms since 1970 UTC: when the log last had nothing more."""
    holes: int = 0
    duplicates: int = 0
    unclean: int = 0
    missing: tuple[str, ...] = ()
    """Witnesses that do not vouch for the newest checkpoint, and why."""
    witness_failures: int = 0
    held: str = ""
    """Why nothing is sealed now; empty when all is well."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """What all partitions of a log share."""

    log: Log
    topic: Topic
    objects: Objects
    signer: Signer
    settings: NotarySettings
    confirm: Callable[[float], None]
    """Returns when the topic was still this one at or after that time (monotonic seconds).

    Raises TopicChanged when it is another one, LogUnavailable when the log does not answer.
    """
    cosigners: Callable[[], Sequence[Cosigner]] = tuple
    """Makes those of one tree."""
    workers: int = 16
    """Objects of one tree that are written or read at once."""
    clock: Callable[[], int] = time.time_ns
    monotonic: Callable[[], float] = time.monotonic
    archive: bool = True
    payload_objects: Objects | None = None
    """Where the archive's payload files go, when elsewhere."""
    begun: int = 0
    """So many partitions, the first ones, have had a state: one of them without any has lost it."""


def limits(settings: NotarySettings) -> Limits:
    """Where the archive's files are cut."""
    return Limits(settings.archive_records, settings.archive_bytes, settings.archive_seconds)
