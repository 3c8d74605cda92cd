"""Files of a larger tree than the checkpoint covers: of a notary that seals or was ended in it, or of a roll-back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .checkpoint import open_checkpoint
from .errors import FormatError, NotProved
from .flaws import Flaw
from .note import MAX_NOTE, VerifierKey
from .regular import read_regular
from .whole import UNFINISHED


def larger(folder: Path, key: VerifierKey, size: int, beyond: Sequence[int]) -> Flaw | None:
    """What such files show. A notary writes them before it signs, and may be ended there; it always has a state.

    Whether a state is beside them is looked at, not what it says: in a copy it may be newer than the checkpoint.

    Args:
        folder: the tree's.
        key: the tree's.
        size: leaves under the checkpoint that was read, before the files were listed.
        beyond: `TreeCheck.beyond`.
    """
    most, kept = max(beyond, default=0), (folder / "state").is_file()
    if most > size:
        size = _published(folder, key, size)
    if most <= size or (kept and most <= size + UNFINISHED):
        return None
    said = (
        f"files of a tree of {most} leaves at least are there, and it covers {size}: the log was rolled back"
    )
    said += "" if kept else ", or the notary's state was not copied with it"
    return Flaw("checkpoint", said, key.name, path=str(folder / "checkpoint"))


def _published(folder: Path, key: VerifierKey, size: int) -> int:
    """Leaves under the checkpoint that is there now; no fewer than `size`, and `size` when none is signed."""
    try:
        return max(size, open_checkpoint(read_regular(folder / "checkpoint", MAX_NOTE), key).checkpoint.size)
    except (FormatError, NotProved, OSError):
        return size
