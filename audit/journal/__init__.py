"""The journal: this node's disk, before anything leaves it (docs/record-format.md, section 7)."""

from .admission import Admission, Door
from .disk import REAL_DISK, Disk
from .journal import Journal, JournalStats, Opening
from .mark import Mark
from .reader import JournalReader, JournalRecord, Position
from .settings import JournalSettings

__all__ = [
    "REAL_DISK",
    "Admission",
    "Disk",
    "Door",
    "Journal",
    "JournalReader",
    "JournalRecord",
    "JournalSettings",
    "JournalStats",
    "Mark",
    "Opening",
    "Position",
]
