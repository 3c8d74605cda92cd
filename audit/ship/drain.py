"""Journals whose gateway is gone: recovered, closed, shipped, and waited for until they are sealed and copied.

After it nothing of them is on that disk alone. A drain that is killed is begun again, and finds what the one before it
left.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audit.journal import Journal, JournalSettings, Opening

from .sidecar import Sidecar

JOURNALS: Final = "journals"
SHIPPING: Final = "shipping"
_LOOK: Final = 0.1


@dataclass(frozen=True, slots=True)
class Left:
    """Of one journal: durable records that the log does not have, or the notary (None: there is none), or the copy at
    Fluentd (None: there is none).
    """

    journal: str
    records: int
    unshipped: int
    unsealed: int | None
    uncopied: int | None
    alarm: str | None

    @property
    def whole(self) -> bool:
        """Nothing of it is on this disk alone. What the copy lacks, the log has."""
        return not self.unshipped and not self.unsealed and self.alarm is None


async def close_journals(data: Path, settings: JournalSettings, opening: Opening) -> list[Path]:
    """Recover and close every journal under `data`: requests without an answer become aborted entries, and the last
    entry is a signed closing. Their directories.

    MUST be called with a running loop, and MUST NOT be called for a journal that a gateway uses: its lock says so.

    Raises:
        JournalLocked: a gateway has one of them.
        JournalError: see `Journal.open`.
    """
    found = sorted(path.parent for path in (data / JOURNALS).glob("*/journal.json"))
    for directory in found:
        journal = Journal.open(directory, data / SHIPPING / directory.name, settings, opening)
        await journal.close()
    return found


def ship(
    sidecar: Sidecar,
    stop: threading.Event,
    journals: Sequence[Path],
    *,
    shipped_seconds: float,
    sealed_seconds: float,
    copied_seconds: float = 0.0,
    told: Callable[[tuple[Left, ...]], None] = lambda _: None,
    monotonic: Callable[[], float] = time.monotonic,
) -> tuple[Left, ...]:
    """Run the sidecar until nothing is left, an alarm is raised, `stop` is set, or time is over; what is left then.

    Args:
        sidecar: of the data directory; nothing of it runs yet.
        stop: ends it; set when this returns.
        journals: their directories.
        shipped_seconds: how long the log may take.
        sealed_seconds: how long the notary may take after that; 0: it is not waited for.
        copied_seconds: how long the receiver of the copy may take after that; 0: it is not waited for.
        told: hears of what is left, each time that it is looked at.
        monotonic: seconds.
    """
    running = threading.Thread(target=sidecar.run, args=(stop,), name="drain", daemon=True)
    running.start()
    try:
        begun, shipped = monotonic(), None
        while True:
            left = look(sidecar, len(journals))
            told(left)
            now = monotonic()
            away = len(left) == len(journals) and not any(each.unshipped for each in left)
            if away and shipped is None:
                shipped = now
            if any(each.alarm for each in left) or stop.is_set():
                return left
            waited = now - (now if shipped is None else shipped)
            sealed = waited >= sealed_seconds or not any(each.unsealed for each in left)
            copied = waited >= copied_seconds or not any(each.uncopied for each in left)
            if away and sealed and copied:
                return left
            if not away and now - begun >= shipped_seconds:
                return left
            stop.wait(_LOOK)
    finally:
        stop.set()
        running.join()


def look(sidecar: Sidecar, count: int) -> tuple[Left, ...]:
    """What is left of each journal; fewer than `count` while the sidecar has not found them all."""
    found = []
    for journal, shipped in sidecar.journals().items():
        sealing, copying = shipped.sealed, shipped.mirrored
        lag = shipped.watch.lag()
        found.append(
            Left(
                journal.hex(),
                shipped.progress.acknowledged + lag.records,
                lag.records,
                None if sealing is None else sealing.watch.lag().records,
                None if copying is None else copying.watch.lag().records,
                shipped.progress.alarm or (None if sealing is None else sealing.progress.alarm),
            )
        )
    return tuple(found[:count])
