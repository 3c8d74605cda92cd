"""Records of the log as they come → leaves: many at once where they are alike, one by one where anything is odd.

Whatever is odd (another format, a payload that does not fit, another key, an entry that does not follow) goes through
`entry_of` and `Watch.record`, which say what it is. What goes the short way would have raised nothing there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audit.log.base import LogEntry, Topic
from audit.proof.entry import Key
from audit.proof.errors import FormatError
from audit.proof.hashing import leaf_hash
from audit.proof.record import split_record
from audit.shapes import Sorter
from audit.shapes.payloads import Mask, payloads_of
from audit.shapes.runs import Chains
from audit.shapes.shape import Rows

from .holes import entry_of
from .watch import Watch

_EXTERNAL = int(Key.EXTERNAL)


@dataclass(slots=True)
class Taken:
    """What became of records, each in its place."""

    entries: list[bytes]
    leaves: list[bytes]
    """Their hashes."""
    payloads: list[bytes]
    """Empty where the log had none, or where no record is."""
    holes: int = 0


class Intake:
    """The records of one partition. For one thread."""

    def __init__(self, topic: Topic, partition: int, watch: Watch) -> None:
        self._topic = topic
        self._partition = partition
        self._watch = watch
        self._sorter = Sorter()

    def take(self, records: Sequence[LogEntry]) -> Taken:
        """The leaves of the next records, one at least, which the watch has seen then.

        Nothing is raised, whatever they are.
        """
        entries, payloads = _split(records)
        leaves = [leaf_hash(entry) for entry in entries]
        alike = self._sorter.sort(entries).alike
        chains = Chains(len(records), alike, leaves)
        there = [payload or None for payload in payloads]
        for each in alike:
            found = payloads_of(each, there)
            # One that is external is in the object store; any other that is absent was left out on the way.
            odd = found.wrong if _EXTERNAL in each else found.wrong | found.absent
            chains.plain[each.places[odd]] = False
        chains.plain &= _fitting_keys(records, chains.journals)
        taken = Taken(entries, leaves, payloads)
        journals = self._watch.journals

        def silent(start: int, end: int) -> bool:
            """Whether their times say that some journal has been silent for too long."""
            deadline = journals.deadline
            return deadline > 0 and max(record.timestamp for record in records[start:end]) > deadline

        for at in chains.odd_ones(journals, silent):
            self._look(at, records[at], taken)
        return taken

    def _look(self, at: int, record: LogEntry, taken: Taken) -> None:
        """One record, closely."""
        leaf = entry_of(record.value, self._topic, self._partition, record.offset)
        self._watch.record(record.offset, record.timestamp, record.key, leaf)
        if leaf.hole is not None:
            taken.entries[at], taken.leaves[at], taken.payloads[at] = leaf.entry, leaf_hash(leaf.entry), b""
            taken.holes += 1


def _split(records: Sequence[LogEntry]) -> tuple[list[bytes], list[bytes]]:
    """Entries and payloads. Of what is no record the entry is empty, which is no entry."""
    entries, payloads = [], []
    for record in records:
        try:
            entry, payload = split_record(record.value or b"")
        except FormatError:
            entry, payload = b"", b""
        entries.append(entry)
        payloads.append(payload)
    return entries, payloads


def _fitting_keys(records: Sequence[LogEntry], journals: Rows) -> Mask:
    """Whether each record's key is its journal's id. A record without one contradicts nothing."""
    keys = [record.key for record in records]
    absent = np.fromiter((key is None for key in keys), np.bool_, len(keys))
    joined = b"".join([key if key is not None and len(key) == 16 else bytes(16) for key in keys])
    same = (np.frombuffer(joined, np.uint8).reshape(-1, 16) == journals).all(axis=1)
    sized = np.fromiter((key is not None and len(key) == 16 for key in keys), np.bool_, len(keys))
    fitting: Mask = absent | (sized & same)
    return fitting
