"""Which payloads are to be deleted now, a range of the archive at a time, and why others are not.

How old a file is, is said by the entries file of the same offsets, which is under the tree: by the log's time of its
newest record. The day in a file's name is nobody's word, and only spares files that are young by it from being read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from audit.archive import Archive
from audit.archive.names import ArchiveFile, Part

DAY_MS: Final = 86_400_000
_STATEMENTS: Final = ("governance", "erasure")


class State(StrEnum):
    """What is to be done with the payloads of a range of offsets."""

    KEPT = "kept"
    """Not old enough."""
    DUE = "due"
    """To be deleted."""
    LOGGED = "in the log"
    """Old enough, and the log itself still has them: deleting the archive's copy would delete nothing."""
    EVIDENCE = "evidence"
    """Statements of the governance log: kept for ever."""
    UNKNOWN = "age unknown"
    """The entries file is not there, or says no time: nothing is deleted on a guess."""
    TOLD = "deleted"
    """Gone, and a signed statement says so."""
    ERASED = "erased"
    """Gone, each of them erased by a signed statement of its own (audit/erasure)."""
    GONE = "gone"
    """Gone, and nobody has said so."""
    NONE = "none"
    """No record of the range has a payload."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a signed statement says of one range: that its payloads were deleted."""

    person: str
    at: float
    """Seconds since 1970 UTC, by the signer's clock."""
    file: bool
    """Whether there was a payload file; else all of its payloads were in the object store."""


@dataclass(frozen=True, slots=True)
class Range:
    """A range of offsets in the archive, and its payloads."""

    file: ArchiveFile
    """The payload file that there is, or would be."""
    state: State
    there: bool
    """Whether that file is there."""
    newest: int | None = None
    """The log's time of the newest record, ms since 1970 UTC, where it was looked up."""
    external: tuple[bytes, ...] = ()
    """Digests of payloads that are in the object store, where they were looked up."""


@dataclass(frozen=True, slots=True)
class Places:
    """What is asked about a range, beside the archive itself.

    Raises LogUnavailable: it does not answer.
    """

    first_offset: Callable[[bytes, int], int | None]
    """(topic, partition) → the first offset that the log still has; None: it is the log of another topic."""
    in_object_store: Callable[[bytes], bool]
    """Whether the object store of large payloads has one of that digest."""


def ranges(
    archive: Archive,
    places: Places,
    told: Mapping[str, Told],
    erased: Collection[bytes] = (),
    *,
    now_ms: int,
    older_than_days: int | None,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> Iterator[Range]:
    """Every range of the archive, in the order of its offsets.

    Args:
        archive: entries and payloads.
        places: the log, and the object store.
        told: name of a payload file → what was said of it.
        erased: digests of payloads that signed statements say are erased.
        now_ms: ms since 1970 UTC.
        older_than_days: payloads of that age and more are due; None: none are.
        progress: called with (ranges looked at, of how many).

    Raises:
        ObjectsUnavailable, LogUnavailable: it does not answer.
        FormatError: an entries file is none.
    """
    entries = {_key(each): each for each in archive.all_files(Part.ENTRIES)}
    payloads = {_key(each): each for each in archive.all_files(Part.PAYLOADS)}
    before = None if older_than_days is None else now_ms - older_than_days * DAY_MS
    keys = sorted(payloads.keys() | entries.keys())
    for done, key in enumerate(keys):
        progress(done, len(keys))
        there = key in payloads
        file = payloads[key] if there else replace(entries[key], part=Part.PAYLOADS)
        found = _spared(file, there, told.get(file.name), before)
        yield found or _looked_up(
            archive, places, file, entries.get(key), there, told.get(file.name), erased, before
        )
    progress(len(keys), len(keys))


def _key(file: ArchiveFile) -> tuple[bytes, int, int, int]:
    return file.topic, file.partition, file.first, file.end


def _spared(file: ArchiveFile, there: bool, said: Told | None, before: int | None) -> Range | None:
    """What is known without a look at the entries."""
    if there and (before is None or _day_begins(file) >= before):
        return Range(file, State.KEPT, there)
    if not there and said is not None and said.file:
        return Range(file, State.TOLD, there)
    return None


def _looked_up(
    archive: Archive,
    places: Places,
    file: ArchiveFile,
    entry: ArchiveFile | None,
    there: bool,
    said: Told | None,
    erased: Collection[bytes],
    before: int | None,
) -> Range:
    if entry is None:
        return Range(file, State.UNKNOWN, there)
    rows = archive.rows(entry, ["logged", "kind", "payload_length", "payload_digest", "external"])
    held = rows.filter(pc.greater(rows.column("payload_length"), 0))
    payloads = held.num_rows
    if erased and not there:
        held = _not_erased(held, erased, places)
    outside = pc.fill_null(held.column("external"), False)
    external = tuple(held.filter(outside).column("payload_digest").to_pylist())
    newest = pc.max(rows.column("logged").cast(pa.int64())).as_py()

    def found(state: State) -> Range:
        return Range(file, state, there, newest, external)

    if not there and (len(external) < held.num_rows or not any(map(places.in_object_store, external))):
        return found(_missing(payloads, held.num_rows, said))
    if pc.any(pc.is_in(rows.column("kind"), pa.array(_STATEMENTS))).as_py():
        return found(State.EVIDENCE)
    if newest is None:
        return found(State.UNKNOWN)
    if before is None or newest >= before:
        return found(State.KEPT)
    first = places.first_offset(file.topic, file.partition)
    return found(State.LOGGED if first is not None and first < file.end else State.DUE)


def _missing(payloads: int, untold: int, said: Told | None) -> State:
    """Of a range none of whose payloads is there: how many its records had, and how many no erasure tells of."""
    if not payloads:
        return State.NONE
    if said is not None:
        return State.TOLD
    return State.GONE if untold else State.ERASED


def _not_erased(held: pa.Table, erased: Collection[bytes], places: Places) -> pa.Table:
    """Without the records whose payload a statement says is erased, but for large ones that are there all the same."""
    pairs = zip(held.column("payload_digest").to_pylist(), held.column("external").to_pylist(), strict=True)
    left = [
        digest not in erased or bool(outside and places.in_object_store(digest)) for digest, outside in pairs
    ]
    return held.filter(pa.array(left, pa.bool_()))


def _day_begins(file: ArchiveFile) -> int:
    day = file.day
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
