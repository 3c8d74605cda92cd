"""The writer's segments: made ahead of need, taken in turn, removed when they are safe elsewhere."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from pathlib import Path

from .disk import Disk, write_all, write_zeros
from .layout import HEADER_SIZE, SegmentHeader, align, segment_name
from .recover import SPARE_NAME, Segment, remove_segment
from .syncer import Worker


class Segments:
    """The open segment, the spare that follows it, and those that wait to be freed.

    Everything here is on the loop's thread but the syscalls given to the worker. `changed` is called when a
    spare is ready or could not be made; `failed` when a rotation failed: nothing may be written after that.
    """

    def __init__(
        self,
        directory: Path,
        held: list[Segment],
        seed: bytes,
        *,
        disk: Disk,
        worker: Worker,
        segment_bytes: int,
        max_bytes: int,
        changed: Callable[[], None],
    ) -> None:
        self._directory = directory
        self._disk = disk
        self._worker = worker
        self._segment_bytes = segment_bytes
        self._max_bytes = max_bytes
        self._changed = changed
        self._held = deque(held)
        self._spare: tuple[int, int] | None = None  # descriptor, size
        self._busy = False  # a spare is being made, or a rotation or a removal is under way
        self._wanted = segment_bytes
        self.current = held[-1]
        self.seed = seed
        """Of the open segment's checksums."""
        self.fd = disk.open(directory / segment_name(self.current.number), os.O_WRONLY)
        self.rotating = False
        self.problem = ""
        """Why there is no spare, in words; empty when there is one or it is being made."""
        self.waits_for = "the log"
        """Whose word the oldest segments wait for, in words."""

    @property
    def held_bytes(self) -> int:
        """Bytes written and not yet freed."""
        return sum(segment.end for segment in self._held)

    @property
    def largest_bytes(self) -> int:
        """Size of the largest segment that is held: a frame longer than a segment has one of its own."""
        return max(segment.size for segment in self._held)

    @property
    def room(self) -> int:
        """Bytes of groups that are sure to find a place, whatever their sizes."""
        if self._spare is not None:
            return self._spare[1] - HEADER_SIZE
        return self.current.size - align(self.current.end)

    @property
    def spare_size(self) -> int:
        """Bytes of groups that the spare holds; 0 when there is none, or something else is being done."""
        return 0 if self._spare is None or self._busy else self._spare[1] - HEADER_SIZE

    def may_hold(self, size: int) -> bool:
        """Whether a group larger than a segment could get one of its own within the bound."""
        taken = sum(segment.size for segment in self._held)
        return taken + size + HEADER_SIZE <= self._max_bytes

    def fits(self, size: int) -> bool:
        """Whether a group of `size` bytes has a place in the open segment."""
        return align(self.current.end) + size <= self.current.size

    def prepare(self, size: int = 0) -> None:
        """Have a spare made, if there is none that holds a group of `size` bytes. MAY be called often."""
        self._wanted = max(self._segment_bytes, size + HEADER_SIZE)
        if self._busy or (self._spare is not None and self._spare[1] >= self._wanted):
            return
        stale, self._spare = self._spare, None
        taken = sum(segment.size for segment in self._held)
        if taken + self._wanted > self._max_bytes:
            if stale is not None:
                self._disk.close(stale[0])
            self.problem = (
                f"the journal is at its bound of {self._max_bytes} bytes, and waits for {self.waits_for}"
            )
            return
        self._busy = True
        wanted = self._wanted
        self._worker.run(lambda: self._make(stale, wanted), self._made)

    def rotate(self, header: SegmentHeader, done: Callable[[BaseException | None], None]) -> None:
        """Make the spare the open segment. Groups may be written to it once `done(None)` was called.

        MUST be called only while no group is being synced and the spare is there. A crash before the rename
        leaves a spare, which recovery removes; one after it a segment with a synced header and no groups.
        """
        assert self._spare is not None
        assert not self._busy
        fd, size = self._spare
        self._busy = self.rotating = True

        def work() -> None:
            write_all(self._disk, fd, (header.encode(),), 0)
            self._disk.sync(fd)
            self._disk.rename(self._directory / SPARE_NAME, self._directory / segment_name(header.segment))
            self._disk.sync_directory(self._directory)

        def finished(_: object, error: BaseException | None) -> None:
            self._busy = self.rotating = False
            if error is None:
                self._disk.close(self.fd)
                self.fd, self.seed, self._spare = fd, header.seed, None
                self.current = Segment(header.segment, header.sequence, HEADER_SIZE, size)
                self._held.append(self.current)
            done(error)

        self._worker.run(work, finished)

    def free(self, reached: int, oldest_request: int) -> None:
        """Remove the segments whose entries are all below `reached`: in the log, or sealed.

        `oldest_request`: number of the oldest segment with the request frame of an unanswered request; it and
        what follows stay, so that a crash can still tell of that request.
        """
        if self._busy or len(self._held) < 2:
            return
        oldest, following = self._held[0], self._held[1]
        if following.sequence > reached or oldest.number >= oldest_request:
            return
        self._busy = True

        def freed(_: object, error: BaseException | None) -> None:
            self._busy = False
            if error is None:
                self._held.popleft()
                self.problem = ""
            else:
                self.problem = f"cannot remove a segment: {error}"
            self._changed()  # a missing spare is made before the next removal
            if error is None:
                self.free(reached, oldest_request)

        self._worker.run(lambda: remove_segment(self._directory, self._disk, oldest.number), freed)

    def close(self) -> None:
        """Close the descriptors. The spare stays on disk and is removed by the next opening."""
        self._disk.close(self.fd)
        if self._spare is not None:
            self._disk.close(self._spare[0])

    def _make(self, stale: tuple[int, int] | None, size: int) -> tuple[int, int]:
        """On the worker: a file of written, synced zeros under the spare's name."""
        path = self._directory / SPARE_NAME
        if stale is not None:
            self._disk.close(stale[0])
        if SPARE_NAME in self._disk.list(self._directory):
            self._disk.unlink(path)
        fd = self._disk.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            write_zeros(self._disk, fd, 0, size)
            self._disk.sync(fd)
        except OSError:
            self._disk.close(fd)
            self._disk.unlink(path)  # gives the blocks back: this is where a full disk shows
            raise
        return fd, size

    def _made(self, spare: tuple[int, int] | None, error: BaseException | None) -> None:
        self._busy = False
        if error is None:
            self._spare = spare
            self.problem = ""
        else:
            self.problem = f"no segment could be made ahead: {error}"
        self._changed()
