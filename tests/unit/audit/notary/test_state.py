"""The notary's state: one encoding, strictly read; the archive's steps."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.notary.state import MAX_HEADS, State
from audit.proof import cbor
from audit.proof.errors import FormatError
from audit.proof.hashing import EMPTY_ROOT

STATE = State(
    "affiant.test/00/3",
    300,
    bytes(range(32)),
    b"note",
    5,
    10,
    20,
    (b"a\n15\n", b"a\n300\n"),
    (["j", 1], {"k": b""}),
)


def test_a_state_is_read_back_as_it_was() -> None:
    """And a fresh one, too."""
    for state in (STATE, State("x")):
        assert State.decode(state.encode()) == state
    assert State("x").root == EMPTY_ROOT


def test_the_page_has_every_field() -> None:
    """docs/sealed-log.md names them; `format` stands for itself."""
    decoded = cbor.decode(STATE.encode())
    assert isinstance(decoded, dict)
    assert set(decoded) == {field.name for field in fields(State)} | {"format"}


WRONG: list[dict[str, Any]] = [
    {"format": 2}, {"format": "1"}, {"origin": b"x"}, {"size": "300"}, {"size": True}, {"size": 2**63}, {"root": b""},
    {"root": "r" * 32}, {"checkpoint": "note"}, {"time": b""}, {"archived": 21}, {"archiving": 301}, {"archiving": 9},
    {"heads": {}}, {"heads": ["x"]}, {"journals": {}}, {"more": 1},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_another_form_is_refused(wrong: dict[str, Any]) -> None:
    """Types, sizes, order of the numbers, a key too many."""
    plain = cbor.decode(STATE.encode())
    assert isinstance(plain, dict)
    with pytest.raises(FormatError, match="state"):
        State.decode(cbor.encode({**plain, **wrong}))
    for key in wrong:
        with pytest.raises(FormatError, match="state"):
            State.decode(
                cbor.encode({name: value for name, value in plain.items() if name != key} | {"z": 1})
            )


@given(st.binary(max_size=100))
def test_other_bytes_are_refused(raw: bytes) -> None:
    """With the one error."""
    with pytest.raises(FormatError):
        State.decode(raw)


def test_surplus_and_missing_bytes_are_refused() -> None:
    """One value, one encoding."""
    raw = STATE.encode()
    for wrong in (raw + b"\x00", raw[:-1], b"", b"\xa0", cbor.encode([1])):
        with pytest.raises(FormatError):
            State.decode(wrong)


def head(size: int) -> bytes:
    return b"origin\n%d\nroot\n\n" % size


def test_a_file_of_the_archive_is_begun_once_and_finished_once() -> None:
    """Its end stays what it was; the heads up to it go with it."""
    state = State("x", size=100)
    for size in (100, 150, 200):
        state = state.grown(size, bytes(32), head(size))
    begun = state.archive_begun(160)
    assert begun.archive_begun(160) == begun
    assert begun.archive_heads() == [head(100), head(150)]
    with pytest.raises(ValueError, match="a file to 160 is begun"):
        begun.archive_begun(170)
    grown = begun.grown(300, bytes(32), head(300))
    assert grown.archive_heads() == begun.archive_heads()
    finished = grown.archive_finished()
    assert (finished.archived, finished.archiving, finished.heads) == (160, 160, (head(200), head(300)))
    assert finished.archive_heads() == []
    with pytest.raises(ValueError, match="no file is begun"):
        finished.archive_finished()
    for end in (160, 100, 301):
        with pytest.raises(ValueError, match="no file of 160"):
            finished.archive_begun(end)


def test_heads_that_no_archive_takes_are_thinned_out_and_not_those_of_a_begun_file() -> None:
    """Memory stays flat; a file that is written again is the same."""
    state = State("x")
    for size in range(1, 11):
        state = state.grown(size, bytes(32), head(size))
    state = state.archive_begun(10)
    for size in range(11, 3 * MAX_HEADS):
        state = state.grown(size, bytes(32), head(size))
        assert len(state.heads) <= MAX_HEADS
    assert state.archive_heads() == [head(size) for size in range(1, 11)]
    assert state.heads[-1] == head(3 * MAX_HEADS - 1)
    sizes = [int(each.split(b"\n")[1]) for each in state.heads]
    assert sizes == sorted(set(sizes))
    assert replace(state, heads=()).archive_heads() == []
