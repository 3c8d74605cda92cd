"""What a verification finds: what is wrong, and where, as near as it can be told."""

from __future__ import annotations

from typing import NamedTuple


class Flaw(NamedTuple):
    """One thing that is wrong."""

    what: str
    """One word: what it is about (checkpoint, tile, entry, record, payload, journal, archive, package, member …)."""
    message: str
    tree: str | None = None
    """The tree's origin."""
    offset: int | None = None
    """The record's offset in the partition, which is its leaf's index."""
    path: str | None = None
    """The file, or the member of a bundle."""
    byte: int | None = None
    """Where in that file: the wrong byte, or the first of what is wrong."""

    def __str__(self) -> str:
        parts = (
            (None, self.tree),
            ("offset", self.offset),
            (None, self.path),
            ("byte", self.byte),
        )
        where = ", ".join(
            f"{name} {value}" if name else str(value) for name, value in parts if value is not None
        )
        return f"{self.what}: {self.message}" + (f" ({where})" if where else "")
