"""How far the sidecar says that it has come: what is in the log, and what the notary has sealed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import structlog

from .disk import Disk
from .mark import read_reached

log = structlog.get_logger("affiant.journal")


class SidecarMarks:
    """The sidecar's marks, as this journal has last read them."""

    def __init__(self, disk: Disk, directory: Path) -> None:
        """`directory` is where the sidecar leaves them."""
        self._disk: Final = disk
        self._directory: Final = directory
        self._reached: dict[str, int] = {}
        self._problems: dict[str, str] = {}

    def read(self, name: str, durable: int) -> int:
        """Every entry below this sequence is there; as before when the mark says nothing new.

        `durable`: every entry below it is on this disk. The sidecar is not trusted with what it cannot know: a mark
        beyond it is not believed. MUST NOT raise OSError: descriptors run out and a volume is away for a while, and
        what was reached is still reached. The log gets a line when that begins, changes or ends.
        """
        try:
            found = read_reached(self._disk, self._directory / name)
        except OSError as error:
            self._tell(name, str(error))
            found = None
        else:
            self._tell(name, "")
        if found is not None and found <= durable:
            self._reached[name] = max(self.reached(name), found)
        return self.reached(name)

    def reached(self, name: str) -> int:
        """What `read` last gave."""
        return self._reached.get(name, 0)

    def problem(self, name: str) -> str:
        """Why the mark could not be read the last time; empty: it could."""
        return self._problems.get(name, "")

    def _tell(self, name: str, problem: str) -> None:
        if problem == self.problem(name):
            return
        self._problems[name] = problem
        if problem:
            log.error(
                "the sidecar's mark cannot be read; nothing is freed meanwhile", mark=name, reason=problem
            )
        else:
            log.info("the sidecar's mark can be read again", mark=name)
