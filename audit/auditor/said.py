"""What the entries of a tree say: payloads against their digests, journals and holes against their places.

Entries that are alike are looked at together (audit/shapes); the others, and whatever is odd, one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import islice
from typing import Any, Final

import numpy as np
import pyarrow as pa

from audit.archive.columns import entries_table
from audit.follow import Journals, of_journal
from audit.proof.entry import Entry, Key, Kind, parse_entry
from audit.proof.errors import FormatError
from audit.sealed import TreeId
from audit.shapes import Alike, Sorted, Sorter
from audit.shapes.payloads import Mask, payloads_of
from audit.shapes.runs import Chains

from .archived import Beside
from .missing import NOTHING, Deleted, Missing
from .runs import Ranges, Runs
from .verified import MAX_FLAWS, TreeVerified

_PIECE: Final = 8192
_DIGEST: Final = int(Key.PAYLOAD_DIGEST)
_LENGTH: Final = int(Key.PAYLOAD_LENGTH)
_EXTERNAL: Final = int(Key.EXTERNAL)
_NAMED: Final = 10
"""Ranges of missing payloads that people are told; all that were kept are in the JSON."""
_INFERENCE: Final = int(Kind.INFERENCE)
_HOLE: Final = int(Kind.HOLE)
_OPENING: Final = int(Kind.OPENING)


class Said:
    """Of one tree, or a range of it; entries MUST come in their order. What is wrong is told in `verified`."""

    def __init__(self, tree: TreeId, verified: TreeVerified, missing: Missing = NOTHING) -> None:
        """`missing`: what is known of payloads that are not there."""
        self.topic: str | None = None
        """The topic's name, as the openings of journals say."""
        self.journals: set[bytes] = set()
        self._tree = tree
        self._verified = verified
        self._follow = Journals()
        self._sorter = Sorter()
        self._erased = missing.erased
        self._external = missing.external
        self._deleted = Deleted(tree, missing.deleted)
        self._missed: Counter[int] = Counter()
        """Payloads that are not there, by the statement that tells of them."""
        self._first: dict[bytes, int] = {}
        """Where each journal's first opening is."""
        self._unexplained = Ranges()
        self._holes = Runs(verified, "hole", "the log had no record")
        self._newest = 0
        """When the newest entry was logged, ms since 1970 UTC, as far as the archive says."""

    def overdue(self) -> None:
        """All was looked at: journals that have been silent for too long are told."""
        for flaw in self._follow.overdue(self._newest, self._tree.partition):
            self._verified.journal(flaw)

    def tell(self) -> None:
        """What was counted."""
        self._holes.end()
        self._deleted.tell(self._verified)
        self._tell_unexplained()
        verified = self._verified
        self.journals |= {journal.name for journal in self._follow}
        verified.journals = len(self.journals)
        verified.signers = [
            {
                "journal": each.name.hex(), "key": each.key.hex() or None, "opened": self._first.get(each.name),
                "last_signed": each.offset if each.signed or each.key else None,
            }
            for each in islice(sorted(self._follow, key=lambda each: each.name), MAX_FLAWS)
        ]  # fmt: skip
        verified.signatures, verified.unchecked_signatures = self._follow.signatures, self._follow.unchecked
        verified.duplicates = self._follow.duplicates
        said = {each.statement: each for each in self._erased.values() if each.statement in self._missed}
        for statement, count in sorted(self._missed.items()):
            plural = "payload is" if count == 1 else "payloads are"
            verified.remark("erasure", f"{count} {plural} erased: {said[statement].words()}")

    def _tell_unexplained(self) -> None:
        """Payloads that nobody has, and of which nobody says why: where they should be."""
        ranges = self._verified.unexplained = self._unexplained.all()
        if not ranges:
            return
        where = ", ".join(f"{a}" if a == b else f"{a} to {b}" for a, b in ranges[:_NAMED])
        more = f" and {len(ranges) - _NAMED} more ranges" if len(ranges) > _NAMED else ""
        too = (
            "they are not external"
            if self._external is None
            else "the object store does not have them either"
        )
        said = f"{self._unexplained.count} are missing at {where}{more}: {too}, and nobody says that they were deleted"
        self._verified.remark("payload", said, offset=ranges[0][0])

    def look(
        self, first: int, entries: Sequence[bytes | None], hashes: Sequence[bytes], beside: Beside
    ) -> pa.Table | None:
        """The rows that the entries give, when the archive's file is to be compared with them."""
        logged = beside.logged
        self._newest = max(self._newest, max((time for time in logged if time is not None), default=0))
        self._verified.entries += len(entries) - entries.count(None)
        tables = []
        # In pieces that stay in the processor's cache.
        for at in range(0, len(entries), _PIECE):
            some, leaves = entries[at : at + _PIECE], hashes[at : at + _PIECE]
            whole = [raw for raw in some if raw is not None]
            found = self._sorter.sort(whole)
            if len(whole) == len(some):
                sound = self._together(first, at, whole, leaves, beside, found)
            else:
                sound = False
                for place, (raw, leaf) in enumerate(zip(some, leaves, strict=True), at):
                    if raw is not None:
                        self._look(first, place, raw, leaf, beside)
            if sound and beside.file is not None:
                offsets = range(first + at, first + at + len(some))
                tables.append(entries_table(offsets, logged[at : at + _PIECE], whole, leaves, found))
        if beside.file is None or sum(table.num_rows for table in tables) != len(entries):
            return None
        return pa.concat_tables(tables).combine_chunks()

    def _together(
        self,
        first: int,
        start: int,
        entries: Sequence[bytes],
        hashes: Sequence[bytes],
        beside: Beside,
        found: Sorted,
    ) -> bool:
        """Entries from place `start` on, none of which is missing; False when one of them is no entry."""
        count = len(entries)
        chains = Chains(count, found.alike, hashes)
        theirs = [beside.payloads.get(at) for at in range(start, start + count)]
        hold, absent = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        for alike in found.alike:
            payloads = payloads_of(alike, theirs)
            hold[alike.places], absent[alike.places] = payloads.hold, payloads.absent
            chains.plain[alike.places[payloads.wrong]] = False
        sound = True
        for at in chains.odd_ones(self._follow):
            hold[at] = absent[at] = False  # it is counted there
            sound &= self._look(first, start + at, entries[at], hashes[at], beside)
        self._verified.payloads += int(hold.sum())
        self._verified.without_payload += int(absent.sum())
        if self._erased:
            for alike in found.alike:
                self._told(alike, hold, absent)
        if absent.any():
            self._nowhere(first + start, found, absent)
        return sound

    def _nowhere(self, first: int, found: Sorted, absent: Mask) -> None:
        """Payloads that are nowhere, from the offset `first` on, and that no statement tells of."""
        for alike in found.alike:
            if _EXTERNAL in alike:
                digests = alike.data(_DIGEST)
                for row, at in enumerate(alike.places.tolist()):
                    if absent[at]:
                        self._elsewhere(digests[row].tobytes(), first + at)
                absent[alike.places] = False
        for at in np.flatnonzero(absent).tolist():
            self._unsaid(first + at)

    def _elsewhere(self, digest: bytes, offset: int) -> None:
        """A payload of an entry that says that it is in the object store: it is counted as not there."""
        verified = self._verified
        if self._external is None:
            verified.external += 1
            return
        stored = self._external(digest)
        if stored is None:
            self._unsaid(offset)
            return
        verified.without_payload -= 1
        if sha256(stored).digest() == digest:
            verified.payloads += 1
        else:
            verified.flaw(
                "payload",
                f"in the object store, {digest.hex()}, is not what the entry's digest covers",
                offset=offset,
            )

    def _unsaid(self, offset: int) -> None:
        """A payload that is nowhere, counted as not there: its time may have been over."""
        if self._deleted.has(offset):
            self._verified.without_payload -= 1
            self._verified.deleted += 1
        else:
            self._unexplained.add(offset)

    def _told(self, alike: Alike, hold: Mask, absent: Mask) -> None:
        """Of entries that are alike: which payloads a statement tells of."""
        if _DIGEST not in alike:
            return
        digests = alike.data(_DIGEST)
        for row, at in enumerate(alike.places.tolist()):
            if absent[at]:
                absent[at] = not self._is_told(digests[row].tobytes())
                self._verified.without_payload -= not absent[at]
            elif hold[at]:
                self._verified.still_there += digests[row].tobytes() in self._erased

    def _is_told(self, digest: bytes) -> bool:
        """Whether a statement tells of a payload that is not there; it is counted then."""
        told = self._erased.get(digest)
        if told is None:
            return False
        self._verified.erased += 1
        self._missed[told.statement] += 1
        return True

    def _look(self, first: int, at: int, raw: bytes, leaf: bytes, beside: Beside) -> bool:
        """One entry, closely; whether it is one."""
        offset, time, payload = first + at, beside.logged[at], beside.payloads.get(at)
        try:
            entry = parse_entry(raw)
        except FormatError as error:
            self._verified.flaw("entry", f"was sealed, and is none: {error}", offset=offset)
            return False
        fields = entry.fields
        if payload is not None or _DIGEST in fields:
            self._payload(fields, payload, offset, beside)
        kind = fields[0]
        if kind == _INFERENCE or of_journal(entry):
            partition, whole = self._tree.partition, self._verified.first == 0
            for flaw in self._follow.follow(
                entry, leaf, partition=partition, offset=offset, timestamp=time or 0, whole=whole
            ):
                self._verified.journal(flaw)
            if kind == _OPENING:
                self.journals.add(fields[1])
                self._first.setdefault(fields[1], offset)
                if (topic := entry.get(Key.TOPIC)) is not None:
                    self._opening(topic, offset)
        elif kind == _HOLE:
            self._hole(entry, offset)
        return True

    def _payload(self, fields: Mapping[int, Any], payload: bytes | None, offset: int, beside: Beside) -> None:
        digest = fields.get(_DIGEST)
        if payload is None:
            if fields[_LENGTH] and not self._is_told(fields[_DIGEST]):
                self._verified.without_payload += 1
                if fields.get(_EXTERNAL):
                    self._elsewhere(fields[_DIGEST], offset)
                else:
                    self._unsaid(offset)
        elif digest is None:
            self._verified.flaw("payload", "belongs to an entry that has none", offset=offset)
        elif sha256(payload).digest() != digest or len(payload) != fields[_LENGTH]:
            path = beside.payload_path(offset)
            self._verified.flaw("payload", "is not what the entry's digest covers", offset=offset, path=path)
        else:
            self._verified.payloads += 1
            self._verified.still_there += digest in self._erased

    def _opening(self, topic: Mapping[str, object], offset: int) -> None:
        id_ = self._tree
        if (topic["id"], topic["partition"]) != (id_.topic, id_.partition):
            self._verified.flaw("journal", "was opened for another topic or partition", offset=offset)
        else:
            self.topic = str(topic["name"])

    def _hole(self, entry: Entry, offset: int) -> None:
        """A hole says where it is: one that was moved shows. That there is one is told."""
        fields, id_ = entry.fields, self._tree
        self._verified.holes += 1
        place = fields[Key.TOPIC]["id"], fields[Key.PARTITION], fields[Key.OFFSET]
        if place != (id_.topic, id_.partition, offset):
            self._verified.flaw("hole", "is of another place", offset=offset)
        self._holes.add(offset, str(fields[Key.REASON]))
