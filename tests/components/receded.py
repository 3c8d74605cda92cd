"""A local log whose one partition is in the archive, written by the real archiver, and that then loses records."""

from __future__ import annotations

import shutil
from pathlib import Path

from audit.archive import Archiver, Limits
from audit.config import Config
from audit.log import configured_log
from audit.log.frames import encode_frame
from audit.proof.record import split_record
from audit.show import walk
from audit.trees import configured_trees

from .archives import ArchiveSeal


class Receded:
    """The log of these settings, whose files are in `data/log` of `directory`."""

    def __init__(self, config: Config, directory: Path, *, records: int = 600) -> None:
        """Archive all of it, in files of so many records; the log is as it was."""
        self._directory = directory / "data" / "log"
        self._log = configured_log(config, create=False)
        reader = self._log.reader()
        try:
            self.end = reader.bounds(0)[1]
            self._entries = list(walk(reader, 0, 0, self.end))
        finally:
            reader.close()
        topic = self._log.topic().id
        archiver = Archiver(configured_trees(config).objects, topic, 0, 0, 0, Limits(records=records))
        for entry in self._entries:
            archiver.add(entry.offset, entry.timestamp, *split_record(entry.value or b""))
        while archiver.archive(ArchiveSeal(self.end), 0.0, flush=True):
            pass

    def begin(self, first: int) -> None:
        """From now on the log of the same topic begins there."""
        partition = self._directory / "0"
        for each in partition.glob("*.log"):
            each.unlink()
        frames = b"".join(
            encode_frame(each.offset, each.timestamp, each.key or b"", each.value)
            for each in self._entries[first:]
        )
        (partition / f"{first:020d}.log").write_bytes(frames)
        (partition / "end").unlink()
        self._log.writer(0).close()

    def lose(self) -> None:
        """There is no log any more."""
        shutil.rmtree(self._directory)
