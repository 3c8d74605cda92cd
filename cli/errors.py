"""Failures that a person can act on, as one line and an exit code.

The line says what failed and where, in the words of the room that raised it, and what to do. The code is one of
four, and each failure has the same one in every command (docs/exit-codes.md has this table, too):

    0    done; nothing was found to be wrong
    1    WRONG: something does not hold, or what was asked for is not there
    2    USAGE: the command line or the settings are not what they should be; the message says what would be
    3    UNAVAILABLE: a component does not answer, or another process has it; the same command may succeed later
    130  INTERRUPTED: by Ctrl-C

So a record id that is none is 2, and the id of a record that the log does not have is 1: a script that asks for
evidence MUST NOT take "there is none" for "ask again later".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from audit.errors import (
    ArchiveGap,
    AuditError,
    ConfigError,
    IndexUnusable,
    JournalDamaged,
    JournalLocked,
    KeyRefused,
    LogDamaged,
    NoSuchRecord,
    NotaryRefuses,
    NotSealed,
    OffsetGone,
    QueryRefused,
    SequenceGone,
    TopicUnsafe,
)
from audit.proof.errors import FormatError, NotProved
from audit.proof.note import SignerUnavailable
from audit.proof.printable import printable
from monitoring.errors import EvidenceUnavailable, EvidenceWrong, MonitoringError
from registry.errors import (
    DeploymentRefused,
    NotAdmitted,
    NotFound,
    PackageError,
    PublishError,
    RegistryError,
    StoreDamaged,
)

WRONG: Final = 1
USAGE: Final = 2
UNAVAILABLE: Final = 3
INTERRUPTED: Final = 130

# Looked at in this order: the first class that fits decides. What else these rooms raise is "unavailable".
_CODES: Final[tuple[tuple[type[Exception], int, str], ...]] = (
    (ConfigError, USAGE, ""),
    (PublishError, USAGE, ""),
    (TopicUnsafe, WRONG, "`affiant topics check` names each setting and what it should be"),
    (JournalDamaged, WRONG, "keep the directory as it is: what is in it may be evidence"),
    (JournalLocked, UNAVAILABLE, "one gateway worker owns a journal; end the other one first"),
    (SequenceGone, WRONG, ""),
    (OffsetGone, WRONG, ""),
    (LogDamaged, WRONG, "leave the log as it is: what is in it may be evidence"),
    (NotFound, WRONG, "`affiant model list` shows what the store has"),
    (NotAdmitted, WRONG, ""),
    (PackageError, WRONG, ""),
    (StoreDamaged, WRONG, ""),
    (DeploymentRefused, WRONG, ""),
    (KeyRefused, USAGE, ""),
    (QueryRefused, USAGE, ""),
    (NotaryRefuses, WRONG, "leave the store as it is: what is in it may be evidence"),
    (NoSuchRecord, WRONG, ""),
    (NotSealed, WRONG, ""),
    (ArchiveGap, WRONG, ""),
    (FormatError, WRONG, ""),
    (NotProved, WRONG, ""),
    (IndexUnusable, UNAVAILABLE, ""),
    (SignerUnavailable, UNAVAILABLE, ""),
    (EvidenceWrong, WRONG, ""),
    (EvidenceUnavailable, UNAVAILABLE, ""),
    (MonitoringError, WRONG, ""),
    (AuditError, UNAVAILABLE, ""),
    (RegistryError, UNAVAILABLE, ""),
)
_OUR_ROOMS: Final = ("audit", "registry", "service", "monitoring", "cli")


@dataclass(frozen=True, slots=True)
class Told:
    """What is printed, and the exit code."""

    line: str
    code: int


def explain(error: Exception, *, extra: str | None = None) -> Told | None:
    """What to tell about a failure; None for one that nobody expected.

    Args:
        error: what was raised.
        extra: the extra that the command needs, for a library that is not installed.
    """
    if isinstance(error, ModuleNotFoundError) and error.name and error.name.split(".")[0] not in _OUR_ROOMS:
        wanted = extra or "gateway-cpu"
        return Told(
            f"this command needs the extra '{wanted}' ({error.name} is not installed); "
            f"install affiant[{wanted}] from a wheel of your own: no index has its name",
            USAGE,
        )
    for kind, code, hint in _CODES:
        if isinstance(error, kind):
            message = _line(error) or kind.__name__
            return Told(f"{message}; {hint}" if hint else message, code)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return Told(printable(f"{where}{error.strerror or error}"), UNAVAILABLE)
    return None


def _line(error: Exception) -> str:
    """One line, whatever a message holds of what a record, a store or a stranger says."""
    return printable(" ".join(str(error).split()))
