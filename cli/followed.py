"""A file of the settings that a running process follows: read again when it is another one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import structlog

from audit.renewed import Renewed

T = TypeVar("T")


class Followed(Renewed[T]):
    """What a file says now. Who wrote it badly finds that in the log, once."""

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
        self._what: Final = what
        self._say: Final = structlog.get_logger(component)
        super().__init__((path,), read, self._told)

    def _told(self, why: str | None) -> None:
        if why is None:
            self._say.info("a file was changed, and is followed", setting=self._what)
        else:
            self._say.warning(
                "a file was changed, and is none: it stays as before", setting=self._what, why=why
            )
