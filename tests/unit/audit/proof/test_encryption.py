"""Payloads of suite 1 (docs/record-format.md, section 6)."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.proof import cbor
from audit.proof.encryption import NO_KEYS, NoKey, PayloadKey, PayloadKeys, encrypt_payload, parse_keys
from audit.proof.entry import Entry, Key, encode_entry, parse_entry
from audit.proof.errors import FormatError, NotProved
from audit.proof.record import Header, encode_payload, header_of, parse_payload
from tests.golden import independent_decoder

KEY = PayloadKey.of(b"k" * 16, b"K" * 32)
OTHER = PayloadKey.of(b"o" * 16, b"O" * 32)
SALT, NONCE = b"s" * 32, b"n" * 24
GOLDEN = (
    "73737373737373737373737373737373737373737373737373737373737373730000003ba50164504f53540600075818"
    "6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e6e08830508040d506b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6bb0"
    "1e4193a4f4b01b2345882bd08427e9b8dcde74c2e239e80ec610c12305358984"
)
FIELDS: dict[int, object] = {
    Header.METHOD: "POST",
    Header.TARGET: "/v1",
    Header.CONTENT_TYPE: "application/json",
}


def entry(payload: bytes, suite: int = 1) -> Entry:
    """Of a label that nobody wrote: the fewest keys."""
    return parse_entry(
        encode_entry(
            {
                Key.KIND: 9, Key.PAYLOAD_DIGEST: bytes(32), Key.PAYLOAD_LENGTH: len(payload), Key.SUITE: suite,
                Key.KEY_ID: KEY.id, Key.BODY_TYPE: "a/b", Key.AUTHOR: bytes(32), Key.TARGET: "request:a", Key.TIME: 1,
            }
        )
    )  # fmt: skip


@given(st.binary(max_size=2000), st.binary(max_size=300), st.binary(max_size=300))
def test_it_comes_back_as_it_was(request: bytes, response: bytes, model_input: bytes) -> None:
    """As a payload of suite 0 with the same salt and header, and nothing of it can be seen before."""
    stored = encrypt_payload(SALT, FIELDS, KEY, NONCE, request, response, model_input)
    plain = PayloadKeys.of([OTHER, KEY]).plain(entry(stored), stored)
    assert plain == encode_payload(SALT, FIELDS | KEY.header(NONCE), request, response, model_input)
    parts = parse_payload(plain)
    assert (parts.request, parts.response, parts.input) == (request, response, model_input)
    assert len(stored) == len(plain) + 16
    assert len(request) < 8 or request not in stored


def test_a_plain_one_needs_no_key() -> None:
    """Of suite 0."""
    stored = encode_payload(SALT, FIELDS, b"asked")
    assert NO_KEYS.plain(entry(stored, 0), stored) == stored


def test_without_the_key_it_is_said_which() -> None:
    """Not what it hides, and not a broken payload."""
    stored = encrypt_payload(SALT, FIELDS, KEY, NONCE, b"asked")
    with pytest.raises(NoKey, match=f"its payload key {KEY.id.hex()} is not known"):
        PayloadKeys.of([OTHER]).plain(entry(stored), stored)


def test_a_suite_that_is_not_known() -> None:
    """Later versions may have more of them."""
    with pytest.raises(FormatError, match="of suite 2, which this version does not know"):
        PayloadKeys.of([KEY]).plain(entry(b"", 2), b"")


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_a_second_reader_written_from_the_page_alone_opens_it(request: bytes, response: bytes) -> None:
    """With AES-CMAC of the library where ours computes it."""
    stored = encrypt_payload(SALT, FIELDS, KEY, NONCE, request, response)
    read = independent_decoder.encrypted_payload(stored, KEY.id, b"K" * 32)
    assert read is not None
    assert (read.request, read.response) == (request, response)
    with pytest.raises(independent_decoder.FormatError, match="is not the entry's"):
        independent_decoder.encrypted_payload(stored, OTHER.id)


@given(st.data())
def test_whatever_is_changed_is_refused(data: st.DataObject) -> None:
    """Header and parts; the salt is vouched for by the entry's digest alone."""
    stored = bytearray(encrypt_payload(SALT, FIELDS, KEY, NONCE, b"asked", b"answered"))
    at = data.draw(st.integers(32, len(stored) - 1))
    stored[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises((FormatError, NotProved)):
        PayloadKeys.of([KEY]).plain(entry(bytes(stored)), bytes(stored))


def test_a_key_of_another_name_is_not_tried() -> None:
    """Else a payload could be opened, and told, under a name that hides who could have written it."""
    stored = encrypt_payload(SALT, FIELDS, KEY, NONCE, b"asked")
    renamed = PayloadKeys.of([PayloadKey.of(KEY.id, b"O" * 32)])
    with pytest.raises(NotProved, match="not encrypted with this key"):
        renamed.plain(entry(stored), stored)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({Header.NONCE: b"n" * 12}, "without a nonce of 24 bytes"),
        ({Header.NONCE: "n" * 24}, "without a nonce of 24 bytes"),
        ({Header.KEY_ID: b"k" * 15}, "without a key id of 16 bytes"),
        ({Header.KEY_ID: 7}, "without a key id of 16 bytes"),
        ({Header.LENGTHS: [6, 0, 0]}, "do not fill it exactly"),
        ({Header.LENGTHS: [4, 0, 0]}, "do not fill it exactly"),
    ],
)
def test_a_malformed_header_is_named(change: dict[int, Any], said: str) -> None:
    """What it says of the encryption, and of lengths."""
    stored = encrypt_payload(SALT, FIELDS, KEY, NONCE, b"asked")
    head, fields = header_of(stored)
    other = cbor.encode({**fields, **change})
    raw = SALT + len(other).to_bytes(4, "big") + other + stored[36 + len(head) :]
    with pytest.raises(FormatError, match=said):
        PayloadKeys.of([KEY]).plain(entry(raw), raw)


def test_keys_of_other_sizes_are_refused() -> None:
    """And a key is not told when it is printed."""
    with pytest.raises(ValueError, match="16 bytes and 32 bytes"):
        PayloadKey.of(b"k", b"K" * 32)
    with pytest.raises(ValueError, match="16 bytes and 32 bytes"):
        PayloadKey.of(b"k" * 16, b"K" * 31)
    assert "cipher" not in repr(KEY)


def test_the_bytes_are_settled() -> None:
    """Never to change: what was written with a key is read with it, years later."""
    stored = encrypt_payload(SALT, {Header.METHOD: "POST"}, KEY, NONCE, b"asked", b"answered", bytes(4))
    assert stored.hex() == GOLDEN
    with pytest.raises(independent_decoder.FormatError, match="without its schema"):
        independent_decoder.encrypted_payload(stored, KEY.id, b"K" * 32)  # decrypted, and held to the page
    assert PayloadKeys.of([KEY]).plain(entry(stored), stored)[-17:] == b"askedanswered" + bytes(4)


def test_a_file_of_keys_is_read_without_a_library() -> None:
    """By the verifier, which has none; and its content is never repeated."""
    line = {"id": KEY.id.hex(), "key": (b"K" * 32).hex(), "created": "2026-01-02T03:04:05Z"}
    stored = encrypt_payload(SALT, FIELDS, KEY, NONCE, b"asked")
    keys = parse_keys(json.dumps({"format": 1, "keys": [line]}).encode())
    assert keys.plain(entry(stored), stored).endswith(b"asked")
    for content in (
        b"", b"[]", b'{"format": 1}', b'{"format": 1, "keys": [{"id": "00", "key": "5EC2E7"}]}', b"[" * 100_000,
        b'{"format": 1, "keys": [{"id": 5, "key": "5EC2E7"}]}', b'{"format": 1, "keys": 5}',
    ):  # fmt: skip
        with pytest.raises(FormatError, match=r"^payload keys: not a file of them$"):
            parse_keys(content)
    with pytest.raises(FormatError, match="two keys have one id"):
        parse_keys(json.dumps({"format": 1, "keys": [line, line]}).encode())
    with pytest.raises(FormatError, match="of a format that this version does not know"):
        parse_keys(b'{"format": 2, "keys": []}')


def test_header_and_entry_name_one_key() -> None:
    """Who erases by the entries' key ids must not be led to keep what another key hides."""
    stored = encrypt_payload(SALT, FIELDS, OTHER, NONCE, b"asked")
    with pytest.raises(FormatError, match="names another payload key than the entry"):
        PayloadKeys.of([KEY, OTHER]).plain(entry(stored), stored)


def test_what_stands_for_a_body_cannot_be_guessed_without_the_key() -> None:
    """Under either key another one, and never the bare hash."""
    bare = sha256(b"[1]").digest()
    assert len({bare, KEY.digest(bare), OTHER.digest(bare)}) == 3
    assert KEY.digest(bare) == PayloadKey.of(KEY.id, b"K" * 32).digest(bare)
    assert PayloadKey.of(KEY.id, b"O" * 32) != KEY
