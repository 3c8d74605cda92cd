"""Bodies as they are shown: whatever was recorded is decoded, or given as hex, and never too much of it."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.proof.bodies import MAX_HEX, MAX_VALUES, TENSOR_FORMATS, WINDOW_BITS, body_of
from service.protocol.v2 import DTYPES


def binary(tensors: list[dict[str, Any]], *parts: bytes, member: str = "inputs") -> tuple[bytes, int]:
    """A body with binary tensors, and the length of its JSON."""
    named = [
        {**tensor, "parameters": {"binary_data_size": len(part)}}
        for tensor, part in zip(tensors, parts, strict=True)
    ]
    head = json.dumps({member: named}).encode()
    return head + b"".join(parts), len(head)


@given(
    st.binary(max_size=300),
    st.none() | st.sampled_from([*WINDOW_BITS, "identity", "br"]) | st.text(max_size=9),
    st.none() | st.integers(-9, 400),
)
def test_any_body_is_shown_somehow(body: bytes, encoding: str | None, length: int | None) -> None:
    """And what is shown is JSON."""
    json.dumps(body_of(body, encoding, length), allow_nan=False, ensure_ascii=False).encode()


tensor_like = st.dictionaries(
    st.sampled_from(["name", "shape", "datatype", "data", "parameters"]),
    st.sampled_from(["BYTES", "FP32", "odd"])
    | st.lists(st.integers(-1, 9), max_size=3)
    | st.dictionaries(st.just("binary_data_size"), st.integers(-1, 40) | st.text(max_size=3), max_size=1)
    | st.none(),
)


@given(
    st.lists(tensor_like, max_size=3) | st.none() | st.integers(), st.sampled_from(["inputs", "outputs"]),
    st.binary(max_size=80),
)  # fmt: skip
def test_any_tensors_are_shown_somehow(tensors: Any, member: str, tail: bytes) -> None:
    """Shapes, sizes and datatypes that contradict each other or the bytes."""
    head = json.dumps({member: tensors}).encode()
    json.dumps(body_of(head + tail, None, len(head)), allow_nan=False)


def test_the_datatypes_are_those_that_the_gateway_reads() -> None:
    """With the same sizes and the same values."""
    assert TENSOR_FORMATS.keys() == DTYPES.keys()
    for name, form in TENSOR_FORMATS.items():
        packed = np.arange(3, dtype=DTYPES[name]).tobytes()
        body, length = binary([{"name": "x", "datatype": name, "shape": [3]}], packed)
        assert body_of(body, None, length)["inputs"][0]["data"] == [0, 1, 2], form


def test_several_tensors_lie_one_behind_the_other() -> None:
    """Numbers, texts, bytes that are no text, and a tensor whose values are in the JSON."""
    tensors = [
        {"name": "a", "datatype": "FP32", "shape": [2, 2]},
        {"name": "b", "datatype": "BYTES", "shape": [3]},
        {"name": "c", "datatype": "INT8", "shape": [2]},
    ]
    texts = b"".join(struct.pack("<I", len(text)) + text for text in ("ä".encode(), b"", b"\xff"))
    packed = struct.pack("<4f", 1, float("nan"), float("inf"), float("-inf"))
    body, length = binary(tensors, packed, texts, b"\x01\xff")
    shown = [tensor["data"] for tensor in body_of(body, None, length)["inputs"]]
    assert shown == [[1, "NaN", "Infinity", "-Infinity"], ["ä", "", {"hex": "ff"}], [1, -1]]


def test_what_a_tensor_does_not_say_is_shown_as_hex() -> None:
    """Too few bytes for the shape, bytes behind the last one, and a length beyond the body."""
    body, length = binary([{"name": "a", "datatype": "FP32", "shape": [3]}], b"\x01\x02\x03\x04")
    assert body_of(body, None, length)["inputs"][0]["data"] == {"hex": "01020304"}
    shown = body_of(body + b"\x05", None, length)
    assert shown["binary"] == {"hex": "0102030405"}
    assert shown["json"]["inputs"][0]["name"] == "a"
    assert body_of(body, None, len(body) + 1) == {"hex": body.hex()}


def test_a_large_tensor_and_a_large_binary_are_cut() -> None:
    """A terminal is no place for millions of numbers; how many there are is said."""
    count = MAX_VALUES + 5
    body, length = binary([{"name": "a", "datatype": "INT32", "shape": [count]}], bytes(4 * count))
    data = body_of(body, None, length)["inputs"][0]["data"]
    assert (len(data["values"]), data["of"]) == (MAX_VALUES, count)
    shown = body_of(b"\xff" * (MAX_HEX + 1))
    assert (len(shown["hex"]), shown["bytes"]) == (2 * MAX_HEX, MAX_HEX + 1)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        # No time of day in them, and so in their names: two processes that run the tests must agree on these.
        ("gzip", gzip.compress(b"{}", mtime=0)[:-1]),
        ("gzip", gzip.compress(b"{}", mtime=0) + b"x"),
        ("deflate", b"{}"),
        ("br", b"\xff"),
        ("gzip", gzip.compress(bytes((64 << 20) + 1), mtime=0)),
    ],
)
def test_what_is_not_one_whole_stream_is_shown_as_it_was_sent(encoding: str, body: bytes) -> None:
    """Cut, followed by more, not in that encoding, in one that nobody reads, or a bomb."""
    assert body_of(body, encoding)["hex"] == body[:MAX_HEX].hex()


@pytest.mark.parametrize(
    "odd",
    [
        b"[" * 100_000,
        b"[" * 900 + b"]" * 900,
        b'{"a":' * 65 + b"[]" + b"}" * 65,
        rb'"\ud800"',
        rb'{"\UD800": 1}',
    ],
)
def test_json_that_could_not_be_printed_is_text(odd: bytes) -> None:
    """Nested so deep that it ends the reader or the writer; half a character."""
    assert body_of(odd) == odd.decode()
    assert body_of(zlib.compress(odd), "deflate") == odd.decode()


def test_json_as_usual_is_json() -> None:
    """Nested a little, with characters beyond the basic plane, with many brackets side by side."""
    for usual in ([[[[1]]]], {"a": "\N{GRINNING FACE}"}, [[number] for number in range(300)]):
        assert body_of(json.dumps(usual).encode()) == usual
