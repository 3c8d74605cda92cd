"""A file of the settings that a running process follows: read again when it is another one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

import structlog

from audit.errors import ConfigError

T = TypeVar("T")


class Followed(Generic[T]):
    """What a file says now. For one thread.

    MUST go on with what was good last while what is in its place is none: a file is written in more than one step. Who
    wrote it badly finds that in the log, once.
    """

    def __init__(self, component: str, what: str, path: Path, read: Callable[[], T]) -> None:
        """It is read now.

        Args:
            component: who says it.
            what: the setting, for people.
            path: of the file.
            read: reads it. Raises ConfigError: it is not to be read, or is none; the message holds no secret.

        Raises:
            ConfigError: as `read` does.
        """
        from service.follow import stamp

        self._stamp: Final = stamp
        self._what: Final = what
        self._path: Final = path
        self._read: Final = read
        self._say: Final = structlog.get_logger(component)
        self._seen = stamp(path)
        self._now = read()
        self._why = ""

    def __call__(self) -> T:
        """Looks at the file, and reads it when it is another one than that which was good last."""
        seen, why = self._stamp(self._path), ""
        if seen != self._seen:
            try:
                self._now = self._read()
            except ConfigError as error:
                why = str(error)
            else:
                self._seen = seen
                self._say.info("a file was changed, and is followed", setting=self._what)
        if why and why != self._why:
            self._say.warning(
                "a file was changed, and is none: it stays as before", setting=self._what, why=why
            )
        self._why = why
        return self._now
