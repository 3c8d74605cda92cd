"""What every store of packages promises."""

from __future__ import annotations

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

    def list(self) -> list[StoredPackage]:
        """Every package, newest first. Raises PackageError when a manifest is not its digest's."""
        ...

    def exists(self, digest: str) -> bool:
        """Whether the store has that digest; its bytes are not looked at."""
        ...
