"""The failures of the monitoring room.

MonitoringError
└── DetectError            a detector was given what it does not take; the message says what and where
    └── DeltaRefused       the reference has too few rows for the tolerance that was asked for
"""

# ruff: noqa: N818 - the names say what happened, as in the other rooms.

from __future__ import annotations


class MonitoringError(Exception):
    """Root of the failures of this room."""


class DetectError(MonitoringError, ValueError):
    """A detector was given what it does not take: a wrong shape, a negative count, a limit out of range."""


class DeltaRefused(DetectError):
    """The reference has too few rows for this tolerance: what it cannot tell from chance would be an alarm."""
