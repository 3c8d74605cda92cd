"""What strace wrote of a process and its threads, a call a line."""

from __future__ import annotations

import re
from pathlib import Path

_UNFINISHED = re.compile(r"^(\d+) +(.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. \w+ resumed>(.*)$")


def calls_of(trace: Path) -> list[str]:
    """The lines of `strace -f -o`, in the order in which the calls returned.

    A call during which another thread made one stands in two lines; here it is one again, where it ended.
    """
    begun: dict[str, str] = {}
    calls: list[str] = []
    for line in trace.read_text(errors="replace").splitlines():
        if first := _UNFINISHED.match(line):
            begun[first[1]] = first[2]
        elif rest := _RESUMED.match(line):
            calls.append(f"{rest[1]} {begun.pop(rest[1], '')}{rest[2]}")
        else:
            calls.append(line)
    return calls
