"""One parent for the components of this machine: starts, watches, restarts and ends them in order.

What a crash here leaves: the kernel sends every child SIGTERM when its parent dies (PR_SET_PDEATHSIG), so the
gateway drains and writes its closing entry even when the supervisor was killed. Nothing of the record depends
on this process.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import secrets
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from audit.backoff import backoff

from .errors import UNAVAILABLE, USAGE

FIRST_DELAY: Final = 0.5
LONGEST_DELAY: Final = 15.0
CRASHES: Final = 6
WINDOW: Final = 120.0
ORPHAN_GRACE: Final = 15.0
MAX_LINE: Final = 16_384
MARK: Final = "AFFIANT_SUPERVISED"
"""In the environment of a component and of all that it starts: which run of which supervisor they belong to."""
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36

# Looked up before any fork: between fork and exec only what is loaded already is safe to call.
_PRCTL: Final = ctypes.CDLL(None, use_errno=True).prctl


@dataclass(frozen=True, slots=True)
class Component:
    """One process. Components start together and end in the order of their table.

    `ready` resolves to True when the component can do its work; it is asked again until it does.
    `grace` is how long, in seconds, it may take to end after SIGTERM before it is killed.
    `settle` is how long, in seconds, to wait for `ready` before SIGTERM: what has only just been started would end
    without having done what it is there for.
    `vital`: without it the others make no sense. One that is not, and cannot be kept up, is given up alone: that is
    said, and told by the exit code in the end.
    """

    name: str
    argv: Sequence[str]
    ready: Callable[[], Awaitable[bool]] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    grace: float = 60.0
    settle: float = 0.0
    vital: bool = True


class Restarts:
    """Back-off that doubles, and an end: `None` after more than `CRASHES` within `WINDOW` seconds."""

    def __init__(self) -> None:
        self._crashes: deque[float] = deque()

    def after(self, now: float) -> float | None:
        """Seconds to wait before the next start, or None to give up. `now` is monotonic, in seconds."""
        self._crashes.append(now)
        while now - self._crashes[0] > WINDOW:
            self._crashes.popleft()
        if len(self._crashes) > CRASHES:
            return None
        return backoff(len(self._crashes), FIRST_DELAY, LONGEST_DELAY)


@dataclass(slots=True)
class _Child:
    component: Component
    mark: str
    restarts: Restarts = field(default_factory=Restarts)
    process: asyncio.subprocess.Process | None = None

    def runs(self) -> bool:
        return self.process is not None and self.process.returncode is None


class Supervisor:
    """Runs components until a signal, or until one of them cannot be kept up.

    Args:
        components: in the order in which they are to end.
        say: prints one line of a component, or of the supervisor itself (name `affiant`).
    """

    def __init__(
        self,
        components: Sequence[Component],
        say: Callable[[str, str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        run = secrets.token_hex(8)
        self._children = [_Child(component, f"{run}-{component.name}") for component in components]
        self._say = say
        self._clock = clock
        self._ending = asyncio.Event()
        self._at_once = asyncio.Event()
        self._code = 0

    def signalled(self, number: int) -> None:
        """What a SIGINT or SIGTERM does: the first ends in order, the second at once."""
        if self._ending.is_set():
            self._say("affiant", "a second signal: ending at once, without draining")
            self._at_once.set()
        else:
            self._say("affiant", f"{signal.Signals(number).name}: ending in order; once more to end at once")
            self._ending.set()

    async def run(self, on_ready: Callable[[], None]) -> int:
        """Start everything, call `on_ready` when all are, and return an exit code when all have ended.

        Returns:
            0 after a signal and an orderly end; 2 when a component refused its settings; 3 when one could not
            be kept up, or did not end by itself.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.signalled, number)
        _PRCTL(_PR_SET_CHILD_SUBREAPER, 1)  # orphans become ours: in a container, nobody else may reap them
        watchers = [asyncio.create_task(self._keep(child)) for child in self._children]
        for watcher in watchers:
            watcher.add_done_callback(lambda _: self._ending.set())
        greeting = asyncio.create_task(self._greet(on_ready))
        try:
            await self._ending.wait()
            greeting.cancel()
            await asyncio.wait({greeting})  # nothing is asked of children that are told to end
            for child in self._children:
                await self._end(child)
            await asyncio.gather(*watchers)
        finally:
            for child in self._children:
                for pid in _members(child.mark):
                    _signal(pid, signal.SIGKILL)
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
        self._say("affiant", "ended" if self._code == 0 else f"ended, with exit code {self._code}")
        return self._code

    async def _keep(self, child: _Child) -> None:
        """Start the component, and start it again when it ends unasked."""
        name = child.component.name
        while not self._ending.is_set():
            process, output = await self._start(child)
            if self._ending.is_set():  # the signal came while it was being started
                process.terminate()
            printing = asyncio.create_task(self._print(name, output))
            code = await process.wait()
            await self._clear(child)
            await printing
            if self._ending.is_set():
                return
            if code == USAGE:
                self._give_up(f"{name} refuses its settings (above); starting it again would not help", USAGE)
                return
            delay = child.restarts.after(self._clock())
            if delay is None:
                said = f"GIVING UP: {name} ended {CRASHES + 1} times within {WINDOW:.0f} s"
                if child.component.vital:
                    self._give_up(said, UNAVAILABLE)
                    return
                self._say(
                    "affiant", f"{said}; THE OTHERS GO ON WITHOUT IT: look at why (above), and start again"
                )
                self._code = UNAVAILABLE
                await self._ending.wait()
                return
            self._say("affiant", f"{name} ended unasked ({outcome(code)}); starting it again in {delay:g} s")
            await self._pause(delay)

    async def _start(self, child: _Child) -> tuple[asyncio.subprocess.Process, int]:
        """The process, and the read end of a pipe with its output.

        The pipe is ours: asyncio's own would have `wait()` wait for grandchildren that hold it open.
        """
        parent = os.getpid()
        output, theirs = os.pipe()
        try:
            child.process = await asyncio.create_subprocess_exec(
                *child.component.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
                env={**os.environ, **child.component.environment, MARK: child.mark},
                # Ctrl-C reaches the whole foreground group: components are ended by us, in order.
                start_new_session=True,
                preexec_fn=lambda: die_with(parent),
            )
        except BaseException:
            os.close(output)
            raise
        finally:
            os.close(theirs)
        return child.process, output

    async def _print(self, name: str, output: int) -> None:
        """Pass on whole lines; one that never ends is cut, so that it cannot fill the memory."""
        stream = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(output, "rb", 0)
        )
        try:
            await self._pass_on(name, stream)
        finally:
            transport.close()

    async def _pass_on(self, name: str, stream: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await stream.read(MAX_LINE):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > MAX_LINE:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._say(name, line.decode(errors="replace").rstrip())
        if rest:
            self._say(name, rest.decode(errors="replace").rstrip())

    async def _greet(self, on_ready: Callable[[], None]) -> None:
        """Call `on_ready` once all are ready. MUST end with the beginning of the end, cancelled or not: before
        Python 3.12 a `wait_for` whose own wait is over swallows the cancellation.
        """
        for child in self._children:
            ready = child.component.ready
            while ready is not None and not await ready():
                await self._pause(0.1)
                if self._ending.is_set():
                    return
        if not self._ending.is_set():
            on_ready()

    async def _pause(self, seconds: float) -> None:
        """Wait, but not beyond the beginning of the end."""
        try:
            await asyncio.wait_for(self._ending.wait(), seconds)
        except TimeoutError:
            return

    def _give_up(self, why: str, code: int) -> None:
        self._say("affiant", why)
        self._code = code
        self._ending.set()

    async def _end(self, child: _Child) -> None:
        """SIGTERM, wait for the drain, kill what is left after the grace."""
        if not child.runs():
            return
        assert child.process is not None
        name = child.component.name
        await self._settle(child.component)
        if not child.runs():
            return
        child.process.send_signal(signal.SIGTERM)
        ended = asyncio.create_task(child.process.wait())
        hurried = asyncio.create_task(self._at_once.wait())
        await asyncio.wait(
            {ended, hurried}, timeout=child.component.grace, return_when=asyncio.FIRST_COMPLETED
        )
        hurried.cancel()
        if not ended.done():
            if not self._at_once.is_set():
                self._say("affiant", f"{name} did not end within {child.component.grace:g} s and is killed")
            self._code = self._code or UNAVAILABLE
            for pid in _members(child.mark):
                _signal(pid, signal.SIGKILL)
        code = await ended
        # SIGTERM's own effect: it was not yet there to be told. Nothing is lost, but a sidecar has not shipped.
        orderly = code == 0 or (code == -signal.SIGTERM and not child.component.settle)
        if not orderly:
            self._say("affiant", f"{name} ended with {outcome(code)}")
            self._code = self._code or UNAVAILABLE
        else:
            self._say("affiant", f"{name} has ended")

    async def _settle(self, component: Component) -> None:
        """Wait until it is ready, for its `settle` at most."""
        deadline = self._clock() + component.settle
        while component.ready is not None and self._clock() < deadline and not self._at_once.is_set():
            if await component.ready():
                return
            await asyncio.sleep(0.05)

    async def _clear(self, child: _Child) -> None:
        """End what a component left behind: workers without a parent hold its port and its journal.

        They may be draining: SIGTERM first, SIGKILL only after `ORPHAN_GRACE`.
        """
        deadline = self._clock() + ORPHAN_GRACE
        told: set[int] = set()
        while left := _members(child.mark):
            late = self._clock() > deadline or self._at_once.is_set()
            for pid in left:
                if late or pid not in told:
                    _signal(pid, signal.SIGKILL if late else signal.SIGTERM)
            told.update(left)
            await asyncio.sleep(0.05)
            _reap(told)
        _reap(told)


def _members(mark: str) -> list[int]:
    """The processes that a component's mark was handed down to, whatever group or session they have joined."""
    wanted, found = f"{MARK}={mark}".encode(), []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            environment = (place / "environ").read_bytes()
        except OSError:
            continue  # it has just ended, or is another user's
        if wanted in environment.split(b"\0"):
            found.append(int(place.name))
    return found


def _signal(pid: int, number: int) -> None:
    """Signal a process; one that is gone already is what was wanted."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _reap(pids: set[int]) -> None:
    """Take the exit codes of orphans, which are our children now."""
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue  # not ours, or taken already


def outcome(code: int) -> str:
    """An exit status in words."""
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def die_with(parent: int) -> None:
    """Between fork and exec: ask the kernel for a SIGTERM when the parent is gone."""
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it went before we asked
        os.kill(os.getpid(), signal.SIGTERM)
