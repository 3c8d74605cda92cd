"""XAES-256-GCM against the vectors of its specification (C2SP, xaes-256-gcm.md)."""

from __future__ import annotations

from hashlib import shake_128

import pytest

from audit.proof.errors import NotProved
from audit.proof.xaes import Xaes

NONCE = b"ABCDEFGHIJKLMNOPQRSTUVWX"


@pytest.mark.parametrize(
    ("key", "beside", "expected"),
    [
        (b"\x01", b"", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
        (b"\x03", b"c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
    ],
)
def test_the_specifications_vectors(key: bytes, beside: bytes, expected: str) -> None:
    """The second one doubles with a carry."""
    xaes = Xaes(key * 32)
    assert xaes.encrypt(NONCE, b"XAES-256-GCM", beside).hex() == expected
    assert xaes.decrypt(NONCE, bytes.fromhex(expected), beside) == b"XAES-256-GCM"


def test_the_accumulated_vector() -> None:
    """Ten thousand keys, nonces and lengths, as the specification draws them."""
    drawn, digest, at = shake_128().digest(12_000_000), shake_128(), 0

    def take(count: int) -> bytes:
        nonlocal at
        at += count
        return drawn[at - count : at]

    for _ in range(10_000):
        key, nonce = take(32), take(24)
        plain = take(take(1)[0])
        beside = take(take(1)[0])
        xaes = Xaes(key)
        hidden = xaes.encrypt(nonce, plain, beside)
        digest.update(hidden)
        assert xaes.decrypt(nonce, hidden, beside) == plain
    assert digest.hexdigest(32) == "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"


@pytest.mark.parametrize("at", [0, 11, 12, 27])
def test_what_was_changed_is_refused(at: int) -> None:
    """Ciphertext and tag; and so is another key, nonce, or what stands beside it."""
    xaes = Xaes(b"\x01" * 32)
    hidden = bytearray(xaes.encrypt(NONCE, b"XAES-256-GCM", b"beside"))
    assert xaes.decrypt(NONCE, bytes(hidden), b"beside") == b"XAES-256-GCM"
    for other, nonce, beside in (
        (Xaes(b"\x02" * 32), NONCE, b"beside"),
        (xaes, b"a" + NONCE[1:], b"beside"),
        (xaes, NONCE[:-1] + b"x", b"beside"),
        (xaes, NONCE, b"Beside"),
    ):
        with pytest.raises(NotProved, match="not encrypted with this key"):
            other.decrypt(nonce, bytes(hidden), beside)
    hidden[at] ^= 1
    with pytest.raises(NotProved):
        xaes.decrypt(NONCE, bytes(hidden), b"beside")


def test_other_sizes_are_refused() -> None:
    """Of keys and nonces; and what is too short for a tag is not a message."""
    with pytest.raises(ValueError, match="has 32 bytes, this one 16"):
        Xaes(bytes(16))
    with pytest.raises(ValueError, match="has 24 bytes, this one 12"):
        Xaes(bytes(32)).encrypt(bytes(12), b"", b"")
    with pytest.raises(NotProved):
        Xaes(bytes(32)).decrypt(NONCE, b"short", b"")
