"""The disk under the data directory: does it take a file, how long a sync lasts, and does what may come fit?"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from .base import Finding, Looked, Outcome

ROUNDS: Final = 64
_BYTES: Final = 1024
SLOW_MEDIAN: Final = 5e-3
"""Seconds. An answer waits for one sync at least: a disk of a server does one in less than 1 ms."""
SLOW_P99: Final = 50e-3
_GIB: Final = 1 << 30


def nearest(directory: Path) -> Path:
    """The directory itself, or the lowest above it that is there: nothing is made to look at it."""
    for each in (directory, *directory.parents):
        if each.is_dir():
            return each
    return Path("/")


@dataclass(frozen=True, slots=True)
class Probed:
    """What a probe file showed: each sync's seconds, and how far the file system's clock is ahead of ours, in ns."""

    syncs: Sequence[float]
    ahead: int


def probe(
    directory: Path,
    clock: Callable[[], int] = time.time_ns,
    timer: Callable[[], float] = time.perf_counter,
    rounds: int = ROUNDS,
) -> Probed:
    """Append to a pre-allocated file as the journal does, and sync. The file goes, whatever happens.

    Raises:
        OSError: the directory takes no file, or the disk no bytes.
    """
    syncs = []
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        descriptor = file.fileno()
        os.posix_fallocate(descriptor, 0, rounds * _BYTES)
        os.fsync(descriptor)
        for number in range(rounds):
            os.pwrite(descriptor, os.urandom(_BYTES), number * _BYTES)
            begun = timer()
            os.fdatasync(descriptor)
            syncs.append(timer() - begun)
        os.utime(descriptor)  # "now" by the file system, which may be another machine's
        ahead = os.fstat(descriptor).st_mtime_ns - clock()
    return Probed(tuple(syncs), ahead)


def judge_syncs(directory: Path, syncs: Sequence[float]) -> Iterator[Outcome]:
    """The median, and the slowest of a hundred."""
    middle, slow = median(syncs), sorted(syncs)[int(len(syncs) * 0.99)]
    said = f"median {middle * 1e3:.2f} ms, p99 {slow * 1e3:.2f} ms of {len(syncs)}"
    yield Looked(f"fdatasync in {directory}", said)
    if middle > SLOW_MEDIAN or slow > SLOW_P99:
        yield Finding(
            "disk-slow",
            str(directory),
            f"fdatasync takes {said}; each answer waits for one",
            "put [data] directory on a local SSD that nothing else writes to; a network volume adds its own way",
            grave=False,
        )


def taken(directory: Path) -> int:
    """Bytes that the files below a directory take on the disk; what vanishes meanwhile takes none."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += (Path(folder) / name).lstat().st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def judge_space(directory: Path, journals: Path, bound: int, free: int | None = None) -> Iterator[Outcome]:
    """Whether the journals can grow to their bound.

    Args:
        directory: that is there, on the disk that is meant.
        journals: where the journals are.
        bound: bytes that all of them may take together.
        free: bytes that are left; asked of the disk when not given.
    """
    left = shutil.disk_usage(directory).free if free is None else free
    used = taken(journals)
    yield Looked(f"space in {directory}", f"{left / _GIB:.1f} GiB free, journals take {used / _GIB:.1f}")
    if left + used < bound:
        yield Finding(
            "disk-budget",
            str(directory),
            f"the journals may take {bound / _GIB:.1f} GiB ([journal] max_bytes, for each worker), they take "
            f"{used / _GIB:.1f}, and {left / _GIB:.1f} are free",
            "a larger disk, or a smaller [journal] max_bytes; on a full disk requests are answered 503",
        )


def look(
    directory: Path, journals: Path, bound: int, probing: Callable[[Path], Probed] = probe
) -> Iterator[Outcome]:
    """All of the above, of the data directory or the lowest that is there above it."""
    there = nearest(directory)
    try:
        probed = probing(there)
    except OSError as error:
        yield Finding(
            "data-not-writable",
            str(there),
            f"takes no file: {error.strerror}",
            "give the user that runs gateway and sidecar the right to write there, on a disk that is not full or "
            "read-only",
        )
    else:
        yield from judge_syncs(there, probed.syncs)
    yield from judge_space(there, journals, bound)
