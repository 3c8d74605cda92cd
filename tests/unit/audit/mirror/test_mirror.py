"""What is freed while the receiver hears of a gap: read yet, or a gap of its own, and never passed over."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgpack

from audit.errors import JournalFull
from audit.journal import Journal, JournalReader, JournalSettings
from audit.journal.layout import segment_number
from audit.mirror.ending import Ending
from audit.mirror.mirror import Mirror
from audit.mirror.place import PlaceWriter
from audit.settings import FluentdSettings
from tests.components.journals import OPENING, exchange

SMALL = JournalSettings(segment_bytes=1 << 20, free_after="acknowledged")


async def segments_of(data: Path) -> list[Path]:
    """A journal of some segments, oldest first."""
    directory, shipping = data / "journals" / "0", data / "shipping" / "0"
    shipping.mkdir(parents=True)
    journal = Journal.open(directory, shipping, SMALL, OPENING)
    for _ in range(60):
        while True:
            try:
                await journal.append(*exchange(b"y" * 100_000, 0))
            except JournalFull:
                await asyncio.sleep(0.001)  # the next segment is being made
            else:
                break
    await journal.close()
    return sorted(each for each in directory.iterdir() if segment_number(each.name) is not None)


class Hears:
    """A receiver that acknowledges all, and of whom something is done while it hears of a gap."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self.heard: list[dict[str, Any]] = []
        self._meanwhile = meanwhile

    def deliver(self, label: str | None, events: Sequence[bytes]) -> None:
        """All of it."""
        for each in events:
            fields = msgpack.unpackb(each, ext_hook=lambda *_: None)[1]
            self.heard.append(fields)
            if fields.get("kind") == "not_mirrored":
                self._meanwhile()

    def close(self) -> None:
        """Nothing to let go of."""


def test_each_entry_is_sent_or_told_whatever_is_freed_while_a_gap_is_told(tmp_path: Path) -> None:
    """Two segments go while the receiver takes its time, the one that is read next among them."""
    segments = asyncio.run(segments_of(tmp_path))
    directory, shipping = tmp_path / "journals" / "0", tmp_path / "shipping" / "0"
    assert len(segments) >= 6
    reader = JournalReader(directory)
    journal, mark = reader.journal_id(), reader.mark()
    assert journal is not None
    assert mark is not None
    place = PlaceWriter(shipping, journal)
    place.write(1)
    place.close()
    segments.pop(0).unlink()

    def free() -> None:
        for _ in range(2):
            segments.pop(0).unlink()

    freed = [free]
    receiver = Hears(lambda: freed.pop()() if freed else None)
    stop = threading.Event()
    settings = FluentdSettings(address="127.0.0.1:1", retry_seconds=0.01, resend_records=0)
    mirror = Mirror(journal, lambda: JournalReader(directory), receiver, shipping, settings)
    stop.set()
    mirror.run(Ending(stop, 60))

    gaps = [
        (int(each["first"]), int(each["last"]))
        for each in receiver.heard
        if each.get("kind") == "not_mirrored"
    ]
    told = {sequence for first, last in gaps for sequence in range(first, last + 1)}
    sent = {int(each["record"].rpartition("-")[2]) for each in receiver.heard if each.get("record")}
    assert len(gaps) == 2
    assert sent | told == set(range(1, mark.sequence))
    assert not sent & told
    progress = mirror.progress
    assert (progress.dropped, progress.mirrored) == (len(told), len(sent))


def test_what_is_freed_as_it_is_looked_up_is_looked_up_again(tmp_path: Path) -> None:
    """Between the two looks at the oldest entry it may go: that ends one try, and nothing is passed over."""
    segments = asyncio.run(segments_of(tmp_path))
    directory, shipping = tmp_path / "journals" / "0", tmp_path / "shipping" / "0"
    journal = JournalReader(directory).journal_id()
    assert journal is not None
    place = PlaceWriter(shipping, journal)
    place.write(1)
    place.close()
    segments.pop(0).unlink()
    opened: list[JournalReader] = []

    class Late(JournalReader):
        """The second one that is opened reads the oldest entry, and then its segment goes."""

        def read(self, max_bytes: int) -> Any:
            records = super().read(max_bytes)
            if len(opened) == 2 and self is opened[1]:
                segments.pop(0).unlink()
            return records

    def source() -> JournalReader:
        opened.append(Late(directory))
        return opened[-1]

    receiver, stop = Hears(lambda: None), threading.Event()
    settings = FluentdSettings(address="127.0.0.1:1", retry_seconds=0.01, resend_records=0)
    mirror = Mirror(journal, source, receiver, shipping, settings)
    stop.set()
    mirror.run(Ending(stop, 60))
    [gap] = [each for each in receiver.heard if each.get("kind") == "not_mirrored"]
    first_sent = min(int(each["record"].rpartition("-")[2]) for each in receiver.heard if each.get("record"))
    assert (int(gap["first"]), int(gap["last"]) + 1) == (1, first_sent)
    assert mirror.progress.failures == 1
