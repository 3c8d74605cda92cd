"""Verifying a package's signatures: by keys, or by chains of certificates.

1  the signature's form, and what it names           bundle.read
2  the files: all of the package's, and no other      bundle.check_files
3  the key: one of those that are trusted
4  the signature over the statement, and once more
   that the statement's files are the package's       model-signing
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from registry.errors import SignatureRefused
from registry.package import Package

from .bundle import Claim, check_files, files_of, read
from .kept import Kept
from .keys import PublicKey
from .library import Hashed, Library, folder, library

_SAID: Final = 300
"""Characters of a problem: it holds what strangers wrote, and goes into the governance log."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signatures count. Nobody else's do: there is no default, and the system's certificates are none."""

    keys: Sequence[PublicKey] = ()
    certificates: bytes = field(default=b"", repr=False)
    """Authorities, in PEM: whom they have certified for signing counts."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one signature."""

    digest: str
    """sha256:… of the signature's bytes."""
    by: str | None
    """The key's id, or "certificate"; None: the signature does not count."""
    problem: str
    """Why not; empty when it counts."""

    @property
    def holds(self) -> bool:
        """Whether it counts."""
        return self.by is not None


def verify(raw: bytes, package: Package, trust: Trust) -> str:
    """By whom a package is signed: the key's id, or "certificate".

    MUST refuse a signature whose files are not exactly the package's. MUST NOT ask anybody over a network.

    Args:
        raw: the signature.
        package: only its manifest is looked at: its bytes are the store's to verify.
        trust: whose signatures count.

    Raises:
        SignatureRefused: says why.
        SigningMissing: the library is not installed; nothing was found out.
    """
    modules = library()
    claim = read(raw)
    check_files(claim, package)
    with folder() as place:
        signature = place / "signature"
        signature.write_bytes(raw)
        configured = _trusting(modules, claim, trust, place)
        configured.set_hashing_config(Hashed(modules, package.name, files_of(package)))
        try:
            configured.verify(place, signature)
        # The library raises whatever its parsers and OpenSSL raise; none of it is a signature that holds.
        except Exception as error:
            said = " ".join(str(error).split())[:300] or type(error).__name__
            raise SignatureRefused(f"the signature does not hold: {said}") from error
    return claim.key or "certificate"


def findings(kept: Sequence[Kept], package: Package, trust: Trust) -> list[Finding]:
    """What comes of each signature that is kept. Raises SigningMissing."""
    found = []
    for each in kept:
        try:
            if each.raw is None:
                raise SignatureRefused(each.problem)
            found.append(Finding(each.digest, verify(each.raw, package, trust), ""))
        except SignatureRefused as error:
            found.append(Finding(each.digest, None, str(error)[:_SAID]))
    return found


def _trusting(modules: Library, claim: Claim, trust: Trust, place: Path) -> Any:
    """The library's verifier for whom the signature names, when they are trusted."""
    trusted = place / "trusted"
    if claim.key is not None:
        key = next((each for each in trust.keys if each.id == claim.key), None)
        if key is None:
            raise SignatureRefused(f"the signature is by the key {claim.key}, which is not trusted")
        trusted.write_bytes(key.pem)
        return modules.verifying.Config().use_elliptic_key_verifier(public_key=trusted)
    if not trust.certificates:  # without any the library would take those of web servers' authorities
        raise SignatureRefused("the signature is by a certificate, and no authority is trusted")
    trusted.write_bytes(trust.certificates)
    return modules.verifying.Config().use_certificate_verifier(certificate_chain=[trusted])
