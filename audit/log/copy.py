"""A log's copy in a directory, kept up to date by one process for others that do not speak to the broker.

    <directory>             a `local` log with the original's id, offsets and times (local.py)
    <directory>/contact     its modification time is when the original was last seen to have no more

Whoever reads a copy cannot tell that newer entries are held back from it: `contact` says how old it may be, and the
notary's checkpoints say what must be there.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import structlog

from audit.errors import AuditError, LogUnavailable

from .base import Log, LogReader
from .local import LocalLog, LocalWriter

CONTACT: Final = "contact"
_BYTES: Final = 4 << 20
_POLL_SECONDS: Final = 0.5
_TAKEN_SECONDS: Final = 30.0


class LogCopy:
    """Copies partition 0 of a log: the governance log has one. Used by one thread."""

    def __init__(
        self,
        log: Log,
        directory: Path,
        clock: Callable[[], int] = time.time_ns,
        retry: float = 1.0,
        poll: float = _POLL_SECONDS,
    ) -> None:
        """`retry`: seconds before another try after a failure. `poll`: how long to wait for new entries."""
        self._log = log
        self._directory = directory
        self._clock = clock
        self._retry = retry
        self._poll = poll
        self._say = structlog.get_logger("sidecar")
        self.copied = 0
        """The next offset to be copied."""
        self.contact: int | None = None
        """ns since 1970 UTC when the log was last seen to have no more; None: not since the start."""
        self.problem: str | None = None
        """Why nothing is copied now."""

    def run(self, stop: threading.Event) -> None:
        """Copy until told to end. Whatever goes wrong is told, and tried again."""
        while not stop.is_set():
            try:
                self._follow(stop)
            except AuditError as error:
                self._tell(str(error))
            except Exception as error:  # noqa: BLE001 - a thread that ended unseen would be an old copy
                self._tell(repr(error))
            stop.wait(self._retry)

    def _follow(self, stop: threading.Event) -> None:
        topic = self._log.topic()
        copy = LocalLog.copy(self._directory, topic)
        with closing(copy.writer(0)) as writer, closing(self._log.reader()) as reader:
            self.copied = writer.delivered().offset + 1
            start, end = reader.bounds(0)
            if not start <= self.copied <= end:
                raise LogUnavailable(
                    f"the governance log has offsets {start} to {end}, and its copy goes on at {self.copied}"
                )
            while not stop.is_set():
                entries = reader.read(0, self.copied, _BYTES, self._poll)
                for entry in entries:
                    if entry.offset != self.copied:
                        raise LogUnavailable(f"the governance log has no offset {self.copied}")
                    writer.send_copy(entry)
                    self.copied += 1
                self._wait(writer)
                # An empty answer may be a broker that does not: it must say that there is no more.
                if not entries and self._at_end(reader):
                    self._touch()
                if self.problem is not None:
                    self._say.info("the governance log is copied again", offset=self.copied)
                    self.problem = None

    def _at_end(self, reader: LogReader) -> bool:
        end = reader.bounds(0)[1]
        if end < self.copied:
            raise LogUnavailable(f"the governance log ends at {end}, and its copy at {self.copied}")
        return end == self.copied

    def _wait(self, writer: LocalWriter) -> None:
        deadline = time.monotonic() + _TAKEN_SECONDS
        while writer.delivered().offset + 1 < self.copied:
            if time.monotonic() >= deadline:
                raise LogUnavailable(f"{self._directory}: the disk takes nothing")
            writer.wait(0.5)

    def _touch(self) -> None:
        """Everything that the log had is there. A crash before this makes the copy look older than it is."""
        self.contact = now = self._clock()
        path = self._directory / CONTACT
        path.touch()
        os.utime(path, ns=(now, now))

    def _tell(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            self._say.error("the governance log is not copied", reason=problem)


def contact_of(directory: Path) -> int | None:
    """When a copy was last whole, ns since 1970 UTC; None: never."""
    try:
        return (directory / CONTACT).stat().st_mtime_ns
    except OSError:
        return None
