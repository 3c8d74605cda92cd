"""Facts about the machine and its disk, so that a figure can be read beside what it was measured on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

BLOCK = 4096


@dataclass(frozen=True)
class DiskSync:
    """How long one fdatasync of a disk takes, in milliseconds, over `count` of them."""

    median_ms: float
    p99_ms: float
    count: int


def facts(directory: Path) -> dict[str, object]:
    """The machine as the report names it; `directory` is on the disk that journals are written to."""
    cpu = {
        key.strip(): value.strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if ":" in line
        for key, value in [line.split(":", 1)]
    }
    memory = next(
        line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal:")
    )
    return {
        "processor": cpu.get("model name", platform.machine()),
        "cores": os.cpu_count(),
        "memory_bytes": int(memory.split()[1]) * 1024,
        "kernel": platform.release(),
        "system": _system(),
        "filesystem": _filesystem(directory),
        "free_bytes": shutil.disk_usage(directory).free,
        "load_before": os.getloadavg()[0],
    }


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """The installed versions of `packages` in this environment; one that is absent is said to be."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "absent"
    return found


def measure_sync(directory: Path, *, count: int = 200, size: int = 1024) -> DiskSync:
    """Time `count` fdatasyncs of this directory's disk, each after a write of `size` bytes.

    The file is pre-allocated and written over once before, as a journal's segment is: a file that grows would
    add the cost of its metadata, which the gateway does not pay.
    """
    path = directory / f".sync-{os.getpid()}"
    length = BLOCK * (count + 1)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.pwrite(descriptor, b"\0" * length, 0)
        os.fsync(descriptor)
        times = []
        payload = os.urandom(size)
        for index in range(count):
            os.pwrite(descriptor, payload, index * size)
            start = time.perf_counter_ns()
            os.fdatasync(descriptor)
            times.append((time.perf_counter_ns() - start) / 1e6)
    finally:
        os.close(descriptor)
        path.unlink()
    times.sort()
    return DiskSync(statistics.median(times), times[min(count - 1, int(count * 0.99))], count)


def _system() -> str:
    release = Path("/etc/os-release")
    for line in release.read_text().splitlines() if release.exists() else []:
        if line.startswith("PRETTY_NAME="):
            return line.split("=", 1)[1].strip('"')
    return platform.system()


def _filesystem(directory: Path) -> str:
    """The type and device of the mount that holds `directory`: the longest mount point that is its prefix."""
    target = str(directory.resolve())
    best = ("", "unknown", "unknown")
    for line in Path("/proc/mounts").read_text().splitlines():
        device, point, kind = line.split()[:3]
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best[0]):
            best = (point, kind, device)
    return f"{best[1]} on {best[2]}"
