"""Server processes: pinned to a core, in a session of their own, stopped while another is measured.

A server that only waits still polls (timers, heartbeats, metrics), and on a shared core that is time stolen
from the one being measured; SIGSTOP takes it off the core altogether. Everything is done by process id, on
the tree below the process that was started: nothing is found by name.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
# What limits the numeric libraries to the thread that the comparison gives every server.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
}


class BenchError(Exception):
    """A bench could not be run: a server did not start, answered wrongly, or a tool is missing."""


@dataclass(frozen=True)
class Stat:
    """What /proc/PID/stat says that is needed here; times in clock ticks."""

    parent: int
    group: int
    state: str
    own: int  # utime + stime
    reaped: int  # cutime + cstime: children that ended and were waited for


def stat(pid: int) -> Stat | None:
    """The account of one process, or None when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command stands in brackets and may itself hold spaces and brackets: count from the last one.
    fields = text[text.rindex(")") + 2 :].split()
    return Stat(
        parent=int(fields[1]),
        group=int(fields[2]),
        state=fields[0],
        own=int(fields[11]) + int(fields[12]),
        reaped=int(fields[13]) + int(fields[14]),
    )


def tree(root: int) -> list[int]:
    """`root` and every process below it, parents before their children."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (account := stat(int(entry.name))) is not None:
            children.setdefault(account.parent, []).append(int(entry.name))
    found = [root] if stat(root) is not None else []
    for pid in found:
        found.extend(children.get(pid, []))
    return found


@dataclass
class Process:
    """One started server and everything below it."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path
    stopped: bool = field(default=False)

    @classmethod
    def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        core: int | None,
        log: Path,
        cwd: Path,
        environment: Mapping[str, str] | None = None,
    ) -> Process:
        """Start `command` on one core (None: any), its output in `log`."""
        if core is not None:
            command = [require("taskset"), "-c", str(core), *command]
        merged = {**os.environ, **ONE_THREAD, **(environment or {})}
        with log.open("wb") as output:
            popen = subprocess.Popen(
                list(command),
                cwd=cwd,
                env=merged,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(name, popen, log)

    @property
    def pid(self) -> int:
        """The process that was started; its group has the same number."""
        return self.popen.pid

    def members(self) -> list[int]:
        """Every process of this server, the first one first."""
        return tree(self.pid)

    def cpu_seconds(self) -> float:
        """Processor time, user and system, that the whole tree has used since it started.

        A child that ended is counted by the parent that waited for it, so the sum never falls.
        """
        ticks = 0
        for pid in self.members():
            account = stat(pid)
            if account is not None:
                ticks += account.own + account.reaped
        return ticks / TICKS

    def memory(self, kind: str) -> int:
        """Bytes of the whole tree: `Pss` (shared pages divided) or `Anonymous` (no file pages)."""
        total = 0
        for pid in self.members():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith(f"{kind}:"):
                        total += int(line.split()[1]) * 1024
        return total

    def pause(self) -> None:
        """SIGSTOP the whole tree, parents first: a parent that runs would see its children stop."""
        self._signal_all(signal.SIGSTOP)
        self.stopped = True

    def resume(self) -> None:
        """SIGCONT the whole tree."""
        self._signal_all(signal.SIGCONT)
        self.stopped = False

    def alive(self) -> bool:
        """Whether the first process is still there."""
        return self.popen.poll() is None

    def stop(self, timeout: float = 20.0) -> None:
        """End the tree: asked first, then killed. What it left behind is only its log and its directory."""
        self.resume()
        members = self.members()
        if self.alive():
            self.popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(timeout)
        for pid in dict.fromkeys([*members, *self.members()]):
            _signal(pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(5)

    def wait_until(self, url: str, *, timeout: float = 120.0) -> None:
        """Return once `url` answers 200; raise BenchError with the end of the log when it does not."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if not self.alive():
                raise BenchError(f"{self.name} ended while starting:\n{self.tail()}")
            try:
                with urllib.request.urlopen(url, timeout=2) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass
            time.sleep(0.1)
        raise BenchError(f"{self.name} was not ready after {timeout:.0f} s:\n{self.tail()}")

    def tail(self, lines: int = 25) -> str:
        """The last lines of what the server wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _signal_all(self, number: signal.Signals) -> None:
        # The group first, so that what it is about to fork is held too; then what has made groups of its own.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
        for pid in self.members():
            account = stat(pid)
            if account is not None and account.group != self.pid:
                _signal(pid, number)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def require(tool: str) -> str:
    """The path of a command-line tool, or a BenchError that says what to install."""
    path = shutil.which(tool)
    if path is None:
        raise BenchError(f"{tool} is not installed (Debian: apt-get install {PACKAGES.get(tool, tool)})")
    return path


PACKAGES = {"taskset": "util-linux"}
