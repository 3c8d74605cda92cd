"""Named objects in a directory or a bucket: one contract (base.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from audit.errors import ConfigError

from .base import Objects, Stored

__all__ = ["Objects", "Stored", "open_objects"]

_BUCKETS: Final = frozenset({"s3", "s3a"})


def open_objects(url: str, *, base: Path) -> Objects:
    """The store of a URL: `s3://bucket/prefix`, `file:///directory`, or a directory's path, relative to `base`.

    Nothing is contacted or made yet.

    Raises:
        ConfigError: another scheme, or a URL that is malformed.
    """
    scheme, separator, _ = url.partition("://")
    if not separator:
        from .directory import DirectoryObjects

        return DirectoryObjects(base / url)
    if scheme == "file":
        from .directory import DirectoryObjects

        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise ConfigError(f"the store {url} is not file:///and/a/path")
        return DirectoryObjects(Path(unquote(parts.path)))
    if scheme in _BUCKETS:
        from .bucket import open_bucket

        return open_bucket(url)
    raise ConfigError(
        f"the store {scheme}://… is of a kind that is not supported: want a directory, or s3://…"
    )
