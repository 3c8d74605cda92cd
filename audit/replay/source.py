"""Records to be replayed, out of the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from audit.log.base import LogReader
from audit.proof.entry import Entry, Key, Kind
from audit.proof.errors import FormatError
from audit.proof.record import parse_record, split_record
from audit.show import walk

from .base import Logged
from .run import REACH

_BACK: Final = 4096
_OPENING: Final = bytes((Key.KIND, Kind.OPENING))


class Part(NamedTuple):
    """Offsets of a partition: from `first` up to, not including, `end`."""

    partition: int
    first: int
    end: int


class Source:
    """Reads parts of the log, with what stands around them: the rest of their batches, and their openings."""

    def __init__(self, reader: LogReader, external: Callable[[bytes], bytes | None] = lambda _: None) -> None:
        self._reader: Final = reader
        self._external: Final = external
        self._openings: Final[dict[tuple[bytes, int], Entry | None]] = {}

    def bounds(self, partition: int) -> Part:
        """All that a partition has now. Raises LogUnavailable."""
        return Part(partition, *self._reader.bounds(partition))

    def around(self, part: Part) -> Part:
        """The part, and as much of the log beside it as a batch may reach."""
        _, first, end = self.bounds(part.partition)
        return Part(part.partition, max(first, part.first - REACH), min(end, part.end + REACH))

    def records(
        self, parts: Sequence[Part], since: int | None = None, until: int | None = None
    ) -> Iterator[Logged]:
        """The parts' records, those around them as not wanted.

        Args:
            parts: of any partitions.
            since: wanted are those that the log has from then on, ms since 1970 UTC.
            until: and before then.

        Raises:
            LogError: what the log raises.
        """
        for part in parts:
            reach = self.around(part)
            for entry in walk(self._reader, part.partition, reach.first, reach.end):
                wanted = (
                    part.first <= entry.offset < part.end
                    and (since is None or entry.timestamp >= since)
                    and (until is None or entry.timestamp < until)
                )
                yield self._logged(part.partition, entry.offset, entry.value, wanted=wanted)

    def _logged(self, partition: int, offset: int, value: bytes, *, wanted: bool) -> Logged:
        try:
            record = parse_record(value)
        except FormatError:
            return Logged(partition, offset, None, b"", wanted)
        payload = record.payload
        if not payload and record.entry.get(Key.EXTERNAL):
            payload = self._external(record.entry.fields[Key.PAYLOAD_DIGEST]) or b""
        return Logged(partition, offset, record.entry, payload, wanted)

    def opening(self, logged: Logged) -> Entry | None:
        """The opening entry of a record's epoch: looked for backwards, from the record on."""
        assert logged.entry is not None
        fields = logged.entry.fields
        epoch = fields[Key.JOURNAL], fields[Key.EPOCH]
        if epoch not in self._openings:
            self._openings[epoch] = self._look_back(logged.partition, logged.offset, *epoch)
        return self._openings[epoch]

    def _look_back(self, partition: int, end: int, journal: bytes, epoch: int) -> Entry | None:
        first, _ = self._reader.bounds(partition)
        while end > first:
            start = max(first, end - _BACK)
            for entry in walk(self._reader, partition, start, end):
                opening = _opening(entry.value) if entry.key == journal else None
                if opening is not None and opening.fields[Key.EPOCH] == epoch:
                    return opening
            end = start
        return None


def _opening(value: bytes) -> Entry | None:
    """The record's entry if it is an opening. A look at the kind, which comes first in an entry, tells of
    almost all that they are none.
    """
    try:
        raw, _ = split_record(value)
        if raw[1:3] != _OPENING:  # after the head of the map, one byte for up to 23 keys
            return None
        return parse_record(value).entry
    except FormatError:
        return None
