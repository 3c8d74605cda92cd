"""A pane as bytes, and what goes on after it: one form each, read strictly (docs/pane-format.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from audit.proof import cbor
from audit.proof.errors import FormatError

from .collector import Finished, State
from .counts import MOST_BINS, Counts
from .pane import CONFIDENCE_BINS, LATENCY_BOUNDS, SLOTS, At, Of, Pane, Tally

FORMAT: Final = 1
APART: Final = 2
"""Of a pane that has the requests of canaries apart; all others are of the format before it, as they always were."""
_LATENCIES: Final = len(LATENCY_BOUNDS) + 1
_MOST_NUMBER: Final = (1 << 63) - 1
_JOURNAL: Final = 16
_REACHED: Final = _JOURNAL + 8
_PREFIX: Final = "sha256:"


def encode_pane(pane: Pane) -> bytes:
    """Deterministic CBOR."""
    return cbor.encode(_pane_fields(pane))


def decode_pane(data: bytes) -> Pane:
    """A pane out of bytes.

    Raises:
        FormatError: they are not what `encode_pane` gives, of any pane.
    """
    content = cbor.decode(data, "pane")
    pane = _read_pane(content)
    # Order of lists and zeros have one form, too: what is read is what would be written.
    if encode_pane(pane) != bytes(data):
        raise FormatError("pane: not in its one form")
    return pane


def encode_finished(finished: Finished) -> bytes:
    """A pane, and how far journals have come after it: what a store keeps, in one piece."""
    return cbor.encode({0: _pane_fields(finished.pane), 1: _pack(finished.after.reached)})


def decode_finished(data: bytes) -> Finished:
    """A pane and the state after it.

    Raises:
        FormatError: they are not what `encode_finished` gives.
    """
    content = cbor.decode(data, "state")
    if not isinstance(content, dict) or set(content) != {0, 1}:
        raise FormatError("state: not a pane and what is after it")
    pane = _read_pane(content[0])
    reached = _unpack(content[1])
    if len(dict(reached)) != len(reached):
        raise FormatError("state: a journal is there twice")
    found = Finished(pane, State(pane.end, pane.time, reached))
    if encode_finished(found) != bytes(data):
        raise FormatError("state: not in its one form")
    return found


def _pane_fields(pane: Pane) -> dict[int, object]:
    apart: dict[int, object] = {
        11: [part for of, found in sorted(pane.apart.items()) for part in (_of(of), _pairs(found))]
    }
    return {
        0: APART if pane.apart else FORMAT,
        1: pane.partition,
        2: pane.number,
        3: pane.first,
        4: pane.end,
        5: pane.time,
        6: [part for of, tally in sorted(pane.tallies.items()) for part in (_of(of), _tally(tally))],
        7: [
            part
            for at, statuses in sorted(pane.statuses.items())
            for part in (at.service, SLOTS.index(at.slot), _pairs(statuses))
        ],
        8: dict(pane.unreadable),
        9: _pack(sorted(pane.reached.items())),
        10: b"".join(sorted(pane.fresh)),
    } | (apart if pane.apart else {})


def _pairs(statuses: Mapping[int, int]) -> list[int]:
    return [n for pair in sorted(statuses.items()) for n in pair]


def _of(of: Of) -> list[object]:
    return [of.service, bytes.fromhex(of.digest.removeprefix(_PREFIX)), SLOTS.index(of.slot)]


def _tally(tally: Tally) -> list[object]:
    return [
        tally.requests, tally.rows, tally.positive,
        tally.features.size, tally.features.packed, tally.scores.size, tally.scores.packed,
        tally.confidence.size, tally.confidence.packed, tally.latency.packed,
    ]  # fmt: skip


def _pack(reached: Iterable[tuple[bytes, int]]) -> bytes:
    return b"".join(journal + sequence.to_bytes(8, "big") for journal, sequence in reached)


def _unpack(packed: object) -> tuple[tuple[bytes, int], ...]:
    if not isinstance(packed, bytes) or len(packed) % _REACHED:
        raise FormatError("pane: journals are not of 24 bytes each")
    starts = range(0, len(packed), _REACHED)
    return tuple(
        (packed[at : at + _JOURNAL], int.from_bytes(packed[at + _JOURNAL : at + _REACHED], "big"))
        for at in starts
    )


def _read_pane(content: object) -> Pane:
    if not isinstance(content, dict) or content.get(0) not in (FORMAT, APART):
        known = content.get(0) if isinstance(content, dict) else None
        raise FormatError(f"pane: format {known!r}, this reader knows {FORMAT} and {APART}")
    if set(content) != set(range(12 if content[0] == APART else 11)):
        raise FormatError(f"pane: not a map of the keys of format {content[0]}")
    partition, number, first, end, time = (_natural(content[key], key) for key in range(1, 6))
    if end <= first or first != number * (end - first):
        raise FormatError(f"pane: number {number} does not begin at {first} and end before {end}")
    tallies = {_read_of(of): _read_tally(tally) for of, tally in _grouped(content[6], 2)}
    statuses = {
        At(_text(service), _slot(slot)): _read_statuses(said, 7)
        for service, slot, said in _grouped(content[7], 3)
    }
    apart = {_read_of(of): _read_statuses(said, 11) for of, said in _grouped(content.get(11, []), 2)}
    _check_apart(apart, statuses, tallies)
    unreadable = content[8]
    if not isinstance(unreadable, dict):
        raise FormatError("pane: unreadable records are not counted by reason")
    return Pane(
        partition, number, first, end, time, tallies, statuses,
        {_text(reason): _positive(count) for reason, count in unreadable.items()},
        dict(_unpack(content[9])), _read_fresh(content[10]), apart,
    )  # fmt: skip


def _read_statuses(said: object, key: int) -> dict[int, int]:
    return {_natural(status, key): _positive(count) for status, count in _grouped(said, 2)}


def _check_apart(
    apart: Mapping[Of, Mapping[int, int]], statuses: Mapping[At, Mapping[int, int]], tallies: Iterable[Of]
) -> None:
    """Canaries' requests are those of their service, all of them; and are apart only where that tells something."""
    sums: dict[At, Counter[int]] = {}
    for of, found in apart.items():
        sums.setdefault(At(of.service, of.slot), Counter()).update(found)
    for at, total in sums.items():
        if at.slot != "canary" or dict(total) != statuses.get(at):
            raise FormatError("pane: the requests of canaries do not add up to those of their service")
        of, *others = (of for of in apart if of.service == at.service)
        if not others and of in tallies:
            raise FormatError("pane: the requests of one canary that has answered are not written twice")


def _read_fresh(packed: object) -> frozenset[bytes]:
    if not isinstance(packed, bytes) or len(packed) % _JOURNAL:
        raise FormatError("pane: journals are not of 16 bytes each")
    return frozenset(packed[at : at + _JOURNAL] for at in range(0, len(packed), _JOURNAL))


def _read_of(said: object) -> Of:
    match said:
        case [service, bytes(digest), slot] if len(digest) == 32:
            return Of(_text(service), _PREFIX + digest.hex(), _slot(slot))
    raise FormatError("pane: a tally is not of a service, a digest and a slot")


def _read_tally(said: object) -> Tally:
    if not isinstance(said, list) or len(said) != 10:
        raise FormatError("pane: a tally has not its ten parts")
    requests, rows, positive = (_natural(each, 6) for each in said[:3])
    tally = Tally(
        requests, rows, _counts(*said[3:5]), _counts(*said[5:7]), _counts(*said[7:9]),
        _counts(_LATENCIES, said[9]), positive,
    )  # fmt: skip
    if tally.confidence.size not in (0, CONFIDENCE_BINS):
        raise FormatError(f"pane: {tally.confidence.size} bins of confidence")
    if tally.latency.total != requests or positive > rows or tally.confidence.total > rows:
        raise FormatError("pane: the counts of a tally do not agree")
    return tally


def _counts(size: object, packed: object) -> Counts:
    if type(size) is not int or size > MOST_BINS or type(packed) is not bytes:
        raise FormatError("pane: counts are not of their form")
    return Counts.read(size, packed)


def _grouped(said: object, size: int) -> Iterable[tuple[Any, ...]]:
    """Parts that stand one after another, so that nothing is nested deeper than the encoding allows."""
    if not isinstance(said, list) or len(said) % size:
        raise FormatError("pane: a list is cut off")
    return zip(*(said[at::size] for at in range(size)), strict=True)


def _natural(said: object, key: int) -> int:
    if type(said) is not int or said > _MOST_NUMBER:
        raise FormatError(f"pane: what is under key {key} is no number, or too large")
    return said


def _positive(said: object) -> int:
    found = _natural(said, 7)
    if not found:
        raise FormatError("pane: what did not happen is counted")
    return found


def _text(said: object) -> str:
    if type(said) is not str:
        raise FormatError("pane: a name is not text")
    return said


def _slot(said: object) -> Any:
    if type(said) is not int or said >= len(SLOTS):
        raise FormatError(f"pane: slot {said!r}")
    return SLOTS[said]
