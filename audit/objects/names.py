"""Names of objects: what a directory and a bucket can both hold, and nothing that leaves the store."""

from __future__ import annotations

import re
from typing import Final

_NAME: Final = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]*(?:/[A-Za-z0-9_=-][A-Za-z0-9._=-]*)*", re.ASCII)
_PREFIX: Final = re.compile(r"[A-Za-z0-9._=/-]*", re.ASCII)
MAX_NAME: Final = 900
"""S3 has 1,024 bytes for the prefix and the name."""
MAX_PART: Final = 200
"""A file's name has 255 bytes; a temporary file beside it has a longer one."""


def check_name(name: str) -> str:
    """The name, when it is one: relative, parts of `[A-Za-z0-9._=-]`, none of which begins with a dot.

    A leading dot is what temporary files and locks have, and `..`.

    Raises:
        ValueError: it is not; a mistake of the caller.
    """
    if len(name) > MAX_NAME or not _NAME.fullmatch(name) or max(map(len, name.split("/"))) > MAX_PART:
        raise ValueError(f"{name[:100]!r} cannot name an object")
    return name


def check_prefix(prefix: str) -> str:
    """A prefix of names; empty for all of them.

    Raises:
        ValueError: no name can begin with it.
    """
    if prefix and (not _PREFIX.fullmatch(prefix) or prefix.startswith("/") or "//" in prefix):
        raise ValueError(f"{prefix[:100]!r} cannot begin the name of an object")
    if any(part.startswith(".") for part in prefix.split("/")):
        raise ValueError(f"{prefix[:100]!r} cannot begin the name of an object")
    return prefix
