"""The one error of the parsers: whatever is wrong with given bytes is a FormatError."""

from __future__ import annotations


class FormatError(ValueError):
    """Bytes that are not what the format says; the message names the field and why, never the content."""
