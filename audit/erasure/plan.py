"""Where the payloads of some records are, and which of these places an erasure reaches.

Looked at are the archive's payload files, the object store of large payloads, and the log. Nothing is changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from audit.archive import Archive
from audit.archive.names import ArchiveFile, Part
from audit.errors import ArchiveGap
from audit.retention.plan import DAY_MS, Places

from .told import Erased, Erasures, Item


class Place(StrEnum):
    """Where a payload is."""

    ARCHIVE = "archive"
    STORE = "object store"
    LOG = "log"
    """Out of reach: the topic's own retention takes it, or nothing does."""
    UNFINISHED = "archive, unfinished"
    """A notary may still be at work on the file, and would begin it again: out of reach for now."""


REACHED: Final = frozenset({Place.ARCHIVE, Place.STORE})


class State(StrEnum):
    """What is to be done with a payload."""

    DUE = "to erase"
    """Somewhere, and nobody has said that it is erased; or somebody has, and it is there all the same."""
    ERASED = "erased"
    """Nowhere, as a signed statement says."""
    NOWHERE = "nowhere"
    """Nowhere, and nobody has said why: an erasure told now would be told of what it never saw."""
    YOUNG = "too young"
    """Younger than [retention] payload_min_days, or of an age that nobody knows."""


@dataclass(frozen=True, slots=True)
class Looked:
    """One payload."""

    item: Item
    state: State
    places: frozenset[Place]
    told: Erased | None
    file: ArchiveFile | None = None
    """The payload file that has it."""

    @property
    def reached(self) -> bool:
        """Whether some of it can be erased now."""
        return bool(self.places & REACHED)


@dataclass(frozen=True, slots=True)
class Wanted:
    """An item, and how old it is."""

    item: Item
    logged: int | None = None
    """The log's time, ms since 1970 UTC, where it is known."""
    proved: bool = False
    """Whether the entry at its place was proved to have this payload: whatever row is there goes then. Else a row goes
    for its digest alone: a statement that names another record's place MUST NOT erase that one untold."""


def look(
    archive: Archive,
    places: Places,
    archived: Callable[[bytes, int], int],
    told: Erasures,
    wanted: Iterable[Wanted],
    *,
    now_ms: int,
    min_days: int,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> list[Looked]:
    """Look for each payload, in the order given.

    Args:
        archive: its payload files.
        places: the log, and the object store.
        archived: (topic, partition) → offsets below it are in finished files, as the notary's state says.
        told: what was said of erasures.
        wanted: the payloads.
        now_ms: ms since 1970 UTC.
        min_days: what is younger is not erased; 0: age decides nothing.
        progress: called with (payloads looked for, of how many).

    Raises:
        ObjectsUnavailable, LogUnavailable: it does not answer.
        FormatError: a payload file is none.
    """
    asked = list(wanted)
    files = _files(archive, asked)
    before = now_ms - min_days * DAY_MS
    found = []
    for done, each in enumerate(asked, 1):
        item = each.item
        file = files.get((item.topic, item.partition, item.offset))
        there = _places(places, archived, item, file)
        said = told.get(item.digest)
        old = min_days == 0 or (each.logged is not None and each.logged < before)
        found.append(Looked(item, _state(there, said, old=old), there, said, file))
        progress(done, len(asked))
    return found


def _state(there: frozenset[Place], said: Erased | None, *, old: bool) -> State:
    if not there:
        return State.NOWHERE if said is None else State.ERASED
    # What was told was looked at then: a minimum that came later keeps nothing of it.
    return State.DUE if said is not None or old else State.YOUNG


def _places(
    places: Places, archived: Callable[[bytes, int], int], item: Item, file: ArchiveFile | None
) -> frozenset[Place]:
    there = set[Place]()
    if file is not None:
        whole = file.end <= archived(item.topic, item.partition)
        there.add(Place.ARCHIVE if whole else Place.UNFINISHED)
    if item.external:  # the log's record, and so the archive, carries none
        if places.in_object_store(item.digest):
            there.add(Place.STORE)
        return frozenset(there)
    first = places.first_offset(item.topic, item.partition)
    if first is not None and first <= item.offset:
        there.add(Place.LOG)
    return frozenset(there)


def _files(archive: Archive, wanted: Sequence[Wanted]) -> dict[tuple[bytes, int, int], ArchiveFile]:
    """The payload file that has a row of each, by place; those that have none are left out."""
    offsets: dict[tuple[bytes, int], dict[int, Wanted]] = defaultdict(dict)
    for each in wanted:
        offsets[each.item.topic, each.item.partition][each.item.offset] = each
    found: dict[tuple[bytes, int, int], ArchiveFile] = {}
    for (topic, partition), some in offsets.items():
        for file in archive.files(Part.PAYLOADS, topic, partition):
            inside = {offset for offset in some if file.first <= offset < file.end}
            if not inside:
                continue
            try:
                rows = archive.rows(file, ["offset", "payload_digest"]).to_pydict()
            except ArchiveGap:  # removed meanwhile
                continue
            for offset, digest in zip(rows["offset"], rows["payload_digest"], strict=True):
                if offset in inside and (some[offset].proved or digest == some[offset].item.digest):
                    found[topic, partition, offset] = file
    return found
