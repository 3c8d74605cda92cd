"""The failures of the monitoring room.

MonitoringError
├── DetectError            a detector was given what it does not take; the message says what and where
│   └── DeltaRefused       the reference has too few rows for the tolerance that was asked for
├── EvidenceUnavailable    evidence, or what it is computed of, is not to be had now
│   ├── EvidenceGone       neither the log nor the archive has its records any more
│   └── NotLeading         this monitor does not judge: another one does, or none just now
└── EvidenceWrong          what was given is no evidence, or of another log
"""

# ruff: noqa: N818 - the names say what happened, as in the other rooms.

from __future__ import annotations


class MonitoringError(Exception):
    """Root of the failures of this room."""


class DetectError(MonitoringError, ValueError):
    """A detector was given what it does not take: a wrong shape, a negative count, a limit out of range."""


class DeltaRefused(DetectError):
    """The reference has too few rows for this tolerance: what it cannot tell from chance would be an alarm."""


class EvidenceUnavailable(MonitoringError):
    """Evidence, or what it is computed of, is not to be had now; it may be later."""


class EvidenceGone(EvidenceUnavailable):
    """Neither the log nor the archive has the evidence's records any more."""


class NotLeading(EvidenceUnavailable):
    """This monitor does not judge: another one does, or none just now."""


class EvidenceWrong(MonitoringError):
    """What was given is no evidence, or is of another log, or of panes that cannot be judged."""
