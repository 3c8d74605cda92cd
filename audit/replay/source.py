"""Records to be replayed: out of the log, and out of the archive what the log does not have any more."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from audit.log.base import LogReader
from audit.proof.entry import Entry, Key, Kind, parse_entry, parse_record_id
from audit.proof.errors import FormatError
from audit.proof.record import split_record
from audit.shapes import Sorter
from audit.shapes.entries import parse_entries
from audit.show import walk

from .base import Logged
from .run import REACH

if TYPE_CHECKING:
    from audit.archive import Archive

_BACK: Final = 16_384
_TOGETHER: Final = 1024
_TOGETHER_BYTES: Final = 4 << 20
_NO_LOG: Final = 1 << 63
_OPENING: Final = bytes((Key.KIND, Kind.OPENING))


class Part(NamedTuple):
    """Offsets of a partition: from `first` up to, not including, `end`."""

    partition: int
    first: int
    end: int


class _Found(NamedTuple):
    """What stands at an offset, not parsed. `time`: the log's, ms since 1970 UTC; `entry` None: no record."""

    offset: int
    time: int | None
    entry: bytes | None
    payload: bytes


class Source:
    """Reads parts of a topic, with what stands around them: the rest of their batches, and their openings."""

    def __init__(
        self,
        reader: LogReader | None,
        topic: bytes = b"",
        *,
        archive: Archive | None = None,
        external: Callable[[bytes], bytes | None] = lambda _: None,
    ) -> None:
        """Take the log, the archive of its topic, or both; `external` fetches a payload that is in the object
        store, by digest.
        """
        self._reader: Final = reader
        self._topic: Final = topic
        self._archive: Final = archive
        self._external: Final = external
        self._openings: Final[dict[tuple[bytes, int], Entry | None]] = {}
        self._sorter: Final = Sorter()

    def bounds(self, partition: int) -> Part:
        """All that there is of a partition. Raises LogUnavailable, ObjectsUnavailable."""
        first, end = self._log_bounds(partition)
        if first and self._archive is not None:
            from audit.archive import Part as Kinds

            files = self._archive.files(Kinds.ENTRIES, self._topic, partition)
            first = min([first, *(file.first for file in files)])
            end = max([file.end for file in files], default=first) if self._reader is None else end
        return Part(partition, min(first, end), end)

    def _log_bounds(self, partition: int) -> tuple[int, int]:
        """Without a log everything is older than it."""
        return self._reader.bounds(partition) if self._reader is not None else (_NO_LOG, _NO_LOG)

    def around(self, part: Part) -> Part:
        """The part, and as much beside it as a batch may reach."""
        _, first, end = self.bounds(part.partition)
        return Part(part.partition, max(first, part.first - REACH), min(end, part.end + REACH))

    def records(
        self, parts: Sequence[Part], since: int | None = None, until: int | None = None
    ) -> Iterator[Logged]:
        """The parts' records, those around them as not wanted.

        Args:
            parts: of any partitions; they MUST NOT overlap.
            since: wanted are those that the log has from then on, ms since 1970 UTC.
            until: and before then.

        Raises:
            LogError: what the log raises.
            ArchiveGap: neither the log nor the archive has an offset.
        """
        for around, inside in self.walks(parts):
            firsts = [part.first for part in inside]
            for some in _some(self._walk(*around)):
                entries = parse_entries(self._sorter, [found.entry for found in some])
                for found, entry in zip(some, entries, strict=True):
                    at = bisect_right(firsts, found.offset) - 1
                    wanted = at >= 0 and found.offset < inside[at].end and _within(found.time, since, until)
                    yield self._logged(around.partition, found, entry, wanted=wanted)

    def walks(self, parts: Sequence[Part]) -> list[tuple[Part, list[Part]]]:
        """What is read, and which of the parts are in it. Parts that reach into each other are read once: a second
        time their records would pass for duplicates.
        """
        walks: list[tuple[Part, list[Part]]] = []
        for part in sorted(parts):
            around = self.around(part)
            last = walks[-1][0] if walks else None
            if last is not None and last.partition == around.partition and around.first <= last.end:
                inside = walks[-1][1]
                inside.append(part)
                walks[-1] = last._replace(end=max(last.end, around.end)), inside
            else:
                walks.append((around, [part]))
        return walks

    def _walk(self, partition: int, start: int, end: int) -> Iterator[_Found]:
        first, _ = self._log_bounds(partition)
        if start < first and self._archive is not None:
            for old in self._archive.records(self._topic, partition, start, min(first, end)):
                yield _Found(old.offset, old.logged, old.entry, old.payload)
            start = first
        if self._reader is None:
            return
        for entry in walk(self._reader, partition, start, end):
            raw, payload = _split(entry.value)
            yield _Found(entry.offset, entry.timestamp, raw, payload)

    def find(self, record: str, partitions: int) -> list[Part]:
        """Everywhere a record stands; all is looked through. More than one place: it was shipped twice, or somebody
        has put another entry under its id.

        Raises:
            FormatError: that is no record id.
        """
        journal, sequence = parse_record_id(record)
        places = []
        for partition in range(partitions):
            for found in self._walk(*self.bounds(partition)):
                if found.entry is None or journal not in found.entry:
                    continue
                fields = _fields(found.entry)
                if (fields.get(Key.JOURNAL), fields.get(Key.SEQUENCE)) == (journal, sequence):
                    places.append(Part(partition, found.offset, found.offset + 1))
        return places

    def _logged(self, partition: int, found: _Found, entry: Entry | None, *, wanted: bool) -> Logged:
        payload = found.payload
        if not payload and entry is not None and entry.get(Key.EXTERNAL):
            payload = self._external(entry.fields[Key.PAYLOAD_DIGEST]) or b""
        return Logged(partition, found.offset, entry, payload, wanted)

    def opening(self, logged: Logged) -> Entry | None:
        """The opening entry of a record's epoch: looked for backwards, from the record on."""
        assert logged.entry is not None
        fields = logged.entry.fields
        epoch = fields[Key.JOURNAL], fields[Key.EPOCH]
        if epoch not in self._openings:
            self._openings[epoch] = self._look_back(logged.partition, logged.offset, *epoch)
        return self._openings[epoch]

    def _look_back(self, partition: int, end: int, journal: bytes, epoch: int) -> Entry | None:
        _, first, _ = self.bounds(partition)
        while end > first:
            start = max(first, end - _BACK)
            for found in self._walk(partition, start, end):
                opening = _opening(found.entry)
                if opening is not None and (journal, epoch) == (
                    opening.fields[Key.JOURNAL],
                    opening.fields[Key.EPOCH],
                ):
                    return opening
            end = start
        return None


def _some(found: Iterator[_Found]) -> Iterator[list[_Found]]:
    """Several at once, which are held in memory together."""
    some: list[_Found] = []
    size = 0
    for each in found:
        some.append(each)
        size += len(each.payload)
        if len(some) >= _TOGETHER or size >= _TOGETHER_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def _split(value: bytes | None) -> tuple[bytes | None, bytes]:
    """A record's two parts; no entry where a foreign client wrote something else, or nothing."""
    try:
        return split_record(value) if value is not None else (None, b"")
    except FormatError:
        return None, b""


def _fields(raw: bytes) -> Mapping[int, Any]:
    try:
        return parse_entry(raw).fields
    except FormatError:
        return {}


def _within(time: int | None, since: int | None, until: int | None) -> bool:
    if since is None and until is None:
        return True
    return time is not None and (since is None or time >= since) and (until is None or time < until)


def _opening(raw: bytes | None) -> Entry | None:
    """The entry if it is an opening. The kind comes first in an entry, after the head of the map (one byte, for
    up to 23 keys): a look at it tells of almost all that they are none.
    """
    if raw is None or raw[1:3] != _OPENING:
        return None
    try:
        return parse_entry(raw)
    except FormatError:
        return None
