"""Public keys of people: three kinds, one form each, and whose signatures hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from audit.proof.errors import FormatError
from audit.proof.keys import ED25519, P256, P384, form_of, holds, kind_of, parse_key

ORDERS: Final = {
    P256: 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    P384: 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
}  # fmt: skip
"""Of their groups (FIPS 186-5, SP 800-186)."""
EDWARDS: Final = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
CURVES: Final = {
    P256: (ec.derive_private_key(7, ec.SECP256R1()), SHA256()),
    P384: (ec.derive_private_key(7, ec.SECP384R1()), SHA384()),
}
MESSAGE: Final = b"DSSEv1 1 a 1 b"

# RFC 6979, A.2.5 and A.2.6: the message "sample".
RFC6979: Final = (
    (
        "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
        "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
        "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    ),
    (
        "ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64def8f0ea9055866064a254515480bc13",
        "8015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1288b231c3ae0d4fe7344fd2533264720",
        "94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe46",
        "99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8",
    ),
)


def sign(kind: str, message: bytes = MESSAGE, with_: HashAlgorithm | None = None) -> bytes:
    """By the key of a kind, as keys.py has it, or with another hash."""
    if kind == ED25519:
        return EDWARDS.sign(message)
    key, hashed = CURVES[kind]
    return key.sign(message, ec.ECDSA(with_ or hashed))


def form(kind: str) -> bytes:
    """Of the key of a kind."""
    return form_of(EDWARDS.public_key() if kind == ED25519 else CURVES[kind][0].public_key())


@pytest.mark.parametrize(("kind", "size"), [(ED25519, 32), (P256, 65), (P384, 97)])
def test_a_form_is_read_as_the_key_that_it_was_made_of(kind: str, size: int) -> None:
    """And a signature holds under its own key, for its own message, alone."""
    own = form(kind)
    assert (len(own), form_of(parse_key(own)), kind_of(parse_key(own))) == (size, own, kind)
    assert holds(own, sign(kind), MESSAGE)
    assert not holds(own, sign(kind), MESSAGE + b"!")
    for other in {ED25519, P256, P384} - {kind}:
        assert not holds(form(other), sign(kind), MESSAGE)


@pytest.mark.parametrize("vector", RFC6979, ids=["P-256", "P-384"])
def test_the_published_vectors_hold(vector: tuple[str, ...]) -> None:
    """The hash of each curve is the one of RFC 6979's examples with it."""
    x, y, r, s = vector
    point = bytes.fromhex("04" + x + y)
    signature = encode_dss_signature(int(r, 16), int(s, 16))
    assert holds(point, signature, b"sample")
    assert not holds(point, signature, b"test")


@pytest.mark.parametrize(("kind", "other"), [(P256, SHA384()), (P384, SHA256())])
def test_another_hash_does_not_hold(kind: str, other: HashAlgorithm) -> None:
    """The curve says which."""
    assert not holds(form(kind), sign(kind, with_=other), MESSAGE)


@pytest.mark.parametrize("kind", [P256, P384])
def test_one_message_has_many_signatures_of_one_key(kind: str) -> None:
    """Why no signature is an identity: two draws differ, and each has a twin that nobody drew."""
    first, second = sign(kind), sign(kind)
    r, s = decode_dss_signature(first)
    twin = encode_dss_signature(r, ORDERS[kind] - s)
    assert len({first, second, twin}) == 3
    assert all(holds(form(kind), each, MESSAGE) for each in (first, second, twin))


@pytest.mark.parametrize("kind", [P256, P384])
def test_only_der_is_a_signature(kind: str) -> None:
    """Not r ‖ s, not a longer spelling of the same numbers, nothing behind it, and no number out of its range."""
    good, order = sign(kind), ORDERS[kind]
    r, s = decode_dss_signature(good)
    size = (order.bit_length() + 7) // 8
    longer = b"\x30\x81" + good[1:]
    # One zero more before r: the same number to a lenient reader.
    padded = b"\x30" + bytes((good[1] + 1,)) + b"\x02" + bytes((good[3] + 1,)) + b"\x00" + good[4:]
    raw = r.to_bytes(size, "big") + s.to_bytes(size, "big")
    numbers = [(0, 0), (0, s), (r, 0), (r + order, s), (r, s + order), (1, 1)]
    for bad in (
        b"",
        raw,
        longer,
        padded,
        good + b"\0",
        good[:-1],
        *(encode_dss_signature(*n) for n in numbers),
    ):
        assert not holds(form(kind), bad, MESSAGE), bad.hex()


def forms() -> list[bytes]:
    """Other spellings of a key, and what is none."""
    key = CURVES[P256][0].public_key()
    good = form(P256)
    return [
        b"", b"\x04", bytes(31), bytes(33), bytes(65), bytes(97), b"\0",
        key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint),
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        bytes((6 | good[-1] & 1,)) + good[1:],
        good[1:],
        good + b"\0",
        good[:-1] + bytes((good[-1] ^ 1,)),
        b"\x04" + b"\xff" * 64,
        b"\x04" + bytes(96),
    ]  # fmt: skip


@pytest.mark.parametrize("bad", forms(), ids=lambda each: f"{len(each)}-{each[:1].hex()}")
def test_a_key_has_one_form(bad: bytes) -> None:
    """Compressed, hybrid, SPKI, another length, off the curve: no key, and nothing holds under it."""
    with pytest.raises(FormatError):
        parse_key(bad)
    assert not holds(bad, sign(P256), MESSAGE)


def test_the_spellings_of_a_key_have_one_form() -> None:
    """Whichever of them somebody has in PEM: so one key has one id."""
    key = CURVES[P256][0].public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    point = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    spki = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + point
    assert form_of(load_pem_public_key(pem)) == form_of(load_der_public_key(spki)) == form(P256)


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (lambda: rsa.generate_private_key(65537, 2048), "RSA"),
        (lambda: ec.generate_private_key(ec.SECP521R1()), "on the curve secp521r1"),
        (lambda: ec.generate_private_key(ec.SECP256K1()), "on the curve secp256k1"),
        (lambda: dsa.generate_private_key(2048), "DSA"),
        (ed448.Ed448PrivateKey.generate, "Ed448"),
        (x25519.X25519PrivateKey.generate, "X25519"),
    ],
    ids=["rsa", "p521", "k256", "dsa", "ed448", "x25519"],
)
def test_another_kind_is_refused_by_its_name(made: Callable[[], rsa.RSAPrivateKey], named: str) -> None:
    """Which it is, and what is taken."""
    with pytest.raises(FormatError) as told:
        form_of(made().public_key())
    assert str(told.value) == f"the key is {named}: a root takes Ed25519, P-256 or P-384"
