"""A store whose server's authorities stand in a file, which is renewed while we run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from audit.authorities import believed
from audit.errors import ConfigError
from audit.renewed import Renewed

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
    """The client that is to be used now. From any thread; each call costs a stat(2). A file that was renewed is taken
    without a restart, as `Renewed` does.
    """

    def __init__(
        self, path: Path, make: Callable[[bytes], S3Store], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`make`: a client that believes these certificates beside the system's. Raises ConfigError."""
        self._path: Final = path
        self._say: Final = structlog.get_logger("affiant")
        self._now: Final = Renewed([path], lambda: make(certificates(path)), self._tell, clock)

    def __call__(self) -> S3Store:
        """See the class."""
        return self._now()

    def _tell(self, why: str | None) -> None:
        if why is None:
            self._say.info("whom a store's client believes was renewed", path=str(self._path))
        else:
            self._say.warning(
                "whom a store's client believes is as before: what is in its place is none", reason=why
            )
