"""Where `scripts/tools` keeps what it has fetched."""

from __future__ import annotations

import os
from pathlib import Path

from tests.components.process import ComponentError


def cache_dir() -> Path:
    """The cache folder: $AFFIANT_CACHE, or ~/.cache/affiant."""
    return Path(os.environ.get("AFFIANT_CACHE") or Path.home() / ".cache" / "affiant")


def cached(*parts: str, tool: str) -> Path:
    """A path inside the cache that must be there.

    Raises:
        ComponentError: naming the command that fetches it.
    """
    path = cache_dir().joinpath(*parts)
    if not path.exists():
        raise ComponentError(f"{path} is missing; run: scripts/tools {tool}")
    return path
