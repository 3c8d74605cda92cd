"""Entries that are read together are read as they would be alone: by the strict reader, one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.proof.entry import Entry, encode_entry, parse_entry
from audit.proof.errors import FormatError
from audit.proof.record import split_record
from audit.shapes import Alike, Sorter
from audit.shapes.entries import parse_entries
from audit.shapes.shape import Form, Shape

GOLDEN = Path(__file__).parents[3] / "golden" / "journal"
NUMBERS = st.sampled_from([0, 1, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**53 + 1, 2**64 - 1])


@st.composite
def inferences(draw: st.DrawFn) -> bytes:
    """Inference entries of few lengths, so that several have one shape, and others of the same length another."""
    fields: dict[int, Any] = {
        0: 1, 1: draw(st.binary(min_size=16, max_size=16)), 2: draw(NUMBERS), 3: draw(NUMBERS),
        4: draw(st.binary(min_size=32, max_size=32)), 5: draw(NUMBERS), 6: 9,
        7: draw(st.sampled_from(["credit", "fraud!", "crédit"])),
        8: bytes(32), 10: 200, 14: [draw(NUMBERS), 4, draw(NUMBERS)], 15: bytes(32), 16: 700, 17: 0, 22: draw(NUMBERS),
    }  # fmt: skip
    optional = {9: 0, 20: True, 23: "why", 70: b"what a later version says"}
    return encode_entry(fields | {key: value for key, value in optional.items() if draw(st.booleans())})


def fields_of(alike: Alike, row: int) -> dict[int, Any]:
    """One row's fields, out of the columns."""
    found: dict[int, Any] = {}
    for key, spans in alike.shape.spans.items():
        values: list[Any] = []
        for part, span in enumerate(spans):
            if span.form in (Form.NUMBER, Form.INLINE):
                values.append(int(alike.numbers(key, part)[row]))
            elif span.form is Form.TRUE:
                values.append(True)
            else:
                raw = alike.data(key)[row].tobytes()
                values.append(raw.decode() if span.form is Form.TEXT else raw)
        found[key] = values[0] if len(spans) == 1 else values
    return found


def alone(raw: bytes) -> Entry | None:
    """What the strict reader makes of it."""
    try:
        return parse_entry(raw)
    except FormatError:
        return None


def check(entries: list[bytes], sorter: Sorter) -> int:
    """Each entry is there once; what was read together has the fields that the strict reader finds. How many."""
    found = sorter.sort(entries)
    together = 0
    places = list(found.rest)
    assert parse_entries(sorter, [*entries, None]) == [*map(alone, entries), None]
    for alike in found.alike:
        assert list(alike.places) == sorted(alike.places)
        for row, at in enumerate(alike.places.tolist()):
            entry = parse_entry(entries[at])  # raises for what must not have been taken
            assert fields_of(alike, row) == entry.fields
            assert alike.shape.kind == entry.kind
            places.append(at)
            together += 1
    assert sorted(places) == list(range(len(entries)))
    return together


@settings(max_examples=300)
@given(st.lists(inferences(), min_size=1, max_size=4), st.data())
def test_what_is_read_together_is_what_the_strict_reader_reads(
    bases: list[bytes], data: st.DataObject
) -> None:
    """Whole entries, and such in which a byte was changed anywhere: nothing is taken that is malformed."""
    entries = [base for base in bases for _ in range(6)]
    for at in data.draw(st.lists(st.integers(0, len(entries) - 1), max_size=12)):
        changed = bytearray(entries[at])
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
        entries[at] = bytes(changed)
    sorter = Sorter()
    check(entries, sorter)
    check(entries[::-1], sorter)


def test_every_byte_of_an_entry_changed_to_every_value_is_taken_only_when_it_is_well_formed() -> None:
    """All 256 values at all places of one entry, beside as many that are right."""
    raw = encode_entry(
        {0: 1, 1: bytes(16), 2: 1, 3: 300, 4: bytes(32), 5: 2**40, 6: 9, 7: "credit", 8: bytes(32), 10: 200,
         14: [70_000, 4, 2], 15: bytes(32), 16: 700, 17: 0, 20: True, 22: 5}
    )  # fmt: skip
    shape = Shape.of(parse_entry(raw))
    assert shape is not None
    sorter = Sorter()
    for at in range(len(raw)):
        assert (
            check([raw] * 4 + [raw[:at] + bytes([value]) + raw[at + 1 :] for value in range(256)], sorter)
            >= 5
        )


def test_a_journal_of_one_shape_is_read_as_one_matrix() -> None:
    """Numbers may differ within their width, bytes and texts of one length in what they say."""
    entries = [
        encode_entry(
            {0: 1, 1: bytes([at] * 16), 2: 1, 3: 256 + at, 4: bytes(32), 5: 2**40 + at, 6: 2**40,
             7: f"credit-{at % 10}", 10: 200, 15: bytes([at]) * 32, 16: 24 + at % 200, 17: at % 24, 22: 5}
        )
        for at in range(250)
    ]  # fmt: skip
    found = Sorter().sort(entries)
    assert ([len(alike) for alike in found.alike], found.rest) == ([250], [])
    assert found.alike[0].numbers(3).tolist() == list(range(256, 506))


@pytest.mark.parametrize("name", ["opening", "heartbeat", "closing", "hole"])
def test_entries_with_maps_and_of_unknown_kinds_have_no_shape(name: str) -> None:
    """They are read one by one."""
    entry, _ = split_record((GOLDEN / f"{name}.bin").read_bytes())
    assert Shape.of(parse_entry(entry)) is None
    unknown = parse_entry(encode_entry({0: 99, 1: bytes(16)}))
    assert Shape.of(unknown) is None


def test_a_field_of_a_later_version_has_no_shape() -> None:
    """What it may hold is not known."""
    raw = encode_entry({0: 8, 51: bytes(16), 55: 1, 70: 5})
    entry = parse_entry(raw)
    assert isinstance(entry, Entry)
    assert Shape.of(entry) is None


def test_lengths_that_a_forger_chooses_are_forgotten() -> None:
    """What is remembered does not grow with what is read."""
    sorter = Sorter()
    fields = {0: 2, 1: bytes(16), 2: 1, 3: 1, 4: bytes(32), 5: 1, 6: 1, 15: bytes(32), 16: 0, 17: 0, 22: 1}
    for size in range(600):
        sorter.sort([encode_entry({**fields, 7: "s" * (size // 5), 23: "r" * (size % 500)})] * 4)
    assert 0 < len(sorter._known) <= 512
