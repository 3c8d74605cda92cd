"""What the proof library raises: bytes that are malformed, and proofs that do not hold."""

from __future__ import annotations


class FormatError(ValueError):
    """Bytes that are not what the format says; the message names the field and why, never the content."""


class NotProved(ValueError):  # noqa: N818 — says what happened
    """Well-formed, and not true: a signature, a hash or a proof that does not hold. Says which."""
