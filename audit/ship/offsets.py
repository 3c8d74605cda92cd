"""Where a journal's entries stand in the log: sequence → offset, of the newest ones, for receipts.

    offsets/<16 hex>     65,536 numbers u64be: offset + 1 of sequence <16 hex> × 65,536 and on; 0: not known

Written in place and never synced: what a crash of the machine takes is not known any more, no more than that. It is
believed by nobody: a receipt is verified.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from struct import Struct
from typing import Final

FOLDER: Final = "offsets"
SPAN: Final = 1 << 16
_ONE: Final = Struct(">Q")


class Offsets:
    """One journal's. One process writes; any number of threads read."""

    def __init__(self, shipping: Path, keep: int, *, span: int = SPAN) -> None:
        """`shipping` is the journal's shipping directory; `keep` of the newest entries stay, and up to a file more."""
        self._directory = shipping / FOLDER
        self._keep = keep
        self._span = span

    def put(self, sequence: int, offsets: Sequence[int]) -> None:
        """Keep the offsets of the entries from `sequence` on. Once more is no harm.

        Raises:
            OSError: the disk does not take it.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        done = 0
        while done < len(offsets):
            number, at = divmod(sequence + done, self._span)
            part = offsets[done : done + self._span - at]
            if self._write(self._path(number), at, b"".join(_ONE.pack(each + 1) for each in part)):
                self._drop(sequence + done)
            done += len(part)

    def get(self, sequence: int) -> int | None:
        """The entry's offset; None when it is not known, or not any more."""
        number, at = divmod(sequence, self._span)
        try:
            with self._path(number).open("rb") as file:
                file.seek(at * _ONE.size)
                raw = file.read(_ONE.size)
        except FileNotFoundError:
            return None
        found: int = _ONE.unpack(raw)[0] if len(raw) == _ONE.size else 0
        return found - 1 if found else None

    def _write(self, path: Path, at: int, content: bytes) -> bool:
        """Whether the file is a new one."""
        fresh = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if os.pwrite(descriptor, content, at * _ONE.size) != len(content):
                raise OSError(errno.ENOSPC, "short write", str(path))
        finally:
            os.close(descriptor)
        return fresh

    def _drop(self, sequence: int) -> None:
        oldest = max(0, sequence - self._keep) // self._span
        for path in self._directory.iterdir():
            if int(path.name, 16) < oldest:
                path.unlink()

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:016x}"
