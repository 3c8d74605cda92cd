"""Records and payloads: split exactly, refused otherwise."""

from __future__ import annotations

from hashlib import sha256

import pytest

from audit.proof.entry import Kind, encode_entry
from audit.proof.errors import FormatError
from audit.proof.record import (
    Header,
    encode_payload,
    frame_record,
    parse_payload,
    parse_record,
    payload_holds,
)

SALT = bytes(range(32))


def label_record(payload: bytes) -> bytes:
    """A label entry over `payload`."""
    entry = encode_entry(
        {0: int(Kind.LABEL), 15: sha256(payload).digest(), 16: len(payload), 17: 0, 52: "application/json",
         53: bytes(32), 54: "a" * 32 + "-1", 55: 1}
    )  # fmt: skip
    return frame_record(entry, payload)


def test_a_payload_comes_back_in_its_parts() -> None:
    """Salt, header, request, response and input are split where they were joined."""
    raw = encode_payload(SALT, {Header.METHOD: "POST"}, b"request", b"answer", b"\x00\x00\x80\x3f")
    payload = parse_payload(raw)
    assert (payload.salt, payload.request, payload.response, payload.input) == (
        SALT,
        b"request",
        b"answer",
        b"\x00\x00\x80\x3f",
    )
    assert payload.header == {Header.METHOD: "POST", Header.COMPRESSION: 0, Header.LENGTHS: [7, 6, 4]}


def test_a_record_holds_only_while_its_payload_is_untouched() -> None:
    """Every flipped byte of the payload breaks the digest; an erased payload does not hold either."""
    payload = encode_payload(SALT, {}, b"7")
    raw = label_record(payload)
    assert payload_holds(parse_record(raw))
    start = len(raw) - len(payload)
    for index in range(start, len(raw)):
        changed = raw[:index] + bytes([raw[index] ^ 1]) + raw[index + 1 :]
        assert not payload_holds(parse_record(changed))
    assert not payload_holds(parse_record(raw[:start]))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw[:3],
        lambda raw: b"\x00\x02" + raw[2:],
        lambda raw: raw[:20],
        lambda raw: raw[:-1],
        lambda raw: raw + b"\x00",
    ],
)
def test_a_record_of_another_format_or_length_is_refused(spoil) -> None:
    """Truncated, extended and foreign records are errors, not guesses."""
    with pytest.raises(FormatError):
        parse_record(spoil(label_record(encode_payload(SALT, {}, b"7"))))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw[:35],
        lambda raw: raw[:-1],
        lambda raw: raw + b"\x00",
        lambda raw: raw[:32] + b"\xff\xff\xff\xff" + raw[36:],
    ],
)
def test_a_payload_that_its_header_does_not_describe_is_refused(spoil) -> None:
    """Lengths must fill the payload exactly."""
    with pytest.raises(FormatError):
        parse_payload(spoil(encode_payload(SALT, {}, b"7")))


def test_a_short_salt_is_refused() -> None:
    """Without its 32 bytes of salt, a digest of guessable data could be guessed."""
    with pytest.raises(FormatError, match="salt"):
        encode_payload(b"short", {}, b"")
