"""What the notary looks for in a partition while it seals it. Pure: it is fed, and raises alarms.

| alarm | |
|---|---|
| `head` | the log has lost offsets before they were sealed, or payloads before they were archived |
| `offset` | an offset is missing in the middle of the log |
| `format` | what stands at an offset is no record |
| `payload` | a payload is not the bytes that its entry's digest covers |
| `key` | a record's key is not its journal's id |
| `missing`, `chain`, `duplicate`, `order`, `epoch`, `opening`, `closing`, `signature`, `heartbeat` | see follow.py |

Alarms about the log as a whole (`tail`, `rewritten`, `unreadable`, `witness`, `topic`, `settings`) are raised by
session.py, topics.py and tended.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from audit.follow import Flaw, Journal, Journals, of_journal
from audit.proof.entry import Key, parse_entry
from audit.proof.errors import FormatError
from audit.proof.hashing import leaf_hash

from .alarms import Alarm, Untold
from .holes import Leaf

FORMAT: Final = 1
_JOURNAL: Final = int(Key.JOURNAL)


class Watch:
    """One partition of one topic, in order of its offsets."""

    def __init__(
        self,
        topic: bytes,
        partition: int,
        *,
        untold: Untold,
        journals: Journals | None = None,
    ) -> None:
        """Nothing was seen yet.

        Args:
            topic: the topic's id.
            partition: of it.
            untold: takes the alarms.
            journals: with other bounds.
        """
        self._topic = topic
        self._partition = partition
        self._whole = True
        self.journals = Journals() if journals is None else journals
        self.untold = untold

    def record(self, offset: int, timestamp: int, key: bytes | None, leaf: Leaf) -> None:
        """What the log has at the next offset, and its leaf. `timestamp` is the log's, in ms."""
        self.tick(timestamp)
        if leaf.record is None:
            self.alarm("format", f"{leaf.hole}: sealed as a hole", offset)
            return
        entry = leaf.record.entry
        flaws: Sequence[Flaw] = ()
        if of_journal(entry):
            flaws = self.journals.follow(
                entry,
                leaf_hash(leaf.entry),
                partition=self._partition,
                offset=offset,
                timestamp=timestamp,
                whole=self._whole,
            )
            if key is not None and key != entry.fields[_JOURNAL]:
                said = "the record's key is not its journal's id"
                flaws = [*flaws, self._flaw("key", said, offset, entry.fields)]
        if leaf.flaw:
            flaws = [*flaws, self._flaw("payload", leaf.flaw, offset, entry.fields)]
        for flaw in flaws:
            self.untold.add(Alarm.of(flaw, self._topic))

    def gone(self, start: int, end: int, *, head: bool) -> None:
        """The log does not have the offsets from `start` to before `end`.

        `head`: it begins behind them; else they are missing in its middle.
        """
        if head:
            self.alarm("head", f"offsets {start} to {end - 1} were gone before they were sealed", start)
        else:
            self.alarm("offset", f"offsets {start} to {end - 1} are not in the log", start)
        self._whole = False

    def left(self, offset: int, raw: bytes) -> None:
        """An entry of an offset that the log has lost, as an ended run of the notary has read it."""
        try:
            entry = parse_entry(raw)
        except FormatError:
            return  # a hole that was made by that run; its alarm was told, or `gone` tells it
        if of_journal(entry):
            for flaw in self.journals.follow(
                entry, leaf_hash(raw), partition=self._partition, offset=offset, whole=self._whole
            ):
                self.untold.add(Alarm.of(flaw, self._topic))

    def tick(self, now: int) -> None:
        """It is `now`, in ms of the log's clock, and everything logged before was seen."""
        for flaw in self.journals.overdue(now, self._partition):
            self.untold.add(Alarm.of(flaw, self._topic))

    def alarm(self, what: str, message: str, offset: int, *, at_once: bool = False) -> None:
        """One that is not a journal's."""
        self.untold.add(Alarm(what, message, self._topic.hex(), self._partition, offset), at_once=at_once)

    def state(self) -> list[Any]:
        """Everything but the remembered leaf hashes: `State.journals`."""
        return [
            {"format": FORMAT, "whole": self._whole, **self.untold.state()},
            *(journal.state() for journal in self.journals),
        ]

    def restore(self, state: Sequence[Any], newest: Iterable[bytes] = ()) -> None:
        """Go on from a state: empty when there is none yet.

        Args:
            state: what `state` gave.
            newest: the entries of the newest leaves of that size, in order, for telling duplicates.

        Raises:
            FormatError: it is no state.
        """
        if not state:
            return
        first, *journals = state
        if not isinstance(first, dict) or first.get("format") != FORMAT or "whole" not in first:
            raise FormatError(f"state: of another watch than format {FORMAT}")
        self._whole = bool(first["whole"])
        self.untold.restore(first)
        self.journals.restore(map(Journal.restored, journals))
        for raw in newest:
            self.journals.remember(parse_entry(raw), leaf_hash(raw))

    def _flaw(self, what: str, message: str, offset: int, fields: Any) -> Flaw:
        name, sequence = fields.get(_JOURNAL), fields.get(Key.SEQUENCE)
        journal = name.hex() if isinstance(name, bytes) else None
        return Flaw(what, message, self._partition, offset, journal, sequence if journal else None)
