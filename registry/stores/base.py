"""What every store of packages promises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from registry.manifest import ModelType
from registry.package import Package


@dataclass(frozen=True, slots=True)
class StoredPackage:
    """One line of a listing; `size` counts the layers' bytes, `created` is RFC 3339."""

    digest: str
    name: str
    created: str
    size: int
    model_type: ModelType


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is there under a digest, and is no package: its manifest is gone, or is not the digest's."""

    digest: str
    """As the store names it: sha256:…, or, where that is wrong too, whatever stands there."""
    problem: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What a store has. Goes over the packages; `flaws` are told, and MUST NOT be passed over in silence."""

    packages: tuple[StoredPackage, ...] = ()
    """Newest first. Their manifests were verified, their other parts not looked at."""
    flaws: tuple[Flaw, ...] = ()
    """By digest."""

    def __iter__(self) -> Iterator[StoredPackage]:
        """The packages."""
        return iter(self.packages)

    def __len__(self) -> int:
        """How many packages."""
        return len(self.packages)

    @property
    def digests(self) -> tuple[str, ...]:
        """Of packages and of flaws: what there is to be looked at."""
        return (*(each.digest for each in self.packages), *(each.digest for each in self.flaws))


def listing(packages: Sequence[StoredPackage], flaws: Sequence[Flaw]) -> Listing:
    """In their order."""
    return Listing(
        tuple(sorted(packages, key=lambda each: (each.created, each.digest), reverse=True)),
        tuple(sorted(flaws, key=lambda each: each.digest)),
    )


class Store(Protocol):
    """Packages by digest. Nothing is ever replaced: a digest means the same bytes for ever."""

    def push(self, package: Package) -> str:
        """Verify and keep a package; returns its digest.

        MUST be complete, or as if it had not been tried, whatever is interrupted; pushing twice is no error.
        """
        ...

    def pull(self, digest: str) -> Package:
        """The package of that digest.

        MUST verify every byte before it returns, and read no more of a blob than the manifest says.

        Raises:
            NotFound: the store does not have it.
            PackageError: a byte is wrong; says where.
            StoreUnavailable: the store does not answer.
        """
        ...

    def manifest(self, digest: str) -> bytes:
        """The bytes that stand for the manifest of that digest. They are not looked at, and may be any.

        Raises:
            NotFound: the store does not have it.
            PackageError: it should, and the bytes are missing, or longer than a manifest may be.
            StoreUnavailable: the store does not answer.
        """
        ...

    def blob(self, package: str, digest: str, size: int, what: str) -> bytes:
        """The bytes that stand for a part of a package: at most `size`, not looked at, and may be any.

        Raises:
            PackageError: they are missing, or longer; `what` names the part.
            StoreUnavailable: the store does not answer.
        """
        ...

    def list(self) -> Listing:
        """Every package, and what is there and is none.

        One that is damaged MUST NOT keep the others from being listed.

        Raises:
            StoreDamaged: what names the packages cannot be read at all.
            StoreUnavailable: the store does not answer.
        """
        ...

    def exists(self, digest: str) -> bool:
        """Whether the store has that digest; its bytes are not looked at."""
        ...
