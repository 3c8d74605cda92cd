"""Panes that outlive the process, and who else's there are.

One contract (base.py): `file` beside a local log, `kafka` in a compacted topic, which `monitoring.state_topic` makes
and checks. `feed` gives whoever judges the panes of all partitions.
"""

from __future__ import annotations

from .base import KEEP, PaneStore, Restored
from .file import FileStore

__all__ = ["KEEP", "FileStore", "PaneStore", "Restored"]
