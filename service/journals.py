"""Which journal a worker writes, and what its opening entry says of the process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import structlog

from audit.config import Config
from audit.errors import JournalLocked
from audit.journal import Journal, Opening
from audit.journal.settings import journal_settings

from .settings import GatewaySettings

log = structlog.get_logger("affiant.gateway")

JOURNALS: Final = "journals"
SHIPPING: Final = "shipping"
LOCKED_SECONDS: Final = 30.0
"""How long a start waits for a process that still holds the journal (its stop may be on the way)."""
_LIBRARIES: Final = ("affiant", "numpy", "onnxruntime", "onnxruntime-gpu", "xgboost", "xgboost-cpu")


def opening(settings: GatewaySettings) -> Opening:
    """Libraries that shape an answer, the device, and the threads of one prediction."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return Opening(versions, settings.device, settings.threads)


async def open_journal(
    config: Config,
    settings: GatewaySettings,
    number: int,
    observe: Callable[[Sequence[float]], None],
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Journal:
    """The journal of this worker: its own number's, or another one's that nobody holds.

    BentoML may give a worker that it starts again another number, while the old one's journal is free.

    Raises:
        JournalLocked: all of them are held, for longer than a stop takes.
        JournalError: see `Journal.open`.
    """
    data, table = config.data, journal_settings(config)
    numbers = [number, *(other for other in range(settings.workers) if other != number)]
    waited = 0.0
    while True:
        for candidate in numbers:
            directory = data / JOURNALS / str(candidate)
            try:
                journal = Journal.open(
                    directory, data / SHIPPING / str(candidate), table, opening(settings), observe=observe
                )
            except JournalLocked:
                if waited >= LOCKED_SECONDS and candidate == numbers[-1]:
                    raise
                continue
            log.info("the journal is open", directory=str(directory), epoch=journal.epoch)
            return journal
        await sleep(0.5)
        waited += 0.5


async def close_orphans(config: Config, settings: GatewaySettings) -> None:
    """Recover journals of workers that there are no more: their open requests become aborted entries.

    Raises:
        JournalError: see `Journal.open`; one that is locked is somebody's, and left alone.
    """
    data, table = config.data, journal_settings(config)
    for directory in orphans(data / JOURNALS, settings.workers):
        try:
            journal = Journal.open(directory, data / SHIPPING / directory.name, table, opening(settings))
        except JournalLocked:
            continue
        await journal.close()
        log.info("closed the journal of a worker that there is no more", directory=str(directory))


def orphans(root: Path, workers: int) -> list[Path]:
    """Directories of workers beyond the configured number."""
    if not root.is_dir():
        return []
    found = [path for path in root.iterdir() if path.name.isdecimal() and path.is_dir()]
    return sorted(path for path in found if int(path.name) >= workers)
