"""What a recomputation reads: the log, and out of the archive what the log does not have any more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from audit.config import Config
from audit.errors import LogUnavailable, OffsetGone
from audit.log import configured_log
from audit.log.base import LogEntry, LogReader, Topic

if TYPE_CHECKING:
    from audit.archive import Archive
    from registry.deployment import Event

_TOGETHER: Final = 4096
"""Records of the archive that are read at once."""


class WithArchive:
    """A `LogReader` whose older records are the archive's. For one thread."""

    def __init__(self, archive: Archive, topic: bytes, reader: LogReader | None) -> None:
        """`reader`: of the log; None: the archive alone is read."""
        self._archive: Final = archive
        self._topic: Final = topic
        self._reader: Final = reader

    def bounds(self, partition: int) -> tuple[int, int]:
        """See `LogReader.bounds`: of both together."""
        first, end = self._reader.bounds(partition) if self._reader is not None else (0, 0)
        files = self._files(partition) if first or self._reader is None else []
        if self._reader is None:
            return min((each[0] for each in files), default=0), max((each[1] for each in files), default=0)
        return min([first, *(each[0] for each in files)]), end

    def read(self, partition: int, offset: int, max_bytes: int, timeout: float) -> list[LogEntry]:
        """See `LogReader.read`. Raises, besides, ArchiveGap."""
        if self._reader is not None:
            first, _ = self._reader.bounds(partition)
            if offset >= first:
                return self._reader.read(partition, offset, max_bytes, timeout)
        file = next((each for each in self._files(partition) if each[0] <= offset < each[1]), None)
        if file is None:
            raise OffsetGone(f"partition {partition}: neither the log nor the archive has offset {offset}")
        found, size = [], 0
        for old in self._archive.records(self._topic, partition, offset, min(file[1], offset + _TOGETHER)):
            found.append(LogEntry(old.offset, old.logged or 0, None, old.value))
            size += len(old.payload)
            if size >= max_bytes:
                break
        return found

    def close(self) -> None:
        """Let go of the log."""
        if self._reader is not None:
            self._reader.close()

    def _files(self, partition: int) -> list[tuple[int, int]]:
        from audit.archive import Part

        return [(each.first, each.end) for each in self._archive.files(Part.ENTRIES, self._topic, partition)]


@contextmanager
def opened(config: Config, event: Event | None, *, archive_only: bool) -> Iterator[tuple[Topic, LogReader]]:
    """The record log's topic, and a reader of it and of its archive.

    Args:
        config: the settings.
        event: whose evidence names the topic, where only the archive is read.
        archive_only: for who has no access to the log.

    Raises:
        LogUnavailable, ObjectsUnavailable: as they say.
    """
    from audit.archive import Archive
    from audit.archive import Part as Kinds
    from audit.trees import configured_trees

    trees = configured_trees(config)
    archive = Archive(trees.objects, trees.payload_objects)
    if not archive_only:
        log = configured_log(config, create=False)
        topic = log.topic()
        reader = WithArchive(archive, topic.id, log.reader())
    else:
        said = (None if event is None else event.content.evidence) or {}
        evidence = said.get("comparison" if said.get("kind") == "rollout" else "evidence")
        named = str(evidence.get("topic")) if isinstance(evidence, dict) else ""
        partitions = [
            file.partition for file in archive.all_files(Kinds.ENTRIES) if file.topic.hex() == named
        ]
        if not partitions:
            raise LogUnavailable(
                f"the archive has nothing of the topic {named[:32] or 'that the event names'}"
            )
        topic = Topic("archive", "archive", bytes.fromhex(named), max(partitions) + 1)
        reader = WithArchive(archive, topic.id, None)
    try:
        yield topic, reader
    finally:
        reader.close()
