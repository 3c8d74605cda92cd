"""Which partitions this monitor counts, and reading them: all of a `local` log, or those that its group gives it.

`step` is one round; whoever runs the monitor calls it again and again, on one thread. Whatever goes wrong with what is
outside is waited for with growing pauses, and said in the log and by `standings`; nothing is passed over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from audit.errors import LogUnavailable, OffsetGone
from audit.log.base import Log, LogReader
from monitoring.read import External, Packages
from monitoring.store import FileStore
from monitoring.waits import ALL, Clock, Waits
from monitoring.worker import Hand, Worker
from registry.errors import StoreUnavailable

_BYTES: Final = 4 << 20
_PAUSE: Final = 0.05
UNAVAILABLE: Final = (LogUnavailable, StoreUnavailable)
"""What is waited for."""


class Standing(NamedTuple):
    """How far a partition was read."""

    position: int
    """The next offset."""
    end: int
    """Of the log, as it was last seen."""
    time: int
    """The largest log time that was read, ms since 1970 UTC; 0: nothing was."""
    waiting: str | None
    """Why it does not go on; None: it does."""


class Following(Protocol):
    """A part of a log that is counted. For one thread."""

    @property
    def topic(self) -> bytes | None:
        """Id of the log's topic; None: it was not reached yet."""
        ...

    @property
    def leads(self) -> bool:
        """Whether this monitor judges what all of the group have counted. Of a group, one does, or none for a while;
        two never write different things, whatever they believe.
        """
        ...

    @property
    def trouble(self) -> str | None:
        """Why nothing at all can be read now; None: something can. Of single partitions `standings` says it."""
        ...

    def step(self, timeout: float) -> int:
        """Read what is there, or wait for it, `timeout` seconds at most; how many panes were finished.

        MUST NOT raise for what is outside and may come back.

        Raises:
            ConfigError: settings with which it cannot go on.
        """
        ...

    def standings(self) -> Mapping[int, Standing]:
        """Of the partitions that are counted here."""
        ...

    def close(self) -> None:
        """Let go, so that others of the group go on at once."""
        ...


class LocalFollowing:
    """All partitions of a log that is a directory."""

    leads: Final = True

    def __init__(
        self,
        log: Log,
        directory: Path,
        size: int,
        packages: Packages,
        hand: Hand,
        external: External | None = None,
        *,
        clock: Clock = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Nothing is read yet.

        Args:
            log: what is counted.
            directory: for the panes, of this monitor alone.
            size: offsets of a pane.
            packages: where profiles are had.
            hand: gets the panes that are kept, and each that is finished.
            external: what the object store has under a digest.
            clock: seconds, monotonic.
            pause: waits.
        """
        self._log: Final = log
        self._directory: Final = directory
        self._size: Final = size
        self._packages: Final = packages
        self._hand: Final = hand
        self._external: Final = external
        self._pause: Final = pause
        self._waits: Final = Waits(clock)
        self._opened: _Opened | None = None

    @property
    def topic(self) -> bytes | None:
        """See `Following.topic`."""
        return None if self._opened is None else self._opened.topic

    @property
    def trouble(self) -> str | None:
        """See `Following.trouble`."""
        return self._waits.reason(ALL)

    def step(self, timeout: float) -> int:
        """See `Following.step`."""
        done = read = 0
        try:
            opened = self._open()
        except UNAVAILABLE as error:
            self._waits.failed(ALL, str(error))
            self._pause(min(timeout, _PAUSE))
            return 0
        for worker in opened.workers.values():
            if self._waits.over(worker.partition):
                some, finished = self._read(opened, worker)
                read, done = read + some, done + finished
        if not read:
            self._pause(min(timeout, _PAUSE))
            self._look_again()
        return done

    def standings(self) -> Mapping[int, Standing]:
        """See `Following.standings`."""
        if self._opened is None:
            return {}
        found = {}
        for partition, worker in self._opened.workers.items():
            try:
                end = self._opened.reader.bounds(partition)[1]
            except LogUnavailable:
                end = worker.offset
            found[partition] = Standing(
                worker.offset, max(end, worker.offset), worker.time, self._waits.reason(partition)
            )
        return found

    def close(self) -> None:
        """See `Following.close`."""
        if self._opened is not None:
            opened, self._opened = self._opened, None
            opened.reader.close()
            opened.store.close()

    def _open(self) -> _Opened:
        if self._opened is not None:
            return self._opened
        if not self._waits.over(ALL):
            raise LogUnavailable(self._waits.reason(ALL) or "")
        topic = self._log.topic()
        store = FileStore(self._directory, topic.id, self._size)
        try:
            workers = {
                partition: Worker(partition, self._size, store, self._packages, self._hand, self._external)
                for partition in range(topic.partitions)
            }
            self._opened = _Opened(topic.id, self._log.reader(), store, workers)
        except BaseException:
            store.close()
            raise
        self._waits.went_on(ALL)
        return self._opened

    def _read(self, opened: _Opened, worker: Worker) -> tuple[int, int]:
        """Entries that were read, and panes that were finished."""
        partition = worker.partition
        try:
            entries = opened.reader.read(partition, worker.offset, _BYTES, 0.0)
            finished = worker.take(entries) if entries else 0
        except OffsetGone as error:
            self._gone(opened, worker, error)
            return 0, 0
        except UNAVAILABLE as error:
            self._waits.failed(partition, str(error))
            return 0, 0
        self._waits.went_on(partition)
        return len(entries), finished

    def _gone(self, opened: _Opened, worker: Worker, error: OffsetGone) -> None:
        try:
            first, _ = opened.reader.bounds(worker.partition)
        except LogUnavailable as other:
            self._waits.failed(worker.partition, str(other))
            return
        if first > worker.offset:
            worker.skip(first)
        else:
            self._waits.failed(worker.partition, str(error))

    def _look_again(self) -> None:
        """A log that was made again is another one: what is known of the old one is let go of."""
        assert self._opened is not None
        try:
            changed = self._log.topic().id != self._opened.topic
        except LogUnavailable as error:
            self._waits.failed(ALL, str(error))
            return
        self._waits.went_on(ALL)
        if changed:
            self.close()


class _Opened(NamedTuple):
    topic: bytes
    reader: LogReader
    store: FileStore
    workers: Mapping[int, Worker]
