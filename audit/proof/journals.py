"""What the gateways' journals swear to, of one tree's part of a bundle (docs/evidence-bundle.md, "What is verified").

A journal signs an opening, a heartbeat or a closing entry; by the chain each of them covers every entry before it. So
an entry is sworn to when the entries from it to a signed one are there, each chained to the one before it. Gaps are
no flaw: a bundle is a selection.

Of different entries with one sequence the journal's is the one that the next entry is chained to, wherever it stands:
whoever carries a journal to the log can put his own in front of it. The others are flaws, and nothing swears to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields

from .entry import JOURNAL_KINDS, SIGNED_KINDS, Entry, Key, Kind, signature_holds
from .flaws import Flaw
from .hashing import ZERO_HASH, leaf_hash

Placed = tuple[int, Entry]
"""An entry with its offset."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A journal that has entries in a bundle. That its key is a gateway's, nothing in the bundle shows."""

    journal: str
    """Its id, in hex."""
    key: str | None
    """The key that its own opening names, in hex; None without the opening."""
    origin: str
    """The tree that has it."""
    first: int
    last: int
    """The least and the greatest offset of its entries that are there."""


@dataclass(slots=True)
class Sworn:
    """What holds of journals. Counts are of entries of journals."""

    entries: int = 0
    signatures: int = 0
    unchecked: int = 0
    """Signed entries whose journal's opening, with its key, is not there."""
    sworn: int = 0
    """Entries that an unbroken chain leads from to a signed entry of their journal."""
    asked: int = 0
    """Entries that were asked for; the next five are parts of them."""
    asked_sworn: int = 0
    left_out: int = 0
    """Not sworn to: a later signed entry of their journal is there, and not all entries between."""
    not_signed: int = 0
    """Not sworn to: no later signed entry of their journal is there."""
    no_key: int = 0
    """Not sworn to: the opening with the journal's key is not there."""
    displaced: int = 0
    """Not sworn to: another entry has their place in the journal."""
    flaws: list[Flaw] = field(default_factory=list)
    signers: list[Signer] = field(default_factory=list)
    """Every journal: their keys are to be compared with those of one's gateways."""

    @property
    def without(self) -> int:
        """Entries that were asked for, and that no gateway's signature covers."""
        return self.asked - self.asked_sworn

    def add(self, other: Sworn) -> None:
        """Take another tree's in."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def why(self) -> list[str]:
        """Why some are without a signature, and how many: one text a reason, for people."""
        reasons = (
            (
                self.left_out,
                "the entries from them to their gateway's next signed one are not all in the bundle",
            ),
            (self.not_signed, "no later entry that their gateway has signed is in the bundle"),
            (self.no_key, "their journal's opening, which has its key, is not in the bundle"),
            (self.displaced, "another entry has their place in the journal: they are flaws"),
        )
        return [f"{count:,}: {said}" for count, said in reasons if count]


def verify_journals(origin: str, entries: Sequence[Placed], asked: Callable[[int], bool]) -> Sworn:
    """Hold a tree's entries to their journals' chains and signatures.

    Args:
        origin: the tree's, for flaws.
        entries: proved to be in the tree, by offset; those of no journal are passed over.
        asked: whether an offset was asked for, or is there to understand others.
    """
    sworn = Sworn()
    journals: dict[bytes, dict[int, dict[bytes, Placed]]] = {}
    for offset, entry in entries:
        if entry.kind not in JOURNAL_KINDS:
            continue
        known = journals.setdefault(entry.fields[Key.JOURNAL], {})
        known.setdefault(entry.fields[Key.SEQUENCE], {}).setdefault(entry.raw, (offset, entry))
    for known in journals.values():
        journal = _Journal(origin, sworn, asked)
        journal.verify([journal.choose(known, sequence) for sequence in sorted(known)])
    return sworn


class _Journal:
    """One journal's entries, in the order of their sequence."""

    def __init__(self, origin: str, sworn: Sworn, asked: Callable[[int], bool]) -> None:
        self._origin = origin
        self._sworn = sworn
        self._asked = asked
        # Entries, and those of them that were asked for, that the next signed entry covers if it follows.
        self._waiting, self._waiting_asked = 0, 0
        self._loose = 0
        """Asked for, before a gap, and no signed entry was met since."""

    def choose(self, known: Mapping[int, Mapping[bytes, Placed]], sequence: int) -> Placed:
        """The journal's entry of that sequence; any others are flaws."""
        some = list(known[sequence].values())
        if len(some) == 1:
            return some[0]
        chains = {entry.fields[Key.CHAIN] for _, entry in known.get(sequence + 1, {}).values()}
        one = next((each for each in some if leaf_hash(each[1].raw) in chains), some[0])
        sworn = self._sworn
        for offset, _ in (each for each in some if each is not one):
            self._flaw(f"another entry than at offset {one[0]} has sequence {sequence}", offset)
            sworn.entries += 1
            sworn.asked += self._asked(offset)
            sworn.displaced += self._asked(offset)
        return one

    def verify(self, entries: Sequence[Placed]) -> None:
        sworn, before = self._sworn, None
        key = next((entry.fields[Key.PUBLIC_KEY] for _, entry in entries if entry.kind == Kind.OPENING), None)
        name, offsets = entries[0][1].fields[Key.JOURNAL].hex(), [offset for offset, _ in entries]
        known = None if key is None else key.hex()
        sworn.signers.append(Signer(name, known, self._origin, min(offsets), max(offsets)))
        for offset, entry in entries:
            if not self._follows(offset, entry, before):
                self._loose += self._waiting_asked
                self._waiting, self._waiting_asked = 0, 0
            asked = self._asked(offset)
            self._waiting += 1
            self._waiting_asked += asked
            sworn.entries += 1
            sworn.asked += asked
            if entry.kind in SIGNED_KINDS:
                self._signed(offset, entry, key)
            before = entry
        rest = self._loose + self._waiting_asked
        if key is None:
            sworn.no_key += rest
        else:
            sworn.not_signed += rest

    def _follows(self, offset: int, entry: Entry, before: Entry | None) -> bool:
        """Whether it is chained to `before`, which is the journal's entry before it."""
        sequence, chain = entry.fields[Key.SEQUENCE], entry.fields[Key.CHAIN]
        follows = before is not None and before.fields[Key.SEQUENCE] == sequence - 1
        expected = leaf_hash(before.raw) if before is not None and follows else ZERO_HASH
        if (follows or sequence == 0) and chain != expected:
            self._flaw("does not follow the journal's entry before it", offset)
            return False
        return follows

    def _signed(self, offset: int, entry: Entry, key: bytes | None) -> None:
        sworn = self._sworn
        if key is None:
            sworn.unchecked += 1
        elif signature_holds(entry, key) and (
            entry.kind != Kind.OPENING or key == entry.fields[Key.PUBLIC_KEY]
        ):
            sworn.signatures += 1
            sworn.sworn += self._waiting
            sworn.asked_sworn += self._waiting_asked
            sworn.left_out += self._loose
            self._waiting, self._waiting_asked, self._loose = 0, 0, 0
        else:
            self._flaw("is not signed by the journal's key", offset)

    def _flaw(self, message: str, offset: int) -> None:
        self._sworn.flaws.append(Flaw("journal", message, self._origin, offset))
