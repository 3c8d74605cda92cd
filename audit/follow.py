"""Journals followed through the log: each entry is held against its journal's entry before it.

Whoever checks a whole log (check.py) and the notary, which goes on for years (notary/watch.py), look here.

1. The sequence follows: a gap is `missing`. The same sequence with the same hash again is a benign duplicate
   (a dead sidecar's last request may still land); with another hash it is a `duplicate`, from so long ago that it
   cannot be told, `order`.
2. The chain follows: `chain`.
3. An opening has the next epoch, every other entry the epoch of its opening: `epoch`; nothing but an opening
   follows a closing: `closing`; the first entry is an opening: `opening`.
4. Opening, heartbeat and closing are signed by the key of the journal's first opening: `signature`.
5. An open journal's heartbeat comes in the time that its opening promised: `heartbeat`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .proof.entry import JOURNAL_KINDS, SIGNED_KINDS, Entry, Key, Kind, signing_message
from .proof.errors import FormatError
from .proof.hashing import ZERO_HASH
from .remembered import Remembered

REMEMBERED: Final = 65_536
"""Leaf hashes kept to tell benign duplicates, the newest of all journals together; far more than is in flight."""
MOST: Final = 4096
"""Journals known at once. Of more, the one that was not heard of for the longest time is forgotten."""
SLACK: Final = 30_000
"""A heartbeat may come so many ms after twice the promised time: a sidecar that tries again needs its time."""

# Read for each record: looking a name up in its enumeration would take longer than the comparison.
_JOURNAL: Final = int(Key.JOURNAL)
_EPOCH: Final = int(Key.EPOCH)
_SEQUENCE: Final = int(Key.SEQUENCE)
_CHAIN: Final = int(Key.CHAIN)
_OPENING: Final = int(Kind.OPENING)
_LARGEST: Final = 2**64 - 1
_KINDS: Final = frozenset(map(int, Kind))
_OF_JOURNALS: Final = frozenset(map(int, JOURNAL_KINDS))
_SIGNED: Final = frozenset(map(int, SIGNED_KINDS))

_Say = Callable[[str, str], None]


class Flaw(NamedTuple):
    """One thing that is wrong, and where. `journal` is hex; both it and `sequence` are None when not known."""

    what: str
    message: str
    partition: int
    offset: int
    journal: str | None = None
    sequence: int | None = None

    def __str__(self) -> str:
        where = f"partition {self.partition}, offset {self.offset}"
        if self.journal is not None:
            where += f", journal {self.journal}, sequence {self.sequence}"
        return f"{self.what}: {self.message} ({where})"


@dataclass(slots=True)
class Journal:
    """What is known of one journal. Times are the log's, in ms since 1970 UTC."""

    name: bytes
    sequence: int
    """The next one."""
    head: bytes
    """Leaf hash of the newest entry."""
    epoch: int = 0
    key: bytes = b""
    """Its public key; empty while no opening was seen."""
    heartbeat: int = 0
    """Seconds that its opening promised; 0 when none was seen."""
    heard: int = 0
    """When the newest signed entry was logged; 0 when the log has no times."""
    signed: int = 0
    """That entry's sequence."""
    offset: int = 0
    """That entry's offset."""
    closed: bool = False
    silent: bool = False
    """Its silence was told."""

    @property
    def deadline(self) -> int:
        """Until when the log must show a signed entry of it; 0 when nothing is promised."""
        if self.closed or self.silent or not self.heartbeat or not self.heard:
            return 0
        return self.heard + 2000 * self.heartbeat + SLACK

    def state(self) -> list[Any]:
        """For CBOR."""
        flags = self.closed + 2 * self.silent
        return [
            self.name, self.sequence, self.head, self.epoch, self.key, self.heartbeat, self.heard, self.signed,
            self.offset, flags,
        ]  # fmt: skip

    @classmethod
    def restored(cls, state: Any) -> Journal:
        """Of a state.

        Raises:
            FormatError: it is none.
        """
        forms = [type(part) for part in state] if isinstance(state, list) else []
        if forms != [bytes, int, bytes, int, bytes, int, int, int, int, int]:
            raise FormatError("state: a journal is not of its form")
        *values, flags = state
        journal = cls(*values)
        journal.closed, journal.silent = bool(flags & 1), bool(flags & 2)
        return journal


class Journals:
    """Every journal that was met in the entries so far."""

    def __init__(self, *, remembered: int = REMEMBERED, most: int = MOST) -> None:
        """None is known yet.

        Args:
            remembered: leaf hashes that are kept.
            most: journals that are known at once.
        """
        self._journals: OrderedDict[bytes, Journal] = OrderedDict()
        self._remembered = Remembered(remembered)
        self._most = most
        self._deadline = 0
        self.notes: list[Flaw] = []
        """What somebody may want to know and is not wrong: who takes them empties the list."""
        self.followed = 0
        """Entries, each counted once."""
        self.duplicates = 0
        """Benign ones."""
        self.signatures = 0
        """Those that hold."""
        self.unchecked = 0
        """Signed entries of a journal whose opening was not seen."""

    def __iter__(self) -> Iterator[Journal]:
        return iter(self._journals.values())

    def __len__(self) -> int:
        return len(self._journals)

    def restore(self, journals: Iterable[Journal]) -> None:
        """Go on from what was known; leaf hashes come by `remember`."""
        self._journals = OrderedDict((journal.name, journal) for journal in journals)
        self._set_deadline()

    def remember(self, entry: Entry, leaf: bytes) -> None:
        """A leaf of before `restore`, in order: only for telling duplicates."""
        if of_journal(entry) and (journal := self._journals.get(entry.fields[_JOURNAL])) is not None:
            self._remembered.keep(journal.name, entry.fields[_SEQUENCE], (leaf,))

    def follows(self, name: bytes, epoch: int, sequence: int, chain: bytes) -> bool:
        """Whether nothing is wrong with the next entry of the journal `name`, if it is not signed."""
        journal = self._journals.get(name)
        return (
            journal is not None
            and sequence == journal.sequence
            and chain == journal.head
            and epoch == journal.epoch
            and not journal.closed
        )

    def advance(self, name: bytes, leaves: Sequence[bytes]) -> None:
        """Steps 1 to 4 for entries of which the first `follows`, and each other one the one before it.

        Args:
            name: their journal's.
            leaves: their leaf hashes. None of them MUST be an opening, a heartbeat or a closing.
        """
        journal = self._journals[name]
        self._advance(journal, journal.sequence, leaves)

    @property
    def deadline(self) -> int:
        """Up to then, ms of the log's clock, nothing is `overdue`; 0: nothing ever is."""
        return self._deadline

    def follow(
        self,
        entry: Entry,
        leaf: bytes,
        *,
        partition: int,
        offset: int,
        timestamp: int = 0,
        whole: bool = True,
    ) -> Sequence[Flaw]:
        """Steps 1 to 4 for the next entry of a journal (`of_journal`); what is wrong with it.

        Args:
            entry: the entry.
            leaf: its leaf hash.
            partition: where it stands, for what is said.
            offset: likewise.
            timestamp: when it was logged, in ms.
            whole: whether everything before it was seen; else a journal may begin anywhere.
        """
        fields = entry.fields
        kind, sequence, name = fields[0], fields[_SEQUENCE], fields[_JOURNAL]
        # What almost every entry is.
        if kind not in _SIGNED and self.follows(name, fields[_EPOCH], sequence, fields[_CHAIN]):
            self.advance(name, (leaf,))
            return ()
        journal = self._journals.get(name)
        flaws: list[Flaw] = []

        def flaw(what: str, message: str) -> None:
            flaws.append(Flaw(what, message, partition, offset, name.hex(), sequence))

        if journal is None:
            journal = self._begin(entry, whole=whole)
            if journal.sequence == 0 == sequence and kind != _OPENING:
                flaw("opening", "the journal does not begin with an opening entry")
        if sequence < journal.sequence:
            self._again(journal, sequence, leaf, flaw)
            return flaws
        follows = sequence == journal.sequence
        if not follows:
            flaw("missing", _missing(journal.sequence, sequence - 1))
        elif fields[_CHAIN] != journal.head:
            flaw("chain", "this entry does not follow the one before it: one of them was changed")
        self._epoch(journal, entry, flaw, follows=follows, place=(partition, offset))
        if kind in _SIGNED:
            self._signed(journal, entry, offset, timestamp, flaw)
        self._advance(journal, sequence, (leaf,))
        return flaws

    def overdue(self, now: int, partition: int) -> list[Flaw]:
        """Step 5: open journals that have been silent for too long at `now`, ms of the log's clock; told once."""
        if not self._deadline or now <= self._deadline:
            return []
        flaws = []
        for journal in self._journals.values():
            if 0 < journal.deadline < now:
                journal.silent = True
                said = (
                    f"neither heartbeat nor closing in {(now - journal.heard) // 1000} s; "
                    f"one at least every {journal.heartbeat} s was promised"
                )
                flaws.append(
                    Flaw("heartbeat", said, partition, journal.offset, journal.name.hex(), journal.signed)
                )
        self._set_deadline()
        return flaws

    def _begin(self, entry: Entry, *, whole: bool) -> Journal:
        """A journal that was not met before. A log whose beginning is gone may start anywhere in it."""
        fields = entry.fields
        sequence = 0 if whole else fields[_SEQUENCE]
        journal = Journal(fields[_JOURNAL], sequence, fields[_CHAIN] if sequence else ZERO_HASH)
        if sequence:
            journal.epoch = max(0, fields[_EPOCH] - (fields[0] == _OPENING))
        self._journals[journal.name] = journal
        if len(self._journals) > self._most:
            forgotten, _ = self._journals.popitem(last=False)
            self._remembered.forget(forgotten)
        return journal

    def _again(self, journal: Journal, sequence: int, leaf: bytes, flaw: _Say) -> None:
        known = self._remembered.find(journal.name, sequence)
        if known == leaf:
            self.duplicates += 1
        elif known is None:
            flaw("order", "an entry from long before: too old to compare")
        else:
            flaw("duplicate", "another entry has the same sequence")

    def _epoch(
        self, journal: Journal, entry: Entry, flaw: _Say, *, follows: bool, place: tuple[int, int]
    ) -> None:
        epoch, opens = entry.fields[_EPOCH], entry.kind == _OPENING
        wanted = journal.epoch + opens
        if epoch < wanted or (epoch > wanted and follows):
            flaw("epoch", f"epoch {epoch} after epoch {journal.epoch}")
        elif journal.closed and not opens:
            flaw("closing", "an entry follows the closing of its epoch")
            journal.closed = False
        elif opens and follows and journal.epoch and not journal.closed:
            found = ", ".join(f"{name} {count}" for name, count in entry.fields[Key.RECOVERED].items())
            said = f"opened without a closing before it, after a crash ({found})"
            self.notes.append(Flaw("unclean", said, *place, journal.name.hex(), entry.fields[_SEQUENCE]))
        journal.epoch = epoch

    def _signed(self, journal: Journal, entry: Entry, offset: int, timestamp: int, flaw: _Say) -> None:
        fields, opens = entry.fields, entry.kind == _OPENING
        key = journal.key or (fields[Key.PUBLIC_KEY] if opens else b"")
        if not key:
            self.unchecked += 1
            return
        if opens and fields[Key.PUBLIC_KEY] != key:
            flaw("signature", "an opening with another key than the first one")
            return
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(fields[Key.SIGNATURE], signing_message(fields))
        except InvalidSignature:
            flaw("signature", "not signed by the journal's key")
            return
        self.signatures += 1
        journal.key = key
        if opens:
            journal.heartbeat = fields[Key.HEARTBEAT]
        journal.closed, journal.silent = entry.kind == Kind.CLOSING, False
        # A log may have no time (-1), and the state has no negative numbers.
        journal.heard, journal.signed, journal.offset = max(0, timestamp), fields[_SEQUENCE], offset
        self._journals.move_to_end(journal.name)
        if journal.deadline:
            self._deadline = min(self._deadline or journal.deadline, journal.deadline)

    def _advance(self, journal: Journal, sequence: int, leaves: Sequence[bytes]) -> None:
        # The state has no larger number; a journal that came so far is a forger's.
        journal.sequence, journal.head = min(sequence + len(leaves), _LARGEST), leaves[-1]
        self.followed += len(leaves)
        self._remembered.keep(journal.name, sequence, leaves)

    def _set_deadline(self) -> None:
        """No deadline is before it: while it has not passed, the journals need not be looked at."""
        self._deadline = min((each.deadline for each in self if each.deadline), default=0)


def _missing(first: int, last: int) -> str:
    which = f"sequence {first} is" if first == last else f"sequences {first} to {last} are"
    return f"{which} not in the log"


def of_journal(entry: Entry) -> bool:
    """Whether a journal wrote it: of known kinds the format says so, of others their keys do."""
    fields = entry.fields
    kind = fields[0]
    if kind in _KINDS:
        return kind in _OF_JOURNALS
    name, chain = fields.get(_JOURNAL), fields.get(_CHAIN)
    return (
        isinstance(name, bytes)
        and len(name) == 16
        and isinstance(chain, bytes)
        and len(chain) == 32
        and all(isinstance(fields.get(key), int) for key in (_EPOCH, _SEQUENCE))
    )


def known_kind(entry: Entry) -> bool:
    """Whether this version of the format has it."""
    return entry.fields[0] in _KINDS
