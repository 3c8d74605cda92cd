"""The failures of the mirror. None of them is the record's: shipping goes on."""

from __future__ import annotations

from audit.errors import AuditError


class ReceiverUnavailable(AuditError):  # noqa: N818 — says what happened
    """The receiver does not connect, take or acknowledge: what was sent is sent again."""
