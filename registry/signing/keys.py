"""The keys of model signatures: elliptic curves in PEM, which are those that model-signing takes.

They are not the keys of people who approve (`registry.approvals.keys`), most of which are Ed25519: model-signing takes
none of those.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from audit.errors import KeyRefused

CURVES: Final = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
MAX_KEY: Final = 16 << 10
MAX_CERTIFICATES: Final = 1 << 20

Secrets = Callable[[str], str]
"""Asks for a secret by its name. MUST NOT take it from the command line."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key whose signatures count."""

    id: str
    """SHA-256 of `pem` in hex, by which a signature names its key."""
    pem: bytes
    """In the one form that cryptography writes: another spelling of the same key has the same id."""


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A key file that was looked at. The key itself is read by model-signing, from the file."""

    path: Path
    public: PublicKey
    passphrase: bytes | None


def public_key(pem: bytes, where: str) -> PublicKey:
    """A public key from PEM.

    Raises:
        KeyRefused: no public key in PEM, or not on P-256, P-384 or P-521; begins with `where`.
    """
    if b"-----BEGIN CERTIFICATE-----" in pem:
        raise KeyRefused(f"{where}: a certificate: `openssl x509 -pubkey -noout -in FILE` writes its key")
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyRefused(f"{where}: no public key in PEM") from error
    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name not in CURVES:
        raise KeyRefused(f"{where}: a key on {', '.join(CURVES.values())} is wanted")
    return _public(key)


def read_public(path: Path) -> PublicKey:
    """A public key's file. Raises KeyRefused."""
    return public_key(_read(path)[0], str(path))


def read_certificates(paths: Iterable[Path]) -> bytes:
    """Certificates' files, one after the other. Raises KeyRefused: one is not there, or none in PEM."""
    from cryptography.x509 import load_pem_x509_certificates  # policies need keys alone

    found = []
    for path in paths:
        raw, _ = _read(path, MAX_CERTIFICATES)
        try:
            load_pem_x509_certificates(raw)
        except ValueError as error:
            raise KeyRefused(f"{path}: no certificates in PEM") from error
        found.append(raw.rstrip() + b"\n")
    return b"".join(found)


def read_private(path: Path, secrets: Secrets) -> PrivateKey:
    """Look at a private key's file before it signs.

    Raises:
        KeyRefused: not there, readable by others than its owner, no private key in PEM, a wrong passphrase, or not on
            P-256, P-384 or P-521.
    """
    raw, mode = _read(path)
    if stat.S_IMODE(mode) & 0o077:
        raise KeyRefused(
            f"{path} can be read by others than its owner (mode {stat.S_IMODE(mode):04o}): "
            f"`chmod 600 {path}`, and take another key if anybody may have read it"
        )
    wanted = b"ENCRYPTED" in raw
    passphrase = secrets("passphrase").encode() if wanted else None
    try:
        key = load_pem_private_key(raw, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        problem = "the passphrase is wrong, or the file is damaged" if wanted else "no private key in PEM"
        raise KeyRefused(f"{path}: {problem}") from error
    if not isinstance(key, EllipticCurvePrivateKey) or key.curve.name not in CURVES:
        raise KeyRefused(f"{path}: a key on {', '.join(CURVES.values())} is wanted")
    return PrivateKey(path, _public(key.public_key()), passphrase)


def _public(key: EllipticCurvePublicKey) -> PublicKey:
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(sha256(pem).hexdigest(), pem)


def _read(path: Path, limit: int = MAX_KEY) -> tuple[bytes, int]:
    try:
        with path.open("rb") as file:
            return file.read(limit), os.fstat(file.fileno()).st_mode
    except OSError as error:
        raise KeyRefused(f"{path}: {error.strerror}") from error
