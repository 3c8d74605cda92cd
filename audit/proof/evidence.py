"""What an evidence bundle shows, and what it does not.

1. every member is what the manifest says of it;
2. each tree's checkpoint is signed by the key (and by witnesses, when some are known), earlier ones too, and the
   tree continues each of them;
3. each record is one of the format, its entry is the leaf at its offset under the checkpoint, and its payload is
   what its entry's digest covers;
4. the ranges that the bundle claims are there without a gap, each record id that was asked for is there, and what was
   asked for is what the records say;
5. journals: entries that follow each other are chained, and signed ones are signed by the journal's key (journals.py);
6. packages: the manifest is what the entries' digest names, and each part is what the manifest names.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from .bundle import Bundle, Kept, PackagePart, TreePart, parse_bundle_file
from .checkpoint import UNWITNESSED, open_checkpoint
from .entry import Entry, Key, Kind, record_id
from .errors import FormatError, NotProved
from .flaws import Flaw
from .hashing import leaf_hash
from .journals import Placed, Sworn, verify_journals
from .merkle import verify_consistency, verify_inclusion
from .note import VerifierKey
from .record import parse_record, payload_holds

RANGE: Final = "range"
RECORD: Final = "record"
_PART: Final = re.compile(r"/[0-9a-f]{32}/(?:0|[1-9][0-9]{0,9})", re.ASCII)
_DIGEST: Final = re.compile(rb'"sha256:([0-9a-f]{64})(?=")')
_STEP: Final = 1000
"""Records that are looked at between two words of how far it is."""
_CALLERS: Final = {"caller": Key.CALLER, "subject": Key.SUBJECT}


def key_of(key: VerifierKey, origin: str) -> VerifierKey:
    """The notary's key under a tree's name; a tree's own key as it is.

    Raises:
        NotProved: the origin is not of this notary.
    """
    if origin == key.name:
        return key
    if not origin.startswith(key.name) or not _PART.fullmatch(origin[len(key.name) :]):
        raise NotProved(f"{origin[:300]} is no tree of {key.name}, whose key was given")
    return VerifierKey(origin, key.public_key, key.algorithm)


@dataclass(slots=True)
class TreeShown:
    """What holds of one tree's part. Sizes count leaves."""

    origin: str
    size: int
    root: bytes
    records: int = 0
    """Records that were asked for, and are in the tree."""
    others: int = 0
    """Records that are there to understand them."""
    ranges: tuple[tuple[int, int], ...] = ()
    """Offsets [first, end), each of them there."""
    earlier: tuple[int, ...] = ()
    """Sizes of earlier checkpoints that this tree continues."""
    witnesses: tuple[tuple[str, int], ...] = ()
    """Who else vouches for the checkpoint, and since when, s since 1970 UTC."""


@dataclass(slots=True)
class Shown:
    """What a bundle shows."""

    selection: str
    trees: list[TreeShown] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    """Records by kind, those asked for."""
    payloads: int = 0
    without_payload: int = 0
    """Of those asked for: they had one, and it is not there."""
    journals: Sworn = field(default_factory=Sworn)
    packages: list[str] = field(default_factory=list)
    flaws: list[Flaw] = field(default_factory=list)
    complete: bool = False
    """Whether the records are all that the selection names; only a range and ids can show it."""
    missing_packages: list[str] = field(default_factory=list)

    def not_shown(self) -> list[str]:
        """What nobody should read into this bundle."""
        said = [
            "that the report, the time of making and the maker's name are true: nothing signed covers them"
        ]
        if any(flaw.what == "journal" for flaw in self.flaws):
            said.append(
                "that a gateway has written what is named WRONG: it stands in the sealed log, where others could put it"
            )
        if not self.complete:
            said.append(
                "that these are all records of the selection: who made the bundle may have left some out "
                "(only a range of offsets, and records by their ids, show that they are all there)"
            )
        if self.without_payload:
            left = self.without_payload
            whose = "its" if left == 1 else "their"
            said.append(f"what was asked and answered in {left} {_records(left)} without {whose} payload")
        if left := self.journals.without:
            asked = self.journals.asked
            said.append(
                f"that a gateway has signed over {left:,} of {asked:,} {_records(asked)} of journals "
                "(the notary has): " + "; ".join(self.journals.why())
            )
        if left := self.journals.unchecked:
            hold = "signature of a journal holds" if left == 1 else "signatures of journals hold"
            said.append(f"that {left:,} {hold}: the opening with the key is not in the bundle")
        if self.journals.signers:
            said.append(
                "that these journals are gateways': anybody can begin one; compare their keys with your gateways'"
            )
        if self.missing_packages:
            said.append("what these models are: " + ", ".join(self.missing_packages))
        alone = [tree.origin for tree in self.trees if not tree.witnesses]
        if alone or not self.trees:  # each tree has a checkpoint of its own
            which = "" if len(alone) == len(self.trees) else f": {', '.join(alone)}"
            said.append(UNWITNESSED + which)
        return said


def _records(number: int) -> str:
    return "record" if number == 1 else "records"


def verify_bundle(
    raw: bytes, key: VerifierKey, witnesses: Sequence[VerifierKey] = (), quorum: int = 0
) -> Shown:
    """Verify a bundle, by the steps above; what is wrong stands in `flaws`.

    Raises:
        FormatError: not a bundle.
    """
    return verify_parsed(*parse_bundle_file(raw), key, witnesses, quorum)


def verify_parsed(
    bundle: Bundle,
    changed: Sequence[str],
    key: VerifierKey,
    witnesses: Sequence[VerifierKey] = (),
    quorum: int = 0,
    progress: Callable[[int], None] = lambda _: None,
) -> Shown:
    """The same of a bundle as `parse_bundle_file` gives it, with the members that are not what its manifest says.

    `progress` is told how many records were looked at since the last call.
    """
    shown = Shown(f"{bundle.selection['kind']} {bundle.selection['value']}".strip())
    for name in changed:  # 1
        shown.flaws.append(Flaw("member", "its SHA-256 is not that of the manifest", path=name))
    answered: dict[str, bool] = {}
    asked = _Asked.of(bundle)
    for part in bundle.trees:
        try:
            tree = _verify_checkpoints(part, key, witnesses, quorum, shown)
        except (FormatError, NotProved) as error:
            shown.flaws.append(Flaw("checkpoint", str(error), part.origin, path=f"{part.prefix}/checkpoint"))
            continue
        entries = []
        for at in range(0, len(part.records), _STEP):
            some = part.records[at : at + _STEP]
            entries += [entry for kept in some if (entry := _verify_record(kept, part, tree, shown))]
            progress(len(some))
        shown.trees.append(tree)
        _verify_selection(asked, part, tree, entries, shown)
        journals = verify_journals(part.origin, entries, part.asked)  # 5
        shown.flaws += journals.flaws
        shown.journals.add(journals)
        for offset, one in entries:
            if isinstance(one.get(Key.DIGEST), bytes):  # of a kind that is not known it may be anything
                digest = one.fields[Key.DIGEST].hex()
                answered[digest] = answered.get(digest, False) or part.asked(offset)
    _verify_packages(bundle, answered, shown)
    _verify_complete(bundle, asked, shown)
    return shown


def range_text(parts: Sequence[TreePart]) -> str:
    """A selection of ranges: `<partition>:<first>-<last>`, separated by commas; offsets, the last one included."""
    return ",".join(
        f"{part.origin.rpartition('/')[2]}:{first}-{end - 1}" for part in parts for first, end in part.wanted
    )


def _verify_checkpoints(
    part: TreePart, key: VerifierKey, witnesses: Sequence[VerifierKey], quorum: int, shown: Shown
) -> TreeShown:
    """2."""
    own = key_of(key, part.origin)
    opened = open_checkpoint(part.checkpoint, own, witnesses, quorum)
    checkpoint = opened.checkpoint
    tree = TreeShown(part.origin, checkpoint.size, checkpoint.root)
    tree.witnesses = tuple((each.key.name, each.time or 0) for each in opened.cosignatures)
    for size, earlier in sorted(part.earlier.items()):
        try:
            old = open_checkpoint(earlier.checkpoint, own).checkpoint
            if old.size != size:
                raise NotProved(f"it is of {old.size} leaves")
            verify_consistency(old.size, old.root, checkpoint.size, checkpoint.root, earlier.proof)
        except (FormatError, NotProved) as error:
            shown.flaws.append(
                Flaw("checkpoint", str(error), part.origin, path=f"{part.prefix}/earlier/{size}")
            )
        else:
            tree.earlier += (size,)
    return tree


def _verify_record(kept: Kept, part: TreePart, tree: TreeShown, shown: Shown) -> tuple[int, Entry] | None:
    """3."""

    def flaw(what: str, message: str) -> None:
        shown.flaws.append(Flaw(what, message, part.origin, kept.offset))

    try:
        record = parse_record(kept.record)
    except FormatError as error:
        flaw("record", str(error))
        return None
    entry = record.entry
    try:
        verify_inclusion(leaf_hash(entry.raw), kept.offset, tree.size, kept.proof, tree.root)
    except NotProved as error:
        flaw("proof", str(error))
        return None
    asked = part.asked(kept.offset)
    if record.payload and not payload_holds(record):
        flaw("payload", "the payload is not the bytes that the entry's digest covers")
    elif record.payload:
        shown.payloads += 1
    elif asked and entry.get(Key.PAYLOAD_LENGTH):  # what is there to understand others comes without
        shown.without_payload += 1
    if asked:
        tree.records += 1
        shown.kinds[_kind(entry)] += 1
    else:
        tree.others += 1
    return kept.offset, entry


def _kind(entry: Entry) -> str:
    try:
        return Kind(entry.kind).name.lower()
    except ValueError:
        return f"kind {entry.kind}"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked for; of record ids also those that were met."""

    kind: str
    value: str
    names: frozenset[str]
    found: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, bundle: Bundle) -> _Asked:
        """Read once, however many trees there are. An id that is named twice counts once."""
        kind, value = bundle.selection["kind"], bundle.selection["value"]
        return cls(kind, value, frozenset(value.split(",")) if kind == RECORD else frozenset())

    def fits(self, entry: Entry) -> bool:
        """Whether it is of what was asked for, as far as the entry says."""
        if self.kind == RANGE:
            return True
        if self.kind == RECORD:
            name = _record_name(entry)
            self.found.add(name)
            return name in self.names
        who = entry.get(_CALLERS[self.kind])
        return (who.hex() if isinstance(who, bytes) else "") == self.value


def _verify_selection(
    asked: _Asked, part: TreePart, tree: TreeShown, entries: Sequence[Placed], shown: Shown
) -> None:
    """4."""
    there = [offset for offset, _ in entries]
    whole = []
    for first, end in part.wanted:
        place = bisect_left(there, first)
        count = bisect_left(there, end) - place
        if count == end - first:
            whole.append((first, end))
            continue
        gap = first
        while there[place : place + 1] == [gap]:
            place, gap = place + 1, gap + 1
        shown.flaws.append(
            Flaw(
                "range", f"offsets {first} to {end - 1} are claimed, and some are not there", part.origin, gap
            )
        )
    tree.ranges = tuple(whole)
    for offset, entry in entries:
        if part.asked(offset) and not asked.fits(entry):
            said = f"is not of the {asked.kind} that was asked for"
            shown.flaws.append(Flaw("selection", said, part.origin, offset))


def _record_name(entry: Entry) -> str:
    """Its record id; empty where it has none."""
    journal, sequence = entry.get(Key.JOURNAL), entry.get(Key.SEQUENCE)
    known = isinstance(journal, bytes) and isinstance(sequence, int)
    return record_id(journal, sequence) if known else ""


def _verify_complete(bundle: Bundle, asked: _Asked, shown: Shown) -> None:
    """4: what the selection names is all there. Of a caller or a subject nothing shows it."""
    if asked.kind == RANGE and asked.value != range_text(bundle.trees):
        shown.flaws.append(Flaw("selection", "the range that is named is not the one that is there"))
    if missing := sorted(asked.names - asked.found):
        more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
        shown.flaws.append(Flaw("selection", f"{missing[0][:60]!r} was asked for, and is not there{more}"))
    shown.complete = asked.kind in (RANGE, RECORD) and not shown.flaws


def _verify_packages(bundle: Bundle, answered: Mapping[str, bool], shown: Shown) -> None:
    """6; `answered`: digests of all entries, and whether one that was asked for is of it."""
    for digest, package in sorted(bundle.packages.items()):
        path = f"packages/{digest}/manifest.json"
        if sha256(package.manifest).hexdigest() != digest:
            shown.flaws.append(Flaw("package", "the manifest is not what the digest names", path=path))
            continue
        shown.packages.append(f"sha256:{digest}")
        if digest not in answered:
            shown.flaws.append(Flaw("package", "no record in this bundle is of it", path=path))
        _verify_blobs(digest, package, shown)
    missing = {digest for digest, asked in answered.items() if asked} - set(bundle.packages)
    shown.missing_packages = sorted(f"sha256:{each}" for each in missing)


def _verify_blobs(digest: str, package: PackagePart, shown: Shown) -> None:
    named = {each.decode() for each in _DIGEST.findall(package.manifest)} if package.blobs else set()
    for name, blob in sorted(package.blobs.items()):
        path = f"packages/{digest}/blobs/{name}"
        if sha256(blob).hexdigest() != name:
            shown.flaws.append(Flaw("package", "the part is not what its digest names", path=path))
        elif name not in named:
            shown.flaws.append(Flaw("package", "the manifest does not name this part", path=path))
