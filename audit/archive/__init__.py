"""The archive: the log as Parquet files that anybody's software reads (docs/sealed-log.md, "Archive").

names.py (where files lie), schema.py (their columns), columns.py (entries → columns), files.py (bytes of a file),
archiver.py (the notary's writer), reader.py (records back out of it).
"""

from __future__ import annotations

from .archiver import Archiver, Limits
from .names import ArchiveFile, Part
from .reader import Archive, ArchivedRecord

__all__ = ["Archive", "ArchiveFile", "ArchivedRecord", "Archiver", "Limits", "Part"]
