"""How far a journal and its shipping are, from their two marks (docs/record-format.md, docs/contracts.md).

Read here from the document alone, without the product's code: a bench must not believe what it measures.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.processes import BenchError

SIZE = 64
ATTEMPTS = 1000


@dataclass(frozen=True)
class Progress:
    """How far one worker is: entries that are durable, entries that the log has acknowledged."""

    durable: int
    acknowledged: int

    @property
    def behind(self) -> int:
        """Durable entries that are not acknowledged."""
        return max(0, self.durable - self.acknowledged)


def progress(data: Path, worker: str) -> Progress:
    """Both marks of one worker; a file that is not there yet counts as nothing done."""
    durable = _read(data / "journals" / worker / "mark", 32)
    acknowledged = _read(data / "shipping" / worker / "acknowledged", 8)
    return Progress(durable, acknowledged)


def worker(data: Path) -> str:
    """The name of the only worker's journal. Raises BenchError when there is not exactly one."""
    found = sorted(path.name for path in (data / "journals").iterdir() if (path / "journal.json").exists())
    if len(found) != 1:
        raise BenchError(f"{data} holds {len(found)} journals, the bench expects one")
    return found[0]


def journal_bytes(data: Path) -> int:
    """Disk space that the journals' segments take, in bytes, as the file system counts it."""
    total = 0
    for path in (data / "journals").glob("*/*.seg"):
        try:
            total += path.stat().st_blocks * 512
        except FileNotFoundError:  # a segment that was freed while we looked
            continue
    return total


def wait_for(
    data: Path, worker_name: str, done: Callable[[Progress], bool], *, timeout: float, what: str
) -> Progress:
    """Poll until `done`; raise BenchError with the last state when it takes longer than `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        state = progress(data, worker_name)
        if done(state):
            return state
        if time.monotonic() > deadline:
            raise BenchError(
                f"{what}: not after {timeout:.0f} s (durable {state.durable}, "
                f"acknowledged {state.acknowledged})"
            )
        time.sleep(0.005)


def _read(path: Path, offset: int) -> int:
    """One u64 of a 64-byte mark whose two versions (first and last eight bytes) are equal and even."""
    for _ in range(ATTEMPTS):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return 0
        if len(content) >= SIZE:
            first, last = struct.unpack_from(">Q", content, 0)[0], struct.unpack_from(">Q", content, 56)[0]
            if first == last and first % 2 == 0:
                return int(struct.unpack_from(">Q", content, offset)[0])
        time.sleep(0)
    raise BenchError(f"{path.name} never had two equal, even versions")
