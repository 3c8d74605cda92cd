"""One record, shown and proved.

1. the index says where it is; 2. its tree's newest checkpoint is signed by the log's key (and witnessed);
3. the entry out of its bundle is under it (inclusion proof), and is the record that was asked for;
4. its payload, from the archive, else the log, else the object store, is what the entry's digest covers;
5. the entries before and after it, and its epoch's opening, are proved the same way, and chained and signed as
   `affiant log show` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from audit.archive import Archive
from audit.archive.columns import entries_table
from audit.erasure.told import NO_ERASURES, Erased, Erasures
from audit.errors import NoSuchRecord, NotSealed
from audit.proof.checkpoint import Opened
from audit.proof.encryption import NO_KEYS, PayloadKeys
from audit.proof.entry import JOURNAL_KINDS, Entry, Key, Kind, parse_entry, record_id
from audit.proof.errors import FormatError, NotProved
from audit.proof.hashing import leaf_hash
from audit.proof.merkle import inclusion_proof, verify_inclusion
from audit.proof.receipt import Receipt, verify_receipt
from audit.proof.record import Record
from audit.proof.tiles import TileNodes
from audit.sealed import Published, SealedTree
from audit.show import Exchange, Place, describe, examine
from audit.trees import Trees

from .index import Index, Located, Progress, listed_in
from .tables import plain_times
from .which import trees_of

OTHERS: Final = 20
"""Other entries under a record's id that are named."""

PayloadOf = Callable[[Located, Entry], bytes | None]
"""What a place has for a record's payload; None when that is nothing. Empty is not absent: it was damaged."""


@dataclass(frozen=True, slots=True)
class Proved:
    """An entry that is in the sealed log, and the receipt that says so to everybody."""

    located: Located
    entry: Entry
    receipt: Receipt
    opened: Opened
    """The checkpoint that covers it, verified."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A proved record with its exchange. `exchange.holds`: what else was looked at, and whether it holds."""

    proved: Proved
    exchange: Exchange
    payload_from: str | None
    """`archive`, `log` or `object store`; None when nobody has it."""
    erased: Erased | None = None
    """Of a payload that nobody has: the signed statement that says that it is erased."""
    others: Sequence[Located] = ()
    """Where the sealed log has other entries under its id: the first of them. Which is the record, is not said here."""

    def describe(self) -> dict[str, Any]:
        """As JSON has it: what `affiant log show` tells, and the proof."""
        opened = self.proved.opened
        return {
            **describe(self.exchange),
            "payload_from": self.payload_from,
            "erased": None if self.erased is None else self.erased.json(),
            "others": [{"partition": each.partition, "offset": each.offset} for each in self.others],
            "proof": {
                "origin": opened.checkpoint.origin,
                "index": self.proved.receipt.index,
                "size": opened.checkpoint.size,
                "root": opened.checkpoint.root.hex(),
                "hashes": len(self.proved.receipt.proof),
                "witnesses": [each.key.name for each in opened.cosignatures],
            },
        }


@dataclass
class Records:
    """The records of a store. `payloads`: further places to ask for a payload, by name, in their order."""

    trees: Trees
    archive: Archive
    index: Index
    payloads: Mapping[str, PayloadOf] = field(default_factory=dict)
    topics: Mapping[bytes, int] = field(default_factory=dict)
    """Id → partitions, of topics that are known without the archive."""
    keys: PayloadKeys = NO_KEYS
    """Open encrypted payloads."""
    erased: Callable[[], Erasures] = lambda: NO_ERASURES
    """What signed statements say of payloads; asked where one is missing."""
    heads: dict[SealedTree, Published] = field(default_factory=dict)

    def refresh(self, progress: Callable[[int], Progress] = lambda _: lambda _: None) -> list[str]:
        """Verify the newest checkpoints, and bring the index up to them.

        Args:
            progress: told how many records will be added about, if any; what it returns is told how many were.

        Returns:
            What is wrong with the archive; its records are found by their trees all the same.

        Raises:
            NotSealed: nothing is.
            FormatError, NotProved: a checkpoint, or a tree's file, is not what it should be.
            ObjectsUnavailable, IndexUnusable, KeyRefused: as they say.
        """
        self.heads = newest(self.trees, self.topics)
        listed = listed_in(self.archive, self.heads)
        if self.index.is_up_to(self.archive, self.heads, listed):
            return []
        missing = self.index.missing(self.archive, self.heads)
        added = progress(missing) if missing else lambda _: None
        return self.index.update(self.archive, self.heads, added, listed)

    def prove(self, record: str) -> Proved:
        """A record's entry, proved to be in the sealed log.

        MUST NOT choose: whoever writes to the log can put an entry of his own under the id, in front of the true one.

        Raises:
            FormatError: that is no record id.
            NoSuchRecord: the index has none of that id.
            NotProved: where the index says that it is, there is something else; or there are different entries.
        """
        found = list(islice(self._claims(record), 2))
        if len(found) > 1:
            one, other = (_said(each.located) for each in found)
            raise NotProved(
                f"the sealed log has different entries under the id {record}, {one} and {other}: at most one of them "
                "is what a gateway wrote; `affiant audit show` shows the first, `affiant audit verify` what is wrong"
            )
        return found[0]

    def _claims(self, record: str) -> Iterator[Proved]:
        """The entries under an id, in their order, each proved; of equal ones (shipped twice) the first. One at least.

        Raises:
            FormatError, NoSuchRecord, NotProved: as `prove`; the last when none is proved.
        """
        places = self.index.find(record)
        if not places:
            raise NoSuchRecord(
                f"no sealed record {record} is known; one of the last seconds may not be sealed yet, and what is "
                "missing in the archive `affiant audit verify` finds"
            )
        wrong: Exception | None = None
        seen: set[bytes] = set()
        for located in places:
            try:
                proved = self._prove(located)
            except (FormatError, NotProved, NotSealed) as error:
                wrong = error
                continue
            if record_of(proved.entry) == record:
                if proved.entry.raw not in seen:
                    seen.add(proved.entry.raw)
                    yield proved
                continue
            wrong = NotProved(
                f"the archive says that {record} is at offset {located.offset} of partition {located.partition}; "
                "the tree has another entry there: the archive was changed, `affiant audit verify` locates it; "
                f"{self.index.advice}"
            )
        if wrong is not None and not seen:
            raise wrong

    def _prove(self, located: Located) -> Proved:
        tree = self._tree(located)
        receipt = tree.receipt(located.offset, self.heads[tree])
        trust = self.trees.trust
        # `published` has verified the checkpoint; here the whole receipt is, as its receiver will.
        opened = verify_receipt(receipt, tree.tree.key(trust.public_key()), trust.witnesses, trust.quorum)
        return Proved(located, parse_entry(receipt.entry), receipt, opened)

    def check(self, rows: Sequence[Mapping[str, Any]]) -> list[str | None]:
        """Whether rows of the index are what the sealed log has: for each None, or what is wrong.

        Raises:
            ObjectsUnavailable: the store does not answer.
        """
        wrong: list[str | None] = []
        nodes: dict[SealedTree, TileNodes] = {}
        for row in rows:
            located = Located(bytes.fromhex(row["topic"]), row["partition"], row["offset"])
            try:
                tree = self._tree(located)
                checkpoint = self.heads[tree].opened.checkpoint
                known = nodes.setdefault(tree, tree.nodes(checkpoint.size))
                entry = tree.entry(located.offset, checkpoint.size)
                proof = inclusion_proof(known, located.offset, checkpoint.size)
                verify_inclusion(leaf_hash(entry), located.offset, checkpoint.size, proof, checkpoint.root)
                wrong.append(_difference(row, entry, located.offset))
            except (FormatError, NotProved, NotSealed) as error:
                wrong.append(str(error))
        return wrong

    def _tree(self, located: Located) -> SealedTree:
        for tree in self.heads:
            if (tree.tree.topic, tree.tree.partition) == (located.topic, located.partition):
                return tree
        raise NotSealed(f"topic {located.topic.hex()}, partition {located.partition}: nothing is sealed yet")

    def show(self, record: str) -> Shown:
        """A record, decoded and checked: of different entries under its id the first. Raises what `prove` raises."""
        proved, *more = islice(self._claims(record), 1 + OTHERS)
        located, entry = proved.located, proved.entry
        payload, source = self._payload(located, entry)
        before, after, opening = self._neighbours(entry)
        place = Place(located.partition, located.offset, located.logged or 0)
        emptied = source is not None and not payload
        exchange = examine(
            place, Record(entry, payload), before, opening, after, damaged=emptied, keys=self.keys
        )
        exchange.holds = {
            "it is in the sealed log, under a signed checkpoint": True,
            "no other entry there has its id": not more,
            **exchange.holds,
        }
        told = None if payload or not entry.get(Key.PAYLOAD_LENGTH) else self.told(entry)
        return Shown(proved, exchange, source, told, [each.located for each in more])

    def told(self, entry: Entry) -> Erased | None:
        """The statement that says that an entry's payload is erased."""
        return self.erased().get(entry.fields[Key.PAYLOAD_DIGEST])

    def _payload(self, located: Located, entry: Entry) -> tuple[bytes, str | None]:
        if not entry.get(Key.PAYLOAD_LENGTH):
            return b"", None
        places = {"archive": lambda where, _: self.archive.payload(*where[:3]), **self.payloads}
        emptied = None
        for name, ask in places.items():
            found = ask(located, entry)
            if found:
                return found, name
            if found is not None:
                emptied = name
        return b"", emptied

    def _neighbours(self, entry: Entry) -> tuple[Entry | None, Entry | None, Entry | None]:
        """The journal's entries before and after it, and its epoch's opening: those that can be proved.

        Where several claim to be a neighbour, it is the one that is chained to it, if there is one: a forged one beside
        the true one is no fault of this entry's.
        """
        if entry.kind not in JOURNAL_KINDS:
            return None, None, None
        journal, sequence, epoch = (entry.fields[key] for key in (Key.JOURNAL, Key.SEQUENCE, Key.EPOCH))
        chain, own = entry.fields[Key.CHAIN], leaf_hash(entry.raw)
        before = self._claimed(record_id(journal, sequence - 1)) if sequence else []
        after = self._claimed(record_id(journal, sequence + 1))
        return (
            next((each for each in before if leaf_hash(each.raw) == chain), next(iter(before), None)),
            next((each for each in after if each.get(Key.CHAIN) == own), next(iter(after), None)),
            self._opening(journal, epoch),
        )

    def _claimed(self, record: str) -> list[Entry]:
        try:
            return [proved.entry for proved in islice(self._claims(record), 1 + OTHERS)]
        except (FormatError, NotProved, NotSealed, NoSuchRecord):
            return []  # cannot be told from here; a verification names what is wrong

    def _opening(self, journal: bytes, epoch: int) -> Entry | None:
        for located in self.index.opening(journal, epoch):
            try:
                entry = self._prove(located).entry
            except (FormatError, NotProved, NotSealed):
                continue
            if (entry.kind, entry.get(Key.JOURNAL), entry.get(Key.EPOCH)) == (Kind.OPENING, journal, epoch):
                return entry
        return None


def _said(located: Located) -> str:
    return f"at offset {located.offset} of partition {located.partition}"


def _difference(row: Mapping[str, Any], entry: bytes, offset: int) -> str | None:
    """The first column of a row that is not what the entry says; times of the log are nobody's to prove."""
    told = plain_times(entries_table([offset], [None], [entry]).drop_columns(["logged"])).to_pylist()[0]
    for name, value in row.items():
        if name in told and told[name] != value:
            return (
                f"the archive says {name} {value}, the sealed entry {told[name]}: the archive was changed, or the "
                "index that was made of it"
            )
    return None


def record_of(entry: Entry) -> str | None:
    """The record id of a journal's entry."""
    journal, sequence = entry.get(Key.JOURNAL), entry.get(Key.SEQUENCE)
    if not isinstance(journal, bytes) or not isinstance(sequence, int):
        return None
    return record_id(journal, sequence)


def newest(trees: Trees, topics: Mapping[bytes, int]) -> dict[SealedTree, Published]:
    """Every tree of the store that has a checkpoint, with its newest one, verified.

    Raises:
        NotSealed: there is none.
        FormatError, NotProved, ObjectsUnavailable, KeyRefused: as `SealedTree.published`.
    """
    heads: dict[SealedTree, Published] = {}
    for each in trees_of(trees, topics):
        tree = trees.tree(each.topic, each.partition)
        try:
            heads[tree] = tree.published()
        except NotSealed:
            continue
    if not heads:
        raise NotSealed(
            f"nothing is sealed in {trees.objects!r} under the name {trees.trust.name} yet; `affiant notary run` (or "
            "`affiant up`) seals"
        )
    return heads
