"""A store whose server's authorities stand in a file, which is renewed while we run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from audit.authorities import believed
from audit.errors import ConfigError

if TYPE_CHECKING:
    from obstore.store import S3Store

_MOST: Final = 1 << 20


def certificates(path: Path) -> bytes:
    """The file. Raises ConfigError: not a whole path, not there, or no certificate in it."""
    if not path.is_absolute():
        raise ConfigError(f"the store's ca_file {path} is not a whole path")
    try:
        believed(path)
        with path.open("rb") as file:
            return file.read(_MOST)
    except OSError as error:
        raise ConfigError(f"the store's ca_file {path}: {error.strerror}") from error
    except ConfigError as error:
        raise ConfigError(f"the store's ca_file: {error}") from error


class Believing:
    """The client that is to be used now. From any thread; each call costs a stat(2).

    MUST take a file that was renewed without a restart, and MUST go on with the last good one while what is there is
    none.
    """

    def __init__(self, path: Path, make: Callable[[bytes], S3Store]) -> None:
        """`make`: a client that believes these certificates beside the system's. Raises ConfigError."""
        self._path: Final = path
        self._make: Final = make
        self._say: Final = structlog.get_logger("affiant")
        self._lock: Final = threading.Lock()
        self._seen = self._look()
        self._client = make(certificates(path))

    def __call__(self) -> S3Store:
        """See the class."""
        with self._lock:
            if self._seen != (seen := self._look()):
                self._seen = seen
                self._renew()
            return self._client

    def _renew(self) -> None:
        try:
            self._client = self._make(certificates(self._path))
        except ConfigError as error:
            self._say.warning(
                "whom a store's client believes is as before: what is in its place is none", reason=str(error)
            )
        else:
            self._say.info("whom a store's client believes was renewed", path=str(self._path))

    def _look(self) -> tuple[int, int, int] | None:
        """What tells files apart, also behind a link that was changed; None: it is not there."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size
