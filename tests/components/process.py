"""One child process: its log kept in a file, its signals, and conditions with a deadline."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

MARK: Final = "AFFIANT_TEST_PROCESS"
"""In the environment of a process and of all that it starts, whatever sessions they make: whose they are."""


class ComponentError(Exception):
    """A real component is missing, did not get ready, or ended when it should not have."""


def wait_until(
    condition: Callable[[], object],
    *,
    what: str,
    deadline_s: float = 30.0,
    interval_s: float = 0.05,
    details: Callable[[], str] = str,
) -> None:
    """Return when `condition()` is true.

    The condition is looked at again every `interval_s`; it reports "not yet" by a false value, and an
    exception that it raises is the caller's.

    Raises:
        ComponentError: after `deadline_s`, with `what` was awaited and what `details()` adds (a log's end).
    """
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            raise ComponentError(f"after {deadline_s:g} s still waiting for {what}\n{details()}".rstrip())
        time.sleep(interval_s)


def find_program(name: str, tool: str) -> str:
    """The path of a program on PATH or in the usual system folders.

    Raises:
        ComponentError: naming the command that installs it.
    """
    usual = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    found = shutil.which(name, path=usual)
    if found is None:
        raise ComponentError(f"{name} is not installed; run: scripts/tools {tool}")
    return found


class Process:
    """A child process in its own group, whose output goes to one log file.

    It dies with the thread that started it (so an interrupted test run leaves nothing behind); start it from
    a thread that lives as long as it is needed. Start, kill and start again is allowed; the log is appended.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        name: str | None = None,
    ) -> None:
        """`env` is added to this process's environment; `name` is for messages."""
        self.argv = [str(part) for part in argv]
        self.log = log
        self.name = name or Path(self.argv[0]).name
        self._env = dict(env or {})
        self._cwd = cwd
        self._mark = secrets.token_hex(8)
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The running child's process id."""
        return self._running().pid

    @property
    def alive(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._child is not None and self._child.poll() is None

    @property
    def returncode(self) -> int | None:
        """The last child's exit status, negative for a signal; None while it runs."""
        return None if self._child is None else self._child.poll()

    def start(self) -> Self:
        """Start it; returns at once, so wait for what makes it ready.

        Raises:
            ComponentError: if it runs already.
        """
        if self.alive:
            raise ComponentError(f"{self.name} runs already")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._child = subprocess.Popen(
                [find_program("setpriv", "setpriv"), "--pdeathsig", "KILL", "--", *self.argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._env, MARK: self._mark},
                cwd=self._cwd,
                start_new_session=True,
            )
        return self

    def wait_until(self, condition: Callable[[], object], *, what: str, deadline_s: float = 30.0) -> None:
        """Return when `condition()` is true.

        Raises:
            ComponentError: after the deadline, or as soon as the process has ended; both with the log's end.
        """

        def ready() -> bool:
            if not self.alive:
                raise ComponentError(
                    f"{self.name} ended with {self.returncode} before {what}\n{self.log_tail()}"
                )
            return bool(condition())

        wait_until(ready, what=f"{self.name}: {what}", deadline_s=deadline_s, details=self.log_tail)

    def wait_for_log(self, text: str, *, deadline_s: float = 30.0) -> None:
        """Return when `text` stands in the log (of any run since the log began)."""
        self.wait_until(lambda: text in self.log_text(), what=f"{text!r} in its log", deadline_s=deadline_s)

    def signal(self, number: int) -> None:
        """Send a signal to the whole group."""
        os.killpg(self._running().pid, number)

    def pause(self) -> None:
        """Stop the group's execution (SIGSTOP): connections stay open and nothing answers."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused group go on."""
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL to the group, and wait for its end. What was in the page cache survives it."""
        if self._child is None:
            return
        self._kill_group()
        self._child.wait()

    def stop(self, *, deadline_s: float = 30.0) -> int:
        """Ask it to end (SIGTERM) and return its exit status.

        Raises:
            ComponentError: if it had to be killed after the deadline.
        """
        if self._child is None:
            return 0
        if self._child.poll() is None:
            os.killpg(self._child.pid, signal.SIGCONT)  # a paused process would not see the TERM
            self._child.terminate()
            try:
                self._child.wait(deadline_s)
            except subprocess.TimeoutExpired:
                self.kill()
                raise ComponentError(
                    f"{self.name} did not end within {deadline_s:g} s of SIGTERM\n{self.log_tail()}"
                ) from None
        self._kill_group()  # children that it left behind
        return self._child.returncode

    def wait(self, *, deadline_s: float = 30.0) -> int:
        """Wait for it to end by itself and return its exit status."""
        child = self._running()
        wait_until(
            lambda: child.poll() is not None,
            what=f"the end of {self.name}",
            deadline_s=deadline_s,
            details=self.log_tail,
        )
        return child.returncode

    def log_text(self) -> str:
        """The whole log so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def log_tail(self, lines: int = 40) -> str:
        """The log's last lines, for messages."""
        return "\n".join(self.log_text().splitlines()[-lines:])

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            raise ComponentError(f"{self.name} was never started")
        return self._child

    def _kill_group(self) -> None:
        assert self._child is not None
        with suppress(ProcessLookupError):  # it has ended; some of its children may have left it before
            os.killpg(self._child.pid, signal.SIGKILL)
        wanted = f"{MARK}={self._mark}".encode()
        for place in Path("/proc").glob("[0-9]*"):
            try:
                if wanted in (place / "environ").read_bytes().split(b"\0"):
                    os.kill(int(place.name), signal.SIGKILL)
            except OSError:
                continue  # it has just ended, or is another user's

    def __enter__(self) -> Self:
        """Start it if it does not run yet."""
        return self if self.alive else self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Kill the group: a test that cares how it ends has called `stop` itself."""
        self.kill()


class Component(ABC):
    """A real component for the length of a `with`: started and ready in it, killed at its end."""

    @abstractmethod
    def start(self) -> Self:
        """Start it, and return when it is ready."""

    @abstractmethod
    def kill(self) -> None:
        """End it at once; what it keeps on disk is its test's."""

    def __enter__(self) -> Self:
        """Started and ready."""
        try:
            return self.start()
        except BaseException:
            self.kill()
            raise

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Killed."""
        self.kill()
