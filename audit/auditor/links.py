"""From a journal's signed entry back to the records that were asked for: the entries that a bundle takes along.

The index says where entries are that have the sequences between. Whoever could write to the log may have put his own
there, in front of the true ones. A signed entry names the entry before it by its hash, and so on: so the true one is
found among them, and what is forged beside it is left where it is. Where none fits, the way ends, and the records
behind it are without a signature of their gateway: evidence of them MUST NOT fail for what others have written.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from audit.proof.entry import JOURNAL_KINDS, SIGNED_KINDS, Entry, Key, signature_holds
from audit.proof.hashing import leaf_hash
from audit.proof.journals import Placed

from .chains import Span, Wanted
from .gather import Gathering, Progress

_Place = tuple[bytes, int]
"""A journal, and a sequence."""


class Way(NamedTuple):
    """What there is of a span that verifies."""

    entries: Mapping[int, Entry]
    """By offset."""
    broken: str | None
    """Why it does not lead from all of them."""


def way(
    span: Span,
    key: bytes,
    asked: Mapping[_Place, Sequence[Placed]],
    places: Callable[[_Place], Iterable[Placed]],
) -> Way:
    """Go back from the signed entry of a span, each time to the entry that the last one is chained to.

    An entry that was asked for and does not fit is what is wrong, and the bundle MUST show it: so the way down to the
    one behind it is kept.

    Args:
        span: of a journal.
        key: the journal's.
        asked: what is in the bundle in any case.
        places: all that claim to be that entry, of those that were not asked for.
    """
    kept: dict[int, Entry] = {}
    taken: dict[int, Entry] = {}
    chain = b""
    for sequence in range(span.signed, span.first - 1, -1):
        place = span.journal, sequence
        own = asked.get(place, ())
        some = list(own or places(place))
        one = next((each for each in some if _fits(each[1], chain, key)), None)
        if one is None:
            if own:
                return Way(kept | taken, None)
            # The signed entry, first of what was taken: alone it says that the journal has signed on.
            top = dict(islice(taken.items(), 1))
            return Way(kept or top, _broken(span, sequence, [offset for offset, _ in some]))
        taken[one[0]] = one[1]
        chain = one[1].fields[Key.CHAIN]
        if own:
            kept |= taken
            taken = {}
    return Way(kept | taken, None)


def _fits(entry: Entry, chain: bytes, key: bytes) -> bool:
    if chain:
        return leaf_hash(entry.raw) == chain
    return entry.kind in SIGNED_KINDS and signature_holds(entry, key)


def _broken(span: Span, sequence: int, offsets: Sequence[int]) -> str:
    what = f"journal {span.journal.hex()}: the way to its signed entry {span.signed} ends before entry {sequence}, "
    if not offsets:
        return f"{what}which is not in the sealed log"
    where = ", ".join(map(str, offsets[:3])) + (f" and {len(offsets) - 3} more" if len(offsets) > 3 else "")
    return f"{what}which is not what the next one is chained to (offset {where})"


def keys_of(gathering: Gathering) -> tuple[dict[bytes, bytes], list[str]]:
    """The keys of the journals of one tree's records, as their openings name them, and what is wrong with others.

    Where openings of a journal name several, which of them is its own cannot be told here: it has none.
    """
    named: dict[bytes, set[bytes]] = {}
    for _, opening in gathering.openings():
        named.setdefault(opening.fields[Key.JOURNAL], set()).add(opening.fields[Key.PUBLIC_KEY])
    wrong = [
        f"journal {journal.hex()}: its openings name {len(keys)} keys, and which is its own is not known"
        for journal, keys in named.items()
        if len(keys) > 1
    ]
    return {journal: next(iter(keys)) for journal, keys in named.items() if len(keys) == 1}, wrong


def signed_next(
    gathering: Gathering, wanted: Wanted, keys: Mapping[bytes, bytes]
) -> tuple[Wanted, list[str]]:
    """Of each journal the sequences of the signed entries that are the next of one of the records; and what says that
    it is one, and is not signed by the journal's key. Anybody can have put that there: the next one after it counts.
    """
    found: dict[bytes, list[int]] = {}
    wrong = []
    claimed = gathering.chains.signed(journal for journal in wanted if journal in keys)
    for journal, places in claimed.items():
        sequences, key, at = list(places), keys[journal], 0
        for record in wanted[journal]:
            if found.get(journal, [-1])[-1] >= record:
                continue
            at = max(at, bisect_left(sequences, record))
            while at < len(sequences) and not any(
                _fits(entry, b"", key)
                for _, entry in _claims(gathering, (journal, sequences[at]), places[sequences[at]])
            ):
                wrong.append(
                    f"journal {journal.hex()}: entry {sequences[at]} should be signed, and is not, or not by its key"
                )
                at += 1
            if at == len(sequences):
                break
            found.setdefault(journal, []).append(sequences[at])
    return found, wrong


def take_along(
    gathering: Gathering, spans: Sequence[Span], keys: Mapping[bytes, bytes], progress: Progress
) -> list[str]:
    """Take in what leads from one tree's records to their journals' signed entries, and the openings with the keys.

    Returns:
        What does not verify, and was left out.
    """
    asked: dict[_Place, list[Placed]] = {}
    for placed in sorted(gathering.entries.items()):
        if placed[1].kind in JOURNAL_KINDS:
            asked.setdefault(_place(placed[1]), []).append(placed)
    known = gathering.chains.places(spans) if spans else {}
    broken = []
    for span in spans:
        found = way(
            span, keys[span.journal], asked, lambda place: _claims(gathering, place, known.get(place, []))
        )
        gathering.entries.update(found.entries)
        progress(span.signed - span.first + 1)
        if found.broken is not None:
            broken.append(found.broken)
    first: dict[tuple[bytes, int], int] = {}
    for offset, opening in gathering.openings():
        epoch = opening.fields[Key.JOURNAL], opening.fields[Key.EPOCH]
        if opening.fields[Key.PUBLIC_KEY] == keys.get(epoch[0]) and first.setdefault(epoch, offset) == offset:
            gathering.entries[offset] = opening
    return broken


def _claims(gathering: Gathering, place: _Place, offsets: Iterable[int]) -> Iterator[Placed]:
    """What of these offsets is of that sequence indeed: the index is not trusted."""
    for offset in offsets:
        entry = gathering.at(offset)
        if entry.kind in JOURNAL_KINDS and _place(entry) == place:
            yield offset, entry


def _place(entry: Entry) -> _Place:
    return entry.fields[Key.JOURNAL], entry.fields[Key.SEQUENCE]
