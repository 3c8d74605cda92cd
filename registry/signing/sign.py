"""Making a package's signature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.errors import KeyRefused
from registry.package import Package

from .bundle import files_of
from .keys import PrivateKey
from .library import Hashed, folder, library


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate of the key, and those between it and an authority; files in PEM."""

    certificate: Path
    chain: Sequence[Path] = ()


def sign(package: Package, key: PrivateKey, certified: Certified | None = None) -> bytes:
    """A signature of all files of a package, as OpenSSF's command makes them.

    Two signatures of one package by one key differ: ECDSA draws a random number for each.

    Args:
        package: MUST have been verified: what is signed is what its manifest says.
        key: see `read_private`.
        certified: the certificate goes into the signature, in place of the key's id.

    Raises:
        KeyRefused: the library does not take the key, or the certificate is another key's.
        SigningMissing: the library is not installed.
    """
    modules = library()
    with folder() as place:
        made = place / "signature"
        try:
            configured = _signing(modules.signing.Config(), key, certified)
            configured.set_hashing_config(Hashed(modules, package.name, files_of(package)))
            configured.sign(place, made)
        except (ValueError, TypeError) as error:
            raise KeyRefused(f"{key.path} does not sign: {' '.join(str(error).split())[:300]}") from error
        return made.read_bytes()


def _signing(config: Any, key: PrivateKey, certified: Certified | None) -> Any:
    if certified is None:
        # Its annotation says text; what it hands on must be bytes.
        return config.use_elliptic_key_signer(private_key=key.path, password=key.passphrase)
    if key.passphrase is not None:
        raise KeyRefused(f"{key.path}: with a certificate, model-signing takes no key with a passphrase")
    # It takes no empty chain; the certificate once more says nothing new.
    chain = list(certified.chain) or [certified.certificate]
    return config.use_certificate_signer(
        private_key=key.path, signing_certificate=certified.certificate, certificate_chain=chain
    )
