"""Waiting for the disk off the loop's thread: a thread, or Linux kernel AIO."""

# ruff: noqa: D102 — the protocols document their methods

from __future__ import annotations

import asyncio
import ctypes
import os
import platform
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any, Final, Literal, Protocol

from .disk import Disk, RealDisk

# nr of io_setup, io_destroy, io_getevents, io_submit (Linux, arch/*/entry/syscalls, asm-generic/unistd.h).
_SYSCALLS: Final = {"x86_64": (206, 207, 208, 209), "aarch64": (0, 1, 4, 2)}
_CMD_FDSYNC: Final = 3
_FLAG_RESFD: Final = 1

Done = Callable[[Any, BaseException | None], None]


class Syncer(Protocol):
    """Makes a file's content durable without blocking the loop. One sync at a time."""

    def sync(self, fd: int, done: Callable[[BaseException | None], None]) -> None:
        """Start fdatasync; `done(error)` is called on the loop's thread when it has returned.

        MUST NOT call `done(None)` unless fdatasync returned 0. MUST NOT call `done` from within this call.
        """

    def close(self) -> None:
        """Release what it holds. MUST NOT be called while a sync is in flight."""


class Worker(Protocol):
    """Runs blocking housekeeping in order, off the loop's thread."""

    def run(self, work: Callable[[], Any], done: Done) -> None:
        """Call `work`; then `done(result, None)` or `done(None, error)` on the loop's thread."""

    def close(self) -> None:
        """Wait for what was given, then end."""


class ThreadWorker:
    """One daemon thread with a queue."""

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str) -> None:
        self._loop = loop
        self._queue: queue.SimpleQueue[tuple[Callable[[], Any], Done] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Callable[[], Any], done: Done) -> None:
        self._queue.put((work, done))

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _main(self) -> None:
        while (item := self._queue.get()) is not None:
            work, done = item
            result: Any = None
            failure: BaseException | None = None
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 — it is handed to `done`, which decides
                failure = error
            try:
                self._loop.call_soon_threadsafe(done, result, failure)
            except RuntimeError:
                # The loop was closed under us: nobody waits for an answer any more.
                return


class ThreadSyncer:
    """fdatasync in a daemon thread; it releases the interpreter's lock, the hand-over costs two wake-ups."""

    def __init__(self, loop: asyncio.AbstractEventLoop, disk: Disk) -> None:
        self._disk = disk
        self._worker = ThreadWorker(loop, "journal-sync")

    def sync(self, fd: int, done: Callable[[BaseException | None], None]) -> None:
        self._worker.run(lambda: self._disk.sync(fd), lambda _, error: done(error))

    def close(self) -> None:
        self._worker.close()


class _Iocb(ctypes.Structure):
    """struct iocb of linux/aio_abi.h, little-endian layout."""

    _fields_ = (
        ("data", ctypes.c_uint64),
        ("key", ctypes.c_uint32),
        ("rw_flags", ctypes.c_uint32),
        ("opcode", ctypes.c_uint16),
        ("priority", ctypes.c_int16),
        ("fd", ctypes.c_uint32),
        ("buf", ctypes.c_uint64),
        ("nbytes", ctypes.c_uint64),
        ("offset", ctypes.c_int64),
        ("reserved", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("resfd", ctypes.c_uint32),
    )


class _Event(ctypes.Structure):
    """struct io_event of linux/aio_abi.h."""

    _fields_ = (
        ("data", ctypes.c_uint64),
        ("obj", ctypes.c_uint64),
        ("res", ctypes.c_int64),
        ("res2", ctypes.c_int64),
    )


class AioSyncer:
    """IOCB_CMD_FDSYNC of Linux kernel AIO (io_submit(2)); an eventfd in the loop tells of its completion.

    The kernel runs the fdatasync in a work queue of its own, so no thread of ours takes the interpreter's
    lock from the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Set up a context.

        Raises:
            OSError: no kernel AIO here (another platform, a seccomp filter, fs.aio-max-nr reached).
        """
        numbers = _SYSCALLS.get(platform.machine()) if sys.platform == "linux" else None
        if numbers is None or sys.byteorder != "little":
            raise OSError(38, "no kernel AIO on this platform")
        self._setup, self._destroy, self._getevents, self._submit = map(ctypes.c_long, numbers)
        self._call = ctypes.CDLL(None, use_errno=True).syscall
        self._call.restype = ctypes.c_long
        self._context = ctypes.c_ulong(0)
        if self._call(self._setup, ctypes.c_uint(1), ctypes.byref(self._context)) != 0:
            raise OSError(ctypes.get_errno(), "io_setup failed")
        self._loop = loop
        self._eventfd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._iocb = _Iocb(opcode=_CMD_FDSYNC, flags=_FLAG_RESFD, resfd=self._eventfd)
        self._iocbs = (ctypes.c_void_p * 1)(ctypes.addressof(self._iocb))
        self._event = _Event()
        self._event_at = ctypes.byref(self._event)
        self._one = ctypes.c_long(1)
        self._done: Callable[[BaseException | None], None] | None = None
        loop.add_reader(self._eventfd, self._ready)

    def sync(self, fd: int, done: Callable[[BaseException | None], None]) -> None:
        assert self._done is None
        self._done = done
        self._iocb.fd = fd
        if self._call(self._submit, self._context, self._one, self._iocbs) != 1:
            error = OSError(ctypes.get_errno(), "io_submit of fdatasync failed")
            self._loop.call_soon(self._finish, error)

    def close(self) -> None:
        self._loop.remove_reader(self._eventfd)
        self._call(self._destroy, self._context)
        os.close(self._eventfd)

    def _ready(self) -> None:
        os.eventfd_read(self._eventfd)
        # The event is there when the eventfd was signalled; waiting for one cannot block.
        got = self._call(self._getevents, self._context, self._one, self._one, self._event_at, None)
        if got != 1:
            self._finish(OSError(ctypes.get_errno(), "io_getevents failed"))
        elif self._event.res != 0:
            self._finish(OSError(-self._event.res, "fdatasync failed"))
        else:
            self._finish(None)

    def _finish(self, error: BaseException | None) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(error)


def make_syncer(
    kind: Literal["auto", "thread", "aio"], loop: asyncio.AbstractEventLoop, disk: Disk
) -> Syncer:
    """The syncer that the settings ask for; the thread where kernel AIO is not to be had."""
    if kind in ("auto", "aio") and isinstance(disk, RealDisk):
        try:
            return AioSyncer(loop)
        except OSError:
            # Refused by a container's filter, or by the system's limit of contexts: the thread does as well.
            return ThreadSyncer(loop, disk)
    return ThreadSyncer(loop, disk)
