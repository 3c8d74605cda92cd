"""Why a record could not be counted. Each is counted; none is raised, and none stops anything."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """The `reason` of `affiant_monitor_unreadable`, and of a pane."""

    RECORD = "not a record"
    ENTRY = "malformed entry"
    DUPLICATE = "duplicate"
    """A benign one: a journal's entry that had come before."""
    PACKAGE = "unknown package"
    """No plan ever named it for that service, or its store has no such package."""
    SLOT = "unknown slot"
    ABSENT = "payload absent"
    """Erased, or removed from the object store."""
    LARGE = "payload too large"
    WRONG = "payload not the entry's"
    ENCRYPTED = "payload encrypted"
    PAYLOAD = "malformed payload"
    SCHEMA = "unknown schema"
    """The model's input is not of the package's signature."""
    ANSWER = "malformed answer"
    """Not the answer of this package to so many rows."""
