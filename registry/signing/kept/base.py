"""What every store of signatures promises."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

from registry.package import Package

MAX_KEPT: Final = 64
"""Signatures of one package that are looked at."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One that is kept. Nothing is said of whether it holds."""

    digest: str
    """sha256:… of what it should be."""
    raw: bytes | None = field(repr=False)
    """None: it cannot be had."""
    problem: str = ""
    """Why not; else empty."""


class Signatures(Protocol):
    """Signatures by the digest of their package."""

    def keep(self, package: Package, raw: bytes) -> str:
        """Keep it beside its package, which MUST be in the store; returns its digest.

        MUST be complete, or as if it had not been tried. The same bytes twice are kept once.

        Raises:
            NotFound: the store does not have the package.
            StoreUnavailable: the store does not answer.
        """
        ...

    def kept(self, package: str) -> tuple[Kept, ...]:
        """Those of a package, by digest.

        MUST tell of every one that is there, also of one whose bytes are gone, changed or too long: a signature that
        is damaged is not taken for one that was never made. MUST read no more than MAX_SIGNATURE bytes of any. MAY pass
        over bundles that say of themselves that they are of another kind.

        Raises:
            SignatureRefused: there are more than MAX_KEPT.
            StoreUnavailable, StoreDamaged: from the store.
        """
        ...
