"""Labels into the log through a journal of their own: `journals/labels` in the data directory.

The sidecar of that directory ships it like a gateway's. One import at a time has it, by its lock.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Final

from .errors import JournalFull
from .journal import Journal, JournalSettings, Opening
from .labels import Told, labelled
from .proof.encryption import PayloadKey
from .proof.xaes import NONCE_SIZE

NAME: Final = "labels"
"""Of the journal's directory; a gateway's are numbers."""
AT_ONCE: Final = 1000
"""Labels that are given to the journal before they are waited for."""
SEGMENT: Final = 4 << 20
"""Bytes of a segment, at most: an import may be of ten labels."""


@dataclass(frozen=True, slots=True)
class Written:
    """What an import has brought into its journal; every one of them is durable."""

    journal: str
    """Id, in hex."""
    labels: int
    first: str | None
    """The first one's record id; None: there was none."""
    last: str | None


async def write_labels(
    data: Path,
    settings: JournalSettings,
    said: Iterable[Told],
    service: str,
    *,
    source: str | None = None,
    key: PayloadKey | None = None,
    progress: Callable[[int], None] = lambda _: None,
    patience: float = 300.0,
    clock: Callable[[], int] = time.time_ns,
    random: Callable[[int], bytes] = os.urandom,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Written:
    """Append labels to the import's journal, in order; all are durable when it returns.

    A crash, or an error, leaves the first ones there: who repeats the import says those again, and each counts once.

    Args:
        data: the data directory.
        settings: [journal]; its bound holds here too.
        said: what is said, checked.
        service: of the predictions; at most 128 bytes.
        source: where it comes from, `sha256:…` of a file.
        key: what they are encrypted with; None: they stand in the clear.
        progress: told how many more are durable.
        patience: seconds that a journal at its bound is waited for, for one label more.
        clock: ns since 1970 UTC.
        random: random bytes.
        monotonic: seconds.
        sleep: waits.

    Raises:
        JournalLocked: another import is at work.
        JournalFull: the bound, or the disk, and nothing was freed for `patience` seconds.
        JournalError: see `Journal.open`.
    """
    segment = min(settings.segment_bytes, SEGMENT)
    journal = Journal.open(
        data / "journals" / NAME,
        data / "shipping" / NAME,
        settings.model_copy(update={"segment_bytes": segment, "release": "disk"}),
        Opening({"affiant": version("affiant")}),
        clock=clock,
        random=random,
    )
    first = last = None
    count = 0
    room = _Room(patience, monotonic, sleep)
    try:
        for part in _parts(said):
            pending = []
            for one in part:
                hidden = None if key is None else (key, random(NONCE_SIZE))
                fields, payload = labelled(one, service, random(32), clock(), source=source, key=hidden)
                pending.append(await room.when_there_is(lambda f=fields, p=payload: journal.append(f, p)))  # type: ignore[misc]
            ids = await asyncio.gather(*pending)
            first, last, count = first or ids[0], ids[-1], count + len(ids)
            progress(len(ids))
    finally:
        await journal.close()
    return Written(journal.journal_id.hex(), count, first, last)


def _parts(said: Iterable[Told]) -> Iterator[list[Told]]:
    rest = iter(said)
    while part := list(islice(rest, AT_ONCE)):
        yield part


@dataclass(slots=True)
class _Room:
    """Waits for a journal that is at its bound: the sidecar frees it."""

    patience: float
    monotonic: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]

    async def when_there_is(self, append: Callable[[], asyncio.Future[str]]) -> asyncio.Future[str]:
        """What `append` gives, once it does. Raises JournalFull."""
        end = self.monotonic() + self.patience
        while True:
            try:
                return append()
            except JournalFull as error:
                if self.monotonic() >= end:
                    raise JournalFull(
                        f"the journal of imported labels is full ({error}); a sidecar ships and frees it",
                        error.retry_after,
                    ) from error
                await self.sleep(0.05)
