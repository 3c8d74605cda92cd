"""Panes byte for byte, and read once more by a decoder that was written from docs/pane-format.md alone."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import cbor2
import pytest

from audit.proof.errors import FormatError
from monitoring.panes import LATENCY_BOUNDS, Of
from monitoring.panes.codec import decode_finished, decode_pane, encode_finished, encode_pane
from tests.golden.pane.make import HERE, finished, pane, with_canaries


def test_the_bytes_of_a_pane_are_what_they_were() -> None:
    """What a monitor kept, its next version reads; and writes again, the same."""
    raw = (HERE / "pane.cbor").read_bytes()
    assert encode_pane(pane()) == raw
    assert decode_pane(raw) == pane()


def test_the_bytes_of_a_pane_with_canaries_are_what_they_were() -> None:
    """Version 2, and the other keys as in version 1; read by the page alone, too."""
    raw = (HERE / "canaries.cbor").read_bytes()
    assert encode_pane(with_canaries()) == raw
    assert decode_pane(raw) == with_canaries()
    content: dict[int, Any] = cbor2.loads(raw)
    assert (content[0], sorted(content)) == (2, list(range(12)))
    one, other = (["credit", bytes([last]) * 32, 1] for last in (0x0D, 0x0E))
    assert content[11] == [one, [200, 300, 500, 2], other, [500, 5]]
    plain = cbor2.loads((HERE / "pane.cbor").read_bytes())
    assert [content[key] for key in (1, 2, 3, 4, 5, 8, 9, 10)] == [
        plain[key] for key in (1, 2, 3, 4, 5, 8, 9, 10)
    ]


@pytest.mark.parametrize(
    "change",
    [
        {0: 1},
        {0: 3},
        {11: None},
        {11: []},
        {11: [["credit", b"\x0d" * 32, 1], [200, 300, 500, 2]]},
        {11: [["credit", b"\x0d" * 32, 1], [200, 300, 500, 7]]},
        {11: [["credit", b"\x0e" * 32, 1], [500, 5], ["credit", b"\x0d" * 32, 1], [200, 300, 500, 2]]},
        {11: [["credit", b"\x0d" * 32, 0], [200, 7, 422, 2]]},
        {11: [["none", b"\x0d" * 32, 1], [200, 1]]},
    ],
)
def test_requests_of_canaries_that_are_not_those_of_their_service_are_refused(change: dict[int, Any]) -> None:
    """Another format, none or too few, out of order, one alone that has answered, of another slot or service."""
    content = cbor2.loads((HERE / "canaries.cbor").read_bytes()) | change
    content = {key: value for key, value in content.items() if value is not None}
    with pytest.raises(FormatError):
        decode_pane(cbor2.dumps(content, canonical=True))


def test_the_bytes_of_a_state_are_what_they_were() -> None:
    """With the journals in their order."""
    raw = (HERE / "state.cbor").read_bytes()
    assert encode_finished(finished()) == raw
    assert decode_finished(raw) == finished()


def counts(size: int, packed: bytes) -> dict[int, int]:
    """Section 1 of docs/pane-format.md."""
    if not packed:
        return {}
    gap, number = packed[0] >> 4, packed[0] & 15
    kinds = {1: "B", 2: "H", 4: "I", 8: "Q"}
    many = (len(packed) - 1) // (gap + number)
    gaps = struct.unpack(f"<{many}{kinds[gap]}", packed[1 : 1 + many * gap])
    numbers = struct.unpack(f"<{many}{kinds[number]}", packed[1 + many * gap :])
    found, place = {}, -1
    for before, more in zip(gaps, numbers, strict=True):
        place += before + 1
        found[place] = more + 1
    assert place < size
    return found


def test_a_decoder_of_the_page_reads_the_same() -> None:
    """Without any of our code."""
    content: dict[int, Any] = cbor2.loads((HERE / "pane.cbor").read_bytes())
    assert [content[key] for key in range(6)] == [1, 3, 5, 1280, 1536, 1_790_000_000_123]
    for of, tally in zip(content[6][::2], content[6][1::2], strict=True):
        ours = pane().tallies[Of(of[0], f"sha256:{of[1].hex()}", ("live", "canary", "shadow")[of[2]])]
        assert tally[:3] == [ours.requests, ours.rows, ours.positive]
        for at, mine in ((3, ours.features), (5, ours.scores), (7, ours.confidence)):
            dense = mine.dense()
            assert counts(tally[at], tally[at + 1]) == {i: int(n) for i, n in enumerate(dense) if n}
        assert sum(counts(len(LATENCY_BOUNDS) + 1, tally[9]).values()) == ours.requests
    assert content[7] == ["", 0, [0, 1, 404, 3], "credit", 0, [200, 7, 422, 2]]
    assert content[8] == {"not a record": 1, "duplicate": 12}
    assert content[9] == bytes(range(16)) + b"\xff" * 8 + bytes(range(100, 116)) + struct.pack(">Q", 41)
    state = cbor2.loads((HERE / "state.cbor").read_bytes())
    assert state[0] == content
    assert state[1][-24:] == bytes(range(16)) + struct.pack(">Q", 1)


CHANGES = {
    "another format": {0: 2},
    "no format": {0: None},
    "an end before the beginning": {4: 1280},
    "a beginning that is not its number's": {3: 1281},
    "a time beyond all": {5: 2**63},
    "a tally without its package": {6: [["credit", b"\xab" * 32, 0]]},
    "a digest of another size": {6: [["credit", b"\xab" * 31, 0], [0] * 10]},
    "an unknown slot": {7: ["a", 3, [200, 1]]},
    "a status that did not happen": {7: ["a", 0, [200, 0]]},
    "statuses out of order": {7: ["a", 0, [422, 1, 200, 1]]},
    "services out of order": {7: ["b", 0, [200, 1], "a", 0, [200, 1]]},
    "a reason that is no text": {8: {1: 1}},
    "half a journal": {9: b"x" * 25},
    "journals out of order": {9: b"b" * 24 + b"a" * 24},
    "a journal twice": {9: b"a" * 48},
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_not_a_pane_is_refused(name: str) -> None:
    """With one error, and one form: the same pane has no other bytes."""
    content = cbor2.loads((HERE / "pane.cbor").read_bytes())
    content.update(CHANGES[name])
    content = {key: value for key, value in content.items() if value is not None}
    with pytest.raises(FormatError):
        decode_pane(cbor2.dumps(content, canonical=True))


def test_a_tally_whose_counts_do_not_agree_is_refused() -> None:
    """More requests than latencies, more decisions than rows."""
    for at, value in ((0, 8), (2, 10), (1, 8), (7, 21)):
        content = cbor2.loads((HERE / "pane.cbor").read_bytes())
        place = next(i for i, part in enumerate(content[6]) if part[0] == "credit" and part[2] == 0) + 1
        content[6][place][at] = value
        with pytest.raises(FormatError):
            decode_pane(cbor2.dumps(content, canonical=True))


def test_nothing_but_a_state_is_a_state(tmp_path: Path) -> None:
    """A pane alone is none, and what stands behind it is refused."""
    for raw in ((HERE / "pane.cbor").read_bytes(), (HERE / "state.cbor").read_bytes() + b"\0", b"", b"\xa0"):
        with pytest.raises(FormatError):
            decode_finished(raw)
