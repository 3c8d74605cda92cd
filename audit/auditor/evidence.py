"""Makes an evidence bundle: records, and all that proves them, out of the store (docs/evidence-bundle.md).

What is taken is proved here too before it is handed on: whoever opens the bundle verifies it again, with nothing but
the notary's key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Final, NamedTuple

from audit.errors import ConfigError, NoSuchRecord
from audit.proof.bundle import Bundle as EvidenceBundle
from audit.proof.bundle import PackagePart
from audit.proof.entry import Key
from audit.proof.evidence import RANGE, RECORD, range_text
from audit.proof.flaws import Flaw
from audit.proof.journals import verify_journals
from audit.sealed import SealedTree

from .chains import BUDGET, Place, Wanted, choose, wanted_of
from .gather import Gathering, Progress
from .index import Located
from .links import keys_of, signed_next, take_along
from .records import Records
from .report import Report

MAX_RECORDS: Final = 1_000_000

Begin = Callable[[str, int], Progress]
"""Told what is done next, and of how many, about; what it returns is told how many were done."""


class Lack(NamedTuple):
    """What could not be taken of a package, and why."""

    package: str
    """sha256:…"""
    said: str
    wrong: bool
    """Whether something does not match its digest, or is missing where it should be; else nobody has it."""


class Held(NamedTuple):
    """What there is of a package: the manifest, whenever it is what the digest names, and the parts that match it."""

    part: PackagePart | None
    lacks: Sequence[Lack] = ()


Packages = Callable[[str], Held]
"""Of a digest, `sha256:…`: what the bundle takes in, and what it lacks."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What was asked for. `kind`: range, caller, subject or record; `value`: as the bundle says it."""

    kind: str
    value: str
    records: Sequence[Located]


class Made(NamedTuple):
    """A bundle, and the budget that would lead each record to its gateway's next signature, as far as there is one."""

    bundle: EvidenceBundle
    needed: int
    flawed: Callable[[Sequence[Flaw]], EvidenceBundle]
    """The same bundle, with these flaws in its report."""
    lacks: Sequence[Lack] = ()
    """What of the records' packages could not be taken in."""
    erased: Sequence[str] = ()
    """Of payloads that are not in it: which are erased, by whose signed statement."""
    broken: Sequence[str] = ()
    """What does not verify of the entries that would lead to signatures, and was left out."""


def select_range(records: Records, topic: bytes, partition: int, first: int, end: int) -> Selection:
    """The offsets [first, end) of a partition, each of which MUST be sealed.

    Raises:
        ConfigError: they are not, or are more than one bundle takes.
        NoSuchRecord: nothing of the partition is sealed.
    """
    tree = _tree(records, topic, partition)
    size = records.heads[tree].size
    if not 0 <= first < end <= size:
        raise ConfigError(
            f"{tree.tree.origin}: offsets {first} to {end - 1} are not all of the {size} that are sealed"
        )
    if end - first > MAX_RECORDS:
        raise ConfigError(f"{end - first} records are too many for one bundle: at most {MAX_RECORDS}")
    places = [Located(topic, partition, offset) for offset in range(first, end)]
    return Selection(RANGE, "", places)


def select_who(records: Records, kind: str, pseudonym: str) -> Selection:
    """The exchanges of a caller or subject that the index knows.

    Raises:
        NoSuchRecord: none, or more than one bundle takes: a part of them would look like all.
    """
    column = {"caller": "caller", "subject": "subject"}[kind]
    rows = records.index.select(
        f'SELECT topic, partition, "offset" FROM entries WHERE {column} = ? ORDER BY ALL LIMIT ?',  # noqa: S608 — ours
        [pseudonym, MAX_RECORDS + 1],
    )
    if not rows:
        raise NoSuchRecord(
            f"the index knows no sealed record of the {kind} {pseudonym}; what the archive hides only `affiant audit "
            "verify` finds"
        )
    if len(rows) > MAX_RECORDS:
        raise NoSuchRecord(
            f"{kind} {pseudonym} has more than the {MAX_RECORDS} records that one bundle takes"
        )
    return Selection(kind, pseudonym, [Located(bytes.fromhex(topic), *place) for topic, *place in rows])


def select_records(records: Records, names: Sequence[str]) -> Selection:
    """Records by their ids; one that is named twice counts once. Raises NoSuchRecord, FormatError."""
    places = []
    names = list(dict.fromkeys(names))
    for name in names:
        found = records.index.find(name)
        if not found:
            raise NoSuchRecord(f"no sealed record {name} is known")
        places += found
    return Selection(RECORD, ",".join(names), places)


def _tree(records: Records, topic: bytes, partition: int) -> SealedTree:
    for tree in records.heads:
        if (tree.tree.topic, tree.tree.partition) == (topic, partition):
            return tree
    raise NoSuchRecord(f"topic {topic.hex()}, partition {partition}: nothing is sealed")


def make_bundle(
    records: Records,
    selection: Selection,
    packages: Packages,
    *,
    by: str,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    budget: int = BUDGET,
    begin: Begin = lambda *_: lambda _: None,
) -> Made:
    """Gather the records, their proofs, checkpoints and packages, and write the report.

    Args:
        records: refreshed.
        selection: which.
        packages: where manifests come from.
        by: who makes it: the program and its version.
        clock: for the time of making.
        budget: entries, at most, that lead from the records to their gateways' next signed entries.
        begin: told what is done next.

    Raises:
        NoSuchRecord, NotSealed: a record is not under a verified checkpoint.
        FormatError, ObjectsUnavailable: from the store.
    """
    made = {"by": by, "time": clock().strftime("%Y-%m-%dT%H:%M:%SZ")}
    report = Report(selection.kind, made)
    gatherings = _gatherings(records, selection, begin)
    needed, broken = _take_chains(gatherings, budget, begin)
    report.broken = broken
    parts = []
    erased: Counter[str] = Counter()
    for each in gatherings:
        payloads = each.payloads(begin("payloads", len(each.wanted)))
        parts.append(each.part(payloads, begin("proofs", len(each.entries))))
        for offset in each.wanted:
            entry = each.entries[offset]
            report.add(each.place[1], offset, entry, payloads.get(offset, b""))
            if offset not in payloads and entry.get(Key.PAYLOAD_LENGTH) and (told := records.told(entry)):
                erased[told.words()] += 1
        placed = sorted(each.entries.items())
        report.sworn.add(verify_journals(each.tree.tree.origin, placed, parts[-1].asked))
    value = range_text(parts) if selection.kind == RANGE else selection.value
    asked = (
        entry.get(Key.DIGEST) for each in gatherings for entry in map(each.entries.get, each.wanted) if entry
    )
    digests = sorted({digest.hex() for digest in asked if isinstance(digest, bytes)})
    found = {digest: packages(f"sha256:{digest}") for digest in digests}
    held = {digest: each.part for digest, each in found.items() if each.part is not None}
    lacks = [lack for each in found.values() for lack in each.lacks]
    report.trees = parts
    report.packages = {digest: held.get(digest) for digest in digests}
    report.erased = [f"{count} of them erased: {words}" for words, count in erased.items()]
    report.lacks = [f"{lack.package}: {lack.said}" for lack in lacks]
    about = {"kind": selection.kind, "value": value}

    def flawed(flaws: Sequence[Flaw]) -> EvidenceBundle:
        report.flaws = [str(flaw) for flaw in flaws]
        return EvidenceBundle(about, made, tuple(parts), held, report.html(value).encode())

    return Made(flawed(()), needed, flawed, lacks, report.erased, broken)


def _gatherings(records: Records, selection: Selection, begin: Begin) -> list[Gathering]:
    """Of each tree, in the order of their origins, the entries that were asked for."""
    progress = begin("records", len(selection.records))
    by_tree = groupby(sorted(set(selection.records)), key=lambda each: (each.topic, each.partition))
    found = []
    for (topic, partition), places in by_tree:
        tree = _tree(records, topic, partition)
        found.append(Gathering(records, tree, [place.offset for place in places]))
        found[-1].read(found[-1].wanted, progress)
    return sorted(found, key=lambda each: each.tree.tree.origin)


def _take_chains(gatherings: Sequence[Gathering], budget: int, begin: Begin) -> tuple[int, list[str]]:
    """Read the entries to the journals' next signed ones, and the openings with the journals' keys.

    Returns the budget that would take all, and what does not verify of them.
    """
    wanted = {each.place: wanted_of(each.entries.values()) for each in gatherings}
    signed: dict[Place, Wanted] = {}
    keys: dict[Place, Mapping[bytes, bytes]] = {}
    broken: list[str] = []
    for each in gatherings:
        keys[each.place], wrong = keys_of(each)
        signed[each.place], unsigned = signed_next(each, wanted[each.place], keys[each.place])
        broken += wrong + unsigned
    chosen = choose(wanted, signed, budget)
    for each in gatherings:
        own = [span for span in (*chosen.spans, *chosen.ends) if span.place == each.place]
        length = sum(span.signed - span.first + 1 for span in own)
        broken += take_along(each, own, keys[each.place], begin("signatures", length))
    return chosen.needed, broken
