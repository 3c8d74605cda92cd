"""Reads the `local` log, up to its writer's mark."""

from __future__ import annotations

import os
import time
from bisect import bisect_right
from pathlib import Path
from typing import Final

from audit.errors import LogDamaged, LogUnavailable, OffsetGone
from audit.mark import Mark, MarkReader, MarkUnreadable

from .base import LogEntry, Topic
from .frames import FIXED, HEAD, frames, seek, segments, translated

_POLL: Final = 0.002


class LocalReader:
    """Reads up to the writer's mark."""

    def __init__(self, directory: Path, topic: Topic) -> None:
        """`directory` is the log's, `topic` what stands in it."""
        self._root = directory
        self._topic = topic
        self._marks: dict[int, MarkReader] = {}
        # Where the last read of a partition ended: reading on needs no search.
        self._places: dict[int, tuple[int, int, int]] = {}

    def bounds(self, partition: int) -> tuple[int, int]:
        """See `LogReader.bounds`."""
        directory = self._directory(partition)
        mark = self._end(partition)
        with translated(directory):
            known = segments(directory)
        return (known[0][0] if known else 0), (mark.first if mark else 0)

    def read(self, partition: int, offset: int, max_bytes: int, timeout: float) -> list[LogEntry]:
        """See `LogReader.read`."""
        deadline = time.monotonic() + timeout
        while True:
            mark = self._end(partition)
            if mark is not None and offset < mark.first:
                return self._read(partition, offset, max_bytes, mark)
            if mark is not None and offset > mark.first:
                raise OffsetGone(f"partition {partition}: offset {offset} is beyond the end, {mark.first}")
            if time.monotonic() >= deadline:
                return []
            time.sleep(_POLL)

    def close(self) -> None:
        """See `LogReader.close`."""
        for mark in self._marks.values():
            mark.close()
        self._marks.clear()

    def _directory(self, partition: int) -> Path:
        if not 0 <= partition < self._topic.partitions:
            raise LogUnavailable(f"{self._root}: has no partition {partition}")
        return self._root / str(partition)

    def _end(self, partition: int) -> Mark | None:
        reader = self._marks.get(partition)
        directory = self._directory(partition)
        try:
            with translated(directory):
                try:
                    if reader is None:
                        reader = self._marks[partition] = MarkReader(directory / "end")
                    return reader.read()
                except FileNotFoundError:
                    return None
        except MarkUnreadable as error:
            raise LogUnavailable(str(error)) from error

    def _read(self, partition: int, offset: int, max_bytes: int, mark: Mark) -> list[LogEntry]:
        with translated(self._directory(partition)):
            return self._read_from(partition, offset, max_bytes, mark)

    def _read_from(self, partition: int, offset: int, max_bytes: int, mark: Mark) -> list[LogEntry]:
        base, position, path = self._locate(partition, offset)
        with path.open("rb") as file:
            limit = os.fstat(file.fileno()).st_size
            if mark.second == base:
                limit = min(limit, mark.third)
            if limit <= position:
                raise LogDamaged(f"{path}: damaged at byte {position}: offset {offset} is cut off")
            file.seek(position)
            data = file.read(min(max(max_bytes, HEAD.size), limit - position))
            entries = [entry for entry, _ in frames(data, 0, len(data))]
            if not entries:  # one frame larger than max_bytes, or damage
                length = HEAD.unpack(data[: HEAD.size])[0] if len(data) >= HEAD.size else 0
                file.seek(position)
                data = file.read(min(length + HEAD.size, limit - position))
                entries = [entry for entry, _ in frames(data, 0, len(data))]
        if not entries or entries[0].offset != offset:
            raise LogDamaged(f"{path}: damaged at byte {position}, offset {offset}")
        end = position + sum(
            HEAD.size + FIXED.size + len(e.key or b"") + len(e.value or b"") for e in entries
        )
        self._places[partition] = (entries[-1].offset + 1, base, end)
        return entries

    def _locate(self, partition: int, offset: int) -> tuple[int, int, Path]:
        """(base, position, path) of the frame with that offset."""
        directory = self._directory(partition)
        known = segments(directory)
        if not known or offset < known[0][0]:
            raise OffsetGone(f"partition {partition}: offset {offset} is not there any more")
        bases = [base for base, _ in known]
        base, path = known[bisect_right(bases, offset) - 1]
        following, at, position = self._places.get(partition, (-1, -1, 0))
        if following == offset and at == base:
            return base, position, path
        return base, seek(path, offset), path
