"""What a bundle shows once it is verified, and what it does not, in words for people who know none of the terms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

from audit.proof.bundle import PackagePart, TreePart
from audit.proof.errors import FormatError
from audit.proof.journals import Sworn
from audit.proof.note import Signature, parse_note
from audit.proof.printable import printable

from .exchange import Exchange
from .texts import count, listed

_COSIGNATURE: Final = 72
"""Bytes of a witness's: the time, u64 s since 1970, and an Ed25519 signature."""
_LINES: Final = 100
"""Of what is wrong, that are named one by one; the others are counted."""
_WORDS: Final = (
    (
        "record",
        "What a gateway wrote down of one exchange before its answer left, or of itself: entry and payload.",
    ),
    ("entry", "The part that is sealed: times, service, model, status, pseudonyms, the hash of the payload."),
    ("payload", "Request and answer, as they were received and sent. It can be erased; its hash stays."),
    (
        "journal",
        "A gateway process's entries: numbered without a gap, each with the hash of the one before it.",
    ),
    ("log, place", "Where the journals are gathered, in partitions. A place is written as partition:offset."),
    ("tree, root", "A partition as a Merkle tree. Its root is a hash of all its entries."),
    ("checkpoint", "Size and root of a tree, signed by the log's notary."),
    ("package, digest", "A model with all that belongs to it, named by the SHA-256 of its manifest."),
    ("slot", "live and canary answered; what a shadow said went to nobody."),
    (
        "caller, subject",
        "Pseudonyms of who asked, and of whom it was about. Who that is does not stand in the log.",
    ),
    ("request id", "What the client called its request."),
    (
        "arrived, committed",
        "When the request was there, and when its record went to disk, by the gateway's clock.",
    ),
)
_KINDS: Final = {
    "inference": "a request and its answer",
    "aborted": "a request without an answer: the gateway ended, or the client went",
    "not released": "an answer that was held back, since the log did not acknowledge its record",
    "opening": "a journal begins; signed by the journal's key, which stands in it",
    "heartbeat": "a journal goes on; signed",
    "closing": "a journal ends; signed",
    "hole": "the log has nothing readable there; the notary says so",
    "shipper": "who carries journals to the log began anew",
    "label": "what came of a prediction later",
    "labelled": "what came of a prediction later, told to a gateway or imported",
    "governance": "a decision about models",
    "erasure": "payloads were erased",
}


def shows(
    kind: str,
    exchanges: Sequence[Exchange],
    trees: Sequence[TreePart],
    sworn: Sworn,
    packages: Mapping[str, PackagePart | None],
) -> str:
    """A section; each point says what makes it so."""
    asked = [each for each in exchanges if each.name is not None]
    whole = sum(each.payload for each in asked)
    here = sum(package is not None for package in packages.values())
    name, answered = count(len(exchanges), "record"), count(len(asked), "exchange")
    points = [
        f"{name} stood in the log, word for word, when the notary signed; none of them was changed since.",
        {
            "range": "Within the offsets that were asked for none is missing.",
            "record": "Each record that was asked for is here.",
        }.get(kind, ""),
        _gateways(sworn),
        f"Request and answer are here of {whole:,} of {answered}, bit for bit as received and sent."
        if asked
        else "",
        f"Each answer names its model by the digest; {here:,} of {count(len(packages), 'manifest')} are here."
        if packages
        else "",
        *_earlier(trees),
        *_witnesses(trees),
    ]
    return _section("What this shows, once it is verified", points)


def _gateways(sworn: Sworn) -> str:
    if not sworn.asked_sworn:
        return ""
    name = count(sworn.asked, "entry", "entries")
    return (
        f"Besides the notary, gateways have signed over {sworn.asked_sworn:,} of {name} of journals, with the key of "
        "each journal, which stands in its opening."
    )


def _earlier(trees: Sequence[TreePart]) -> Iterable[str]:
    for tree in trees:
        if tree.earlier:
            sizes = listed(f"{size:,}" for size in sorted(tree.earlier))
            which = "an earlier checkpoint was" if len(tree.earlier) == 1 else "earlier checkpoints were"
            there = "it is" if len(tree.earlier) == 1 else "they are"
            yield (
                f"Partition {tree.origin.rpartition('/')[2]} had {sizes} records when {which} signed: {there} here, "
                "too, and it has only grown since."
            )


def _witnesses(trees: Sequence[TreePart]) -> Iterable[str]:
    for tree in trees:
        found = [
            each for each in _signatures(tree) if each.name != tree.origin and len(each.value) == _COSIGNATURE
        ]
        if found:
            names = listed(f"{printable(each.name)} at {_second(each.value)}" for each in found)
            yield (
                f"Witnesses have signed the checkpoint of partition {tree.origin.rpartition('/')[2]}, too: {names}. "
                "That counts for who has their keys from elsewhere, and gives them with --witness."
            )


def _signatures(tree: TreePart) -> Sequence[Signature]:
    try:
        return parse_note(tree.checkpoint).signatures
    except FormatError:  # what is published was verified; a caller's own bundle may be anything
        return ()


def _second(value: bytes) -> str:
    try:
        return datetime.fromtimestamp(int.from_bytes(value[:8], "big"), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return "an unreadable time"


def shows_not(
    kind: str,
    without: int,
    sworn: Sworn,
    lacks: Sequence[str] = (),
    erased: Sequence[str] = (),
    broken: Sequence[str] = (),
) -> str:
    """A section: what nobody should read into it.

    Args:
        kind: of the selection.
        without: exchanges whose payload is not here.
        sworn: what gateways have signed over.
        lacks: what of the packages was missing or changed where they were taken from.
        erased: of those without payload, which are erased, by whose statement.
        broken: what of the ways to gateways' signatures does not verify, and was left out.
    """
    whole = {
        "range": "Anything outside of the range; within it each offset is there.",
        "record": "Other records than those that are named; each of these is there.",
    }
    points = [
        "This page, the time of making and its maker's name are the maker's word; no signature covers them.",
        whole.get(kind, "That these are all: who made the bundle may have left some out."),
        f"What was asked and answered in {count(without, 'record')}: their payload is not here."
        if without
        else "",
        *(f"{printable(line)}, as the maker has read the governance log." for line in erased),
        _ungated(sworn),
        *_few("What would lead to a gateway's signature, and was left out, for it does not verify: ", broken),
        *(f"All of a package; in the maker's store: {printable(lack)}" for lack in lacks),
        "That the times are right: they are the gateways' own. A witness's time under the checkpoint bounds them.",
        "That nobody was shown another log, unless witnesses that you know vouch for the checkpoint.",
        "Who asked, or whom it was about: callers and subjects are pseudonyms.",
        "That a model is right or fair: the records show what was asked and answered, and by which package.",
        "What a package's lineage says is the word of who published it.",
    ]
    return _section("What this does not show", points)


def wrong(flaws: Sequence[str]) -> str:
    """A section, first of all: what is wrong with the records. Empty where nothing is."""
    if not flaws:
        return ""
    head = (
        "These records do not hold. They are in the sealed log as they are here, and not all of them are what a "
        "gateway wrote. affiant-verify names what is wrong, too, and does not say that it holds."
    )
    return _section("WRONG", [head, *_few("", flaws)])


def _few(head: str, lines: Sequence[str]) -> Iterable[str]:
    yield from (f"{head}{printable(line)}" for line in lines[:_LINES])
    if len(lines) > _LINES:
        yield f"{head}{len(lines) - _LINES:,} more"


def _ungated(sworn: Sworn) -> str:
    if not sworn.without:
        return ""
    return (
        f"That a gateway has signed over {sworn.without:,} of these {count(sworn.asked, 'entry', 'entries')} of "
        f"journals; the notary has. {'; '.join(sworn.why())}."
    )


def words(exchanges: Sequence[Exchange]) -> Sequence[tuple[str, str]]:
    """What the words of the page mean, those kinds of records too that it has; as HTML."""
    kinds = sorted({each.kind for each in exchanges} & set(_KINDS))
    told = (*_WORDS, *((f"kind: {kind}", f"{_KINDS[kind][:1].upper()}{_KINDS[kind][1:]}.") for kind in kinds))
    return [(escape(word), escape(meaning)) for word, meaning in told]


def _section(title: str, points: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(point)}</li>" for point in points if point)
    return f"<section><h2>{escape(title)}</h2><ul>{items}</ul></section>"
