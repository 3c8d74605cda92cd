"""Public keys of people and roles: which kinds there are, the one form of each, and whether a signature holds.

    kind       form, whose length says the kind       signature
    Ed25519    32 bytes (RFC 8032)                    64 bytes (RFC 8032)
    P-256      65 bytes: 04 ‖ x ‖ y (SEC 1, 2.3.3)    ECDSA with SHA-256, in DER: `ecdsa-sha2-nistp256`
    P-384      97 bytes: 04 ‖ x ‖ y                   ECDSA with SHA-384, in DER: `ecdsa-sha2-nistp384`

The names are those of TUF and securesystemslib. A point has no other spelling here (compressed, in SPKI, …), so a key
has one id. Journals, the notary and witnesses have Ed25519 keys alone (entry.py, note.py): this is not asked of theirs.

ECDSA gives no message one signature: a signer draws another each time, and who has (r, s) can write (r, n − s), which
holds as well. Nothing MAY take a signature's bytes for an identity: what was said is told by its author and its bytes.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    SECP384R1,
    EllipticCurve,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .errors import FormatError

PublicKey = Ed25519PublicKey | EllipticCurvePublicKey

ED25519: Final = "Ed25519"
P256: Final = "P-256"
P384: Final = "P-384"
KINDS: Final = (ED25519, P256, P384)
WANTED: Final = f"{ED25519}, {P256} or {P384}"
"""Of messages."""

_ED25519_SIZE: Final = 32
_UNCOMPRESSED: Final = 0x04
_CURVES: Final[dict[str, tuple[str, type[EllipticCurve], int, HashAlgorithm]]] = {
    "secp256r1": (P256, SECP256R1, 65, SHA256()),
    "secp384r1": (P384, SECP384R1, 97, SHA384()),
}


def parse_key(form: bytes) -> PublicKey:
    """A public key from its form.

    Raises:
        FormatError: it is the form of none, or no point of its curve.
    """
    if len(form) == _ED25519_SIZE:
        return Ed25519PublicKey.from_public_bytes(form)
    for _, curve, size, _ in _CURVES.values():
        if len(form) == size and form[0] == _UNCOMPRESSED:
            try:
                return EllipticCurvePublicKey.from_encoded_point(curve(), form)
            except (ValueError, UnsupportedAlgorithm) as error:
                raise FormatError("public key: no point of its curve") from error
    raise FormatError(f"public key: not {WANTED}")


def form_of(key: object) -> bytes:
    """The form of a key of `cryptography`: what `parse_key` reads.

    Raises:
        FormatError: it is of another kind; the message names it.
    """
    if isinstance(key, Ed25519PublicKey):
        return key.public_bytes_raw()
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    name = (
        f"on the curve {key.curve.name}"
        if isinstance(key, EllipticCurvePublicKey)
        else type(key).__name__.removesuffix("PublicKey")
    )
    raise FormatError(f"the key is {name}: a root takes {WANTED}")


def kind_of(key: PublicKey) -> str:
    """One of KINDS."""
    return ED25519 if isinstance(key, Ed25519PublicKey) else _CURVES[key.curve.name][0]


def holds(form: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the key with that form signed the message; a form that is none has signed nothing."""
    try:
        key = parse_key(form)
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, message)
        else:
            key.verify(signature, message, ECDSA(_CURVES[key.curve.name][3]))
    except (FormatError, InvalidSignature):
        return False
    return True
