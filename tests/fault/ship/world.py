"""A journal to ship, and what must hold of the log afterwards."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path

from audit.check import Checked, check_log
from audit.errors import JournalFull
from audit.journal import Journal, JournalReader, JournalSettings
from audit.log.base import Log
from audit.settings import SidecarSettings
from audit.ship.external import ExternalStore
from audit.ship.shipper import Shipper
from tests.components.journals import OPENING, exchange, write_journal

LONG = bool(os.environ.get("AFFIANT_FAULT_LONG"))


async def _one_by_one(data: Path, count: int, size: int, each: Callable[[], None]) -> None:
    directory = data / "journals" / "0"
    journal = Journal.open(directory, data / "shipping" / "0", JournalSettings(), OPENING)
    for _ in range(count):
        try:
            await journal.append(*exchange(bytes(size), 0))
            each()
        except JournalFull:
            await asyncio.sleep(0.01)  # the next segment is being made
    await journal.close()


def journal_of_groups(data: Path, count: int, size: int, *, each: Callable[[], None] = lambda: None) -> None:
    """A journal with a group for each record; `each` is called when one is durable."""
    (data / "journals" / "0").mkdir(parents=True, exist_ok=True)
    (data / "shipping" / "0").mkdir(parents=True, exist_ok=True)
    asyncio.run(_one_by_one(data, count, size, each))


def journal_of_epochs(data: Path, *, epochs: int = 2, records: int = 12) -> None:
    """A journal with several epochs."""
    for epoch in range(epochs):
        write_journal(data, [b"%d %d" % (epoch, number) for number in range(records)])


def durable(data: Path) -> int:
    """The journal's next durable sequence."""
    mark = JournalReader(data / "journals" / "0").mark()
    assert mark is not None
    return mark.sequence


def shipper_of(data: Path, log: Log, shipping: Path, **settings: float) -> Shipper:
    """A shipper of journal 0 whose bookkeeping is in `shipping`."""
    directory = data / "journals" / "0"
    journal = JournalReader(directory).journal_id()
    assert journal is not None
    return Shipper(
        journal, lambda: JournalReader(directory), log, shipping,
        SidecarSettings(**{"retry_seconds": 0.005, "drain_seconds": 10, **settings}),  # type: ignore[arg-type]
        ExternalStore(f"file://{data / 'objects'}"),
    )  # fmt: skip


def drain(shipper: Shipper) -> Shipper:
    """Ship all that is durable, and end."""
    stop = threading.Event()
    stop.set()
    shipper.run(stop)
    return shipper


def checked(log: Log) -> Checked:
    """The whole log."""
    reader = log.reader()
    try:
        return check_log(reader, 1)
    finally:
        reader.close()


def assert_complete(data: Path, log: Log) -> Checked:
    """Every durable record is in the log, in order, its chain unbroken."""
    result = checked(log)
    assert result.flaws == []
    assert list(result.journals.values()) == [durable(data)]
    return result
