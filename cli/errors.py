"""Failures that a person can act on, as one line and an exit code (docs/contracts.md, "Commands").

The line says what failed and where, in the words of the room that raised it, and what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from audit.errors import (
    ArchiveGap,
    AuditError,
    ConfigError,
    JournalDamaged,
    JournalLocked,
    KeyRefused,
    NoSuchRecord,
    NotaryRefuses,
    NotSealed,
    OffsetGone,
    QueryRefused,
    SequenceGone,
    TopicUnsafe,
)
from audit.proof.errors import FormatError, NotProved
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
    (NotFound, WRONG, "`affiant model list` shows what the store has"),
    (PackageError, WRONG, ""),
    (StoreDamaged, WRONG, ""),
    (DeploymentRefused, WRONG, ""),
    (NotAdmitted, WRONG, ""),
    (KeyRefused, USAGE, ""),
    (QueryRefused, USAGE, ""),
    (NotaryRefuses, WRONG, "leave the store as it is: what is in it may be evidence"),
    (NoSuchRecord, WRONG, ""),
    (NotSealed, WRONG, ""),
    (ArchiveGap, WRONG, ""),
    (FormatError, WRONG, ""),
    (NotProved, WRONG, ""),
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
            f"install affiant[{wanted}]",
            USAGE,
        )
    for kind, code, hint in _CODES:
        if isinstance(error, kind):
            message = " ".join(str(error).split()) or kind.__name__
            return Told(f"{message}; {hint}" if hint else message, code)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return Told(f"{where}{error.strerror or error}", UNAVAILABLE)
    return None
