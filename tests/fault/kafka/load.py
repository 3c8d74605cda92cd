"""A gateway's stand-in: a real journal, written at a steady rate until SIGTERM, then closed as a gateway does.

python -m tests.fault.kafka.load DATA NAME RECORDS-A-SECOND REQUEST-BYTES
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from audit.journal import Journal, JournalSettings
from audit.proof.record import Header
from tests.components.journals import OPENING, exchange

_TURNS = 50  # a second


async def load(data: Path, name: str, rate: int, size: int) -> None:
    """Write until told to end; every append has resolved when this returns."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    directory, shipping = data / "journals" / name, data / "shipping" / name
    directory.mkdir(parents=True, exist_ok=True)
    shipping.mkdir(parents=True, exist_ok=True)
    settings = JournalSettings(heartbeat_seconds=1, free_after="acknowledged")
    journal = Journal.open(directory, shipping, settings, OPENING)
    request = bytes(size)
    try:
        while not stop.is_set():
            pending = []
            for _ in range(rate // _TURNS):
                ticket = journal.accept({Header.COMPRESSION: 0, Header.LENGTHS: [size, 0, 0]}, request, 1)
                pending.append(journal.append(*exchange(request, ticket), ticket))
            await asyncio.gather(*pending)
            await asyncio.sleep(1 / _TURNS)
    finally:
        await journal.close()


if __name__ == "__main__":
    asyncio.run(load(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
