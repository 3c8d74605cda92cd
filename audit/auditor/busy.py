"""A DuckDB file that another process has: it is waited for, and then it is said whose it is.

DuckDB lets one process have a file; who comes second gets an error at once, in DuckDB's own words.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from audit.errors import IndexUnusable

_LOCKED: Final = re.compile(r"could not set lock on file", re.IGNORECASE)
_HOLDER: Final = re.compile(r"\(PID (\d+)\)")
_POLL: Final = 0.1
_SHOWN: Final = 100
Opened = TypeVar("Opened")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a file is waited for. `waiting` is told once whose it is; `clock` and `sleep` in seconds."""

    seconds: float = 0.0
    waiting: Callable[[str], None] = lambda _: None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def when_free(path: Path, connect: Callable[[], Opened], patience: Patience) -> Opened:
    """What `connect` gives, once no other process has the file.

    Raises:
        IndexUnusable: another process still has it; the message says which.
        duckdb.Error: as `connect`, for every other reason.
    """
    import duckdb

    deadline, told = patience.clock() + patience.seconds, False
    while True:
        try:
            return connect()
        except duckdb.IOException as error:
            holder = holder_of(str(error))
            if holder is None:
                raise
            if patience.clock() >= deadline:
                raise IndexUnusable(
                    f"{path}: {holder} has it; wait until that ends, or name another file with --index"
                ) from error
        if not told:
            patience.waiting(holder)
            told = True
        patience.sleep(_POLL)


def holder_of(message: str) -> str | None:
    """Who has the file, by DuckDB's message; None when it does not speak of a lock."""
    if _LOCKED.search(message) is None:
        return None
    found = _HOLDER.search(message)
    if found is None:
        return "another process"
    return f"process {found[1]}{_called(int(found[1]))}"


def _called(process: int) -> str:
    """As it was started, where the system says so and lets us read it."""
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    text = " ".join(word for word in words if word)
    return f" ({text[:_SHOWN]}{'…' if len(text) > _SHOWN else ''})" if text else ""
