"""The failures of the audit room.

    AuditError
    ├── ConfigError            affiant.toml is not what it should be
    ├── JournalError
    │   ├── JournalFailed      a sync failed: this journal never resolves again
    │   ├── JournalFull        at the bound, or the disk is full: come back later
    │   ├── JournalDamaged     recovery found damage: stop and report
    │   ├── JournalLocked      another process owns this journal
    │   ├── SequenceGone       that part of the journal was freed
    │   └── NotReleased        release = log, and the log did not acknowledge in time
    ├── LogError
    │   ├── LogUnavailable     the log does not answer now
    │   │   └── NoSuchTopic    it answers that it has no such topic; somebody may make it
    │   ├── OffsetGone         that part of the log is not there any more
    │   └── TopicUnsafe        the topic's settings would not keep the promise
    └── NotaryError
        ├── ObjectsUnavailable the store of what is sealed does not answer now, or refuses
        ├── ObjectChanged      compare-and-swap: another process was faster
        ├── NotaryRefuses      sealing on would contradict what was sealed before: stop and report
        ├── WitnessUnavailable a witness does not answer, or does not know this log
        │   └── WitnessContradicts it says that it knows a larger tree, or another one
        ├── NotSealed          the record is not in a published checkpoint (yet)
        ├── NoSuchRecord       nobody here knows a record of that id
        ├── ArchiveGap         the archive does not hold these offsets, or lost a file
        ├── IndexUnusable      the auditor's index is in use, or damaged
        ├── QueryRefused       SQL that is no SELECT, or that DuckDB does not take
        └── KeyRefused         a key file that others can read, or that is none

Bytes that are not what the format says are `audit.proof.errors.FormatError`.
"""

# ruff: noqa: N818 — the names are the house words of what happened, not of a class of errors

from __future__ import annotations


class AuditError(Exception):
    """Root of the failures of this room."""


class ConfigError(AuditError):
    """affiant.toml is not what it should be; the message says which key and what would be right."""


class JournalError(AuditError):
    """Root of the journal's failures."""


class JournalFailed(JournalError):
    """A write or sync failed: the journal fails closed, nothing after it is durable."""


class JournalFull(JournalError):
    """The journal is at its bound, or the disk is full. `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class JournalDamaged(JournalError):
    """Recovery found damage that is not a torn tail; the message says segment, offset and reason."""


class JournalLocked(JournalError):
    """Another process owns this journal."""


class SequenceGone(JournalError):
    """The part of the journal with that sequence was freed: it is in the log, and sealed where that is waited for."""


class NotReleased(JournalError):
    """release = log, and the log did not acknowledge the record in time."""


class LogError(AuditError):
    """Root of the log's failures."""


class LogUnavailable(LogError):
    """The log does not answer now."""


class LogDamaged(LogUnavailable):
    """What the log has at that place is not what was written: asking again gives the same."""


class NoSuchTopic(LogUnavailable):
    """The log has no such topic (yet): who ships tries again, and somebody may make it meanwhile."""


class OffsetGone(LogError):
    """The part of the log with that offset is not there any more (retention, truncation)."""


class TopicUnsafe(LogError):
    """The topic's settings would not keep the promise; the message names each."""


class NotaryError(AuditError):
    """Root of the failures of sealing, and of reading what is sealed."""


class ObjectsUnavailable(NotaryError):
    """The store of what is sealed does not answer now, or refuses; the message says which and why."""


class ObjectChanged(NotaryError):
    """Compare-and-swap failed: another process has written since."""


class NotaryRefuses(NotaryError):
    """Sealing on would contradict what was sealed before; the message says what is found, and what was."""


class WitnessUnavailable(NotaryError):
    """A witness does not answer, or does not vouch for this log; the message says which and why."""


class WitnessContradicts(WitnessUnavailable):
    """A witness says that it knows a larger tree of this log, or another one. Nothing proves what it says."""


class NotSealed(NotaryError):
    """No published checkpoint covers the record (yet)."""


class ArchiveGap(NotaryError):
    """The archive does not hold some offsets that it should; the message says which, or which file."""


class NoSuchRecord(NotaryError):
    """Nobody here knows a record of that id, or where it stands."""


class IndexUnusable(NotaryError):
    """The auditor's index: another process has it, or its file is damaged. Another log's is a ConfigError."""


class QueryRefused(NotaryError):
    """SQL that is not one SELECT, or that DuckDB does not take; the message is DuckDB's."""


class KeyRefused(NotaryError):
    """A key file that others can read, or that holds no key."""
