"""A notary over a directory that is killed (SIGKILL) at each of its system calls there (CALLS), one process after the
other.

    python -m tests.fault.notary.killed DIRECTORY [STEP]

Forks a child for each call that a life makes (each STEP-th), which dies on entering it, or in the middle of a write.
After each kill another notary goes on in what is left, and everything is checked. Prints, as JSON, how often it died at
which call.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from audit.objects.directory import DirectoryObjects
from tests.fault.notary.store import FaultyObjects
from tests.fault.notary.world import PLAN, World, check

ENTERED: Final = ("open", "fsync", "link", "rename", "unlink", "mkdir", "close")
CALLS: Final = (*ENTERED, "write")


def arm(when: int) -> list[str]:
    """Count this process's calls, and let it die on entering the `when`-th, or half way through it when it is a write;
    what was called, for who lives on.
    """
    called: list[str] = []

    def due(name: str) -> bool:
        called.append(name)
        return len(called) == when

    def armed(name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if due(name):
                os.kill(os.getpid(), signal.SIGKILL)
            return plain(*arguments, **options)

        return call

    class Torn(io.FileIO):
        """A file below its buffer: each write is the system's."""

        def write(self, data: Any) -> int:
            if due("write"):
                super().write(bytes(data)[: len(data) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return super().write(data) or 0

    for name in ENTERED:
        setattr(os, name, armed(name, getattr(os, name)))
    plain = os.fdopen

    def fdopen(descriptor: int, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if mode != "wb":
            return plain(descriptor, mode, *arguments, **options)
        return io.BufferedWriter(Torn(descriptor, "w"))

    os.fdopen = fdopen
    return called


def live(directory: Path) -> World:
    """A notary's life."""
    world = World(DirectoryObjects(directory))
    world.live(FaultyObjects(world.objects))
    return world


def child(directory: Path, when: int) -> tuple[int, list[str]]:
    """A life that dies at a call: how it ended, and what it called if it was not killed."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        called = arm(when)
        live(directory)
        os.write(write, " ".join(called).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as said:
        calls = said.read().split()
    return os.waitpid(pid, 0)[1], calls


def main(directory: Path, step: int) -> None:
    """See above."""
    status, calls = child(directory / "whole", -1)
    assert status == 0
    died: Counter[str] = Counter()
    for when in range(1, len(calls) + 1, step):
        place = directory / "place"
        status, _ = child(place, when)
        assert os.WIFSIGNALED(status), (when, status)
        assert os.WTERMSIG(status) == signal.SIGKILL
        died[calls[when - 1]] += 1
        assert check(live(place)).size == sum(PLAN), (when, calls[when - 1])
        shutil.rmtree(place)
    print(json.dumps(died))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
