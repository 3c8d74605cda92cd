"""What every store of attachments promises."""

from __future__ import annotations

from typing import Protocol

from .artifact import Attached, Attachment


class Attachments(Protocol):
    """Cards by the digest of their package. Nothing is ever replaced."""

    def attach(self, attachment: Attachment) -> str:
        """Keep it beside its package, which MUST be in the store; returns its digest.

        MUST be complete, or as if it had not been tried. The same content twice is kept once.

        Raises:
            NotFound: the store does not have the package.
            StoreUnavailable: the store does not answer.
        """
        ...

    def attached(self, package: str) -> list[Attached]:
        """Those of a package, newest first. MUST pass over what others attached, and verify what is ours.

        Raises:
            PackageError: a manifest of ours is not its digest's, or malformed.
            StoreUnavailable: the store does not answer.
        """
        ...

    def fetch(self, attached: Attached, name: str) -> bytes:
        """One file. MUST verify its bytes, and read no more than its manifest says.

        Raises:
            NotFound: it has no such file.
            PackageError: a byte is wrong, or the blob is gone.
            StoreUnavailable: the store does not answer.
        """
        ...
