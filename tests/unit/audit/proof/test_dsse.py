"""Envelopes: what is signed is what the specification says, and nothing malformed is taken."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.proof.dsse import Envelope, key_id, pae, parse_envelope, sign_envelope, verify_envelope
from audit.proof.errors import FormatError, NotProved


class Key:
    """A signer."""

    def __init__(self, seed: int) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


OURS, THEIRS = Key(1), Key(2)
SIGNED = sign_envelope("application/json", b'{"a":1}', OURS)


def test_what_is_signed_is_the_specifications_example() -> None:
    """protocol.md of DSSE: PAE of its HelloWorld; lengths are bytes, not letters."""
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert pae("ü", b"") == b"DSSEv1 2 \xc3\xbc 0 "


def test_an_envelope_comes_back_as_it_was_signed() -> None:
    """And holds under its key."""
    again = parse_envelope(SIGNED.encode())
    assert again == SIGNED
    verify_envelope(again, OURS.public_key)


def test_signatures_of_other_keys_are_passed_over() -> None:
    """Several may sign one statement."""
    (theirs,) = sign_envelope(SIGNED.type, SIGNED.payload, THEIRS).signatures
    both = Envelope(SIGNED.type, SIGNED.payload, (theirs, *SIGNED.signatures))
    verify_envelope(both, OURS.public_key)
    verify_envelope(both, THEIRS.public_key)


@pytest.mark.parametrize(
    "changed",
    [
        Envelope("text/plain", SIGNED.payload, SIGNED.signatures),
        Envelope(SIGNED.type, b'{"a":2}', SIGNED.signatures),
        Envelope(SIGNED.type, SIGNED.payload, ((key_id(OURS.public_key), bytes(64)),)),
        Envelope(SIGNED.type, SIGNED.payload, ((key_id(OURS.public_key), b""),)),
        sign_envelope(SIGNED.type, SIGNED.payload, THEIRS),
        Envelope(
            SIGNED.type,
            SIGNED.payload,
            ((key_id(OURS.public_key), sign_envelope(SIGNED.type, SIGNED.payload, THEIRS).signatures[0][1]),),
        ),
    ],
)
def test_a_changed_or_foreign_envelope_does_not_hold(changed: Envelope) -> None:
    """Type, payload, signature, and whose it is."""
    with pytest.raises(NotProved):
        verify_envelope(changed, OURS.public_key)


def content(**changes: object) -> bytes:
    """The signed envelope's JSON, with keys replaced; None removes."""
    fields = json.loads(SIGNED.encode()) | changes
    return json.dumps({key: value for key, value in fields.items() if value is not None}).encode()


SIGNATURE = json.loads(SIGNED.encode())["signatures"][0]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        content(payload=None),
        content(payload=7),
        content(payload="a"),
        content(payload=base64.b64encode(b"x").decode() + "\n"),
        content(payloadType=None),
        content(payloadType=1),
        content(signatures=None),
        content(signatures=[]),
        content(signatures={}),
        content(signatures=[7]),
        content(signatures=[{"sig": SIGNATURE["sig"]}]),
        content(signatures=[{**SIGNATURE, "sig": "*"}]),
        content(signatures=[{**SIGNATURE, "keyid": 7}]),
        content(signatures=[{**SIGNATURE, "cert": ""}]),
        content(extra=1),
    ],
)
def test_what_is_no_envelope_is_refused(raw: bytes) -> None:
    """Missing, surplus and wrong parts; base64 in another form."""
    with pytest.raises(FormatError):
        parse_envelope(raw)
