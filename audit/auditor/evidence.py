"""Makes an evidence bundle: records, and all that proves them, out of the store (docs/evidence-bundle.md).

What is taken is proved here too before it is handed on: whoever opens the bundle verifies it again, with nothing but
the notary's key.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from itertools import groupby
from typing import Final

from audit.archive import Part
from audit.errors import ArchiveGap, NoSuchRecord
from audit.proof.bundle import Bundle as EvidenceBundle
from audit.proof.bundle import Earlier, Kept, PackagePart, TreePart
from audit.proof.checkpoint import parse_checkpoint
from audit.proof.entry import Entry, Key, parse_entry
from audit.proof.errors import FormatError
from audit.proof.evidence import RANGE, range_text
from audit.proof.merkle import consistency_proof, inclusion_proof
from audit.proof.note import parse_note
from audit.proof.record import frame_record
from audit.proof.tiles import WIDTH, Bundle, read_bundle
from audit.sealed import Published, SealedTree

from .index import Located
from .records import Records
from .report import Report

MAX_RECORDS: Final = 1_000_000
CHAIN: Final = 512
"""So far from a record the next signed entry of its journal is looked for: entries alone, without payloads."""

Progress = Callable[[int], None]
Packages = Callable[[str], PackagePart | None]
"""Of a digest, `sha256:…`: the manifest and the parts to be shown; None when nobody has it."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What was asked for. `kind`: range, caller, subject or record; `value`: as the bundle says it."""

    kind: str
    value: str
    records: Sequence[Located]


@dataclass(slots=True)
class _Tree:
    """One tree's part while it is made."""

    tree: SealedTree
    published: Published
    wanted: list[int]
    others: set[int] = field(default_factory=set)


def select_range(records: Records, topic: bytes, partition: int, first: int, end: int) -> Selection:
    """The offsets [first, end) of a partition, each of which MUST be sealed.

    Raises:
        NoSuchRecord: they are not.
    """
    tree = _tree(records, topic, partition)
    size = records.heads[tree].size
    if not 0 <= first < end <= size:
        raise NoSuchRecord(
            f"{tree.tree.origin}: offsets {first} to {end - 1} are not all of the {size} that are sealed"
        )
    if end - first > MAX_RECORDS:
        raise NoSuchRecord(f"{end - first} records are too many for one bundle: at most {MAX_RECORDS}")
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
        raise NoSuchRecord(f"no sealed record of the {kind} {pseudonym} is known")
    if len(rows) > MAX_RECORDS:
        raise NoSuchRecord(
            f"{kind} {pseudonym} has more than the {MAX_RECORDS} records that one bundle takes"
        )
    return Selection(kind, pseudonym, [Located(bytes.fromhex(topic), *place) for topic, *place in rows])


def select_records(records: Records, names: Sequence[str]) -> Selection:
    """Records by their ids. Raises NoSuchRecord, FormatError."""
    places = []
    for name in names:
        found = records.index.find(name)
        if not found:
            raise NoSuchRecord(f"no sealed record {name} is known")
        places += found
    return Selection("record", ",".join(names), places)


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
    progress: Progress = lambda _: None,
) -> EvidenceBundle:
    """Gather the records, their proofs, checkpoints and packages, and write the report.

    Args:
        records: refreshed.
        selection: which.
        packages: where manifests come from.
        by: who makes it: the program and its version.
        clock: for the time of making.
        progress: called with the number of records gathered since the last call.

    Raises:
        NoSuchRecord, NotSealed: a record is not under a verified checkpoint.
        FormatError, ObjectsUnavailable: from the store.
    """
    made = {"by": by, "time": clock().strftime("%Y-%m-%dT%H:%M:%SZ")}
    report = Report(selection.kind, made)
    parts = []
    digests: set[str] = set()
    by_tree = groupby(sorted(set(selection.records)), key=lambda each: (each.topic, each.partition))
    for (topic, partition), places in by_tree:
        tree = _tree(records, topic, partition)
        work = _Tree(tree, records.heads[tree], [place.offset for place in places])
        part = _part(records, work, selection.kind, report, digests, progress)
        parts.append(part)
    parts.sort(key=lambda part: part.origin)
    value = range_text(parts) if selection.kind == RANGE else selection.value
    held = {
        digest: found for digest in sorted(digests) if (found := packages(f"sha256:{digest}")) is not None
    }
    report.trees = parts
    report.packages = {digest: held.get(digest) for digest in sorted(digests)}
    return EvidenceBundle(
        {"kind": selection.kind, "value": value}, made, tuple(parts), held, report.html(value).encode()
    )


def _part(
    records: Records, work: _Tree, kind: str, report: Report, digests: set[str], progress: Progress
) -> TreePart:
    tree, size = work.tree, work.published.size
    wanted = set(work.wanted)
    read = lru_cache(maxsize=16)(
        lambda number: read_bundle(tree.fetch, Bundle(number, min(WIDTH, size - number * WIDTH)))
    )
    entries = {offset: parse_entry(read(offset // WIDTH)[offset % WIDTH]) for offset in work.wanted}
    _add_context(records, work, kind, entries)
    for offset in sorted(work.others - wanted):
        entries[offset] = parse_entry(read(offset // WIDTH)[offset % WIDTH])
    payloads = _payloads(records, tree, {offset: entries[offset] for offset in work.wanted})
    nodes = _Remembered(tree, size)
    kept = []
    for number, offset in enumerate(sorted(entries)):
        entry, payload = entries[offset], payloads.get(offset, b"")
        kept.append(
            Kept(offset, frame_record(entry.raw, payload), tuple(inclusion_proof(nodes, offset, size)))
        )
        if offset in wanted:
            report.add(tree.tree.partition, offset, entry, payload)
            if Key.DIGEST in entry.fields:
                digests.add(entry.fields[Key.DIGEST].hex())
        elif Key.DIGEST in entry.fields:
            digests.add(entry.fields[Key.DIGEST].hex())
        if number % 100 == 99:
            progress(100)
    return TreePart(
        tree.tree.origin,
        work.published.raw,
        tuple(kept),
        tuple(_ranges(work.wanted)),
        _earlier(records, work, nodes),
    )


def _ranges(offsets: Iterable[int]) -> Iterable[tuple[int, int]]:
    for _, run in groupby(enumerate(sorted(offsets)), key=lambda pair: pair[1] - pair[0]):
        places = [offset for _, offset in run]
        yield places[0], places[-1] + 1


class _Remembered:
    """Nodes of a tree, each fetched and folded once: neighbouring proofs share most of theirs."""

    def __init__(self, tree: SealedTree, size: int) -> None:
        self.node = lru_cache(maxsize=1 << 17)(tree.nodes(size).node)


# ---------------------------------------------------------------- what goes with the records


def _add_context(records: Records, work: _Tree, kind: str, entries: dict[int, Entry]) -> None:
    """The openings with the journals' keys; for single records the chain to the next signed entry too."""
    place = (work.tree.tree.topic, work.tree.tree.partition)
    size = work.published.size
    epochs = {
        (entry.fields[Key.JOURNAL], entry.fields[Key.EPOCH])
        for entry in entries.values()
        if Key.JOURNAL in entry.fields
    }
    for journal, epoch in sorted(epochs):
        work.others |= {
            found.offset
            for found in records.index.opening(journal, epoch)
            if (found.topic, found.partition) == place and found.offset < size
        }
    if kind != "record":
        return
    for entry in list(entries.values()):
        if Key.JOURNAL in entry.fields:
            work.others |= _chain(records, place, entry, size)


def _chain(records: Records, place: tuple[bytes, int], entry: Entry, size: int) -> set[int]:
    journal, sequence = entry.fields[Key.JOURNAL].hex(), min(entry.fields[Key.SEQUENCE], 2**63 - 1)
    rows = records.index.select(
        'SELECT sequence, "offset" FROM entries WHERE topic = ? AND partition = ? AND journal = ? AND sequence >= ? '
        "AND sequence <= (SELECT min(sequence) FROM entries WHERE journal = ? AND sequence >= ? AND "
        "kind IN ('opening', 'heartbeat', 'closing')) ORDER BY sequence LIMIT ?",
        [place[0].hex(), place[1], journal, sequence, journal, sequence, CHAIN + 1],
    )
    return {offset for _, offset in rows if offset < size} if len(rows) <= CHAIN else set()


def _payloads(records: Records, tree: SealedTree, entries: dict[int, Entry]) -> dict[int, bytes]:
    """From the archive, file by file; then from wherever else they may be. What is none of theirs is left out."""
    waiting = {offset: entry for offset, entry in entries.items() if entry.get(Key.PAYLOAD_LENGTH)}
    found = _archived(records, tree, waiting)
    for offset, entry in waiting.items():
        digest = entry.fields[Key.PAYLOAD_DIGEST]
        if offset in found and sha256(found[offset]).digest() == digest:
            continue
        found.pop(offset, None)
        for ask in records.payloads.values():
            payload = ask(Located(tree.tree.topic, tree.tree.partition, offset), entry)
            if payload and sha256(payload).digest() == digest:
                found[offset] = payload
                break
    return found


def _archived(records: Records, tree: SealedTree, waiting: Container[int]) -> dict[int, bytes]:
    """The archive's payloads; `affiant audit verify` says what is wrong with files that cannot be read."""
    found: dict[int, bytes] = {}
    try:
        files = records.archive.files(Part.PAYLOADS, tree.tree.topic, tree.tree.partition)
    except FormatError:
        return found
    for file in files:
        if not any(offset in waiting for offset in range(file.first, file.end)):
            continue
        try:
            rows = records.archive.rows(file, ["offset", "payload"])
        except (FormatError, ArchiveGap):
            continue
        for offset, payload in zip(rows.column("offset").to_pylist(), rows.column("payload"), strict=True):
            if offset in waiting:
                found[offset] = payload.as_py()
    return found


def _earlier(records: Records, work: _Tree, nodes: _Remembered) -> dict[int, Earlier]:
    """The first checkpoints that covered the first and the last of the records."""
    topic, partition, size = work.tree.tree.topic, work.tree.tree.partition, work.published.size
    found: dict[int, Earlier] = {}
    for offset in {min(work.wanted), max(work.wanted)}:
        rows = records.index.select(
            "SELECT checkpoint FROM checkpoints WHERE topic = ? AND partition = ? AND size > ? AND size < ? "
            "ORDER BY size LIMIT 1",
            [topic.hex(), partition, offset, size],
        )
        for (raw,) in rows:
            old = parse_checkpoint(parse_note(raw).text).size
            if offset < old < size:
                found[old] = Earlier(raw, tuple(consistency_proof(nodes, old, size)))
    return found
