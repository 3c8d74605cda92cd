"""Files of a larger tree than the checkpoint covers: of a notary that seals or was ended in it, or of a roll-back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from .checkpoint import open_checkpoint
from .errors import FormatError, NotProved
from .flaws import Flaw
from .note import VerifierKey
from .whole import UNFINISHED


def larger(
    key: VerifierKey, size: int, beyond: Sequence[int], again: Callable[[], bytes], *, has_state: bool
) -> Flaw | None:
    """What such files show. A notary writes them before it signs, and may be ended there; it always has a state.

    Args:
        key: the tree's.
        size: leaves under the checkpoint that was read, before the files were listed.
        beyond: `TreeCheck.beyond`.
        again: reads the checkpoint as it is now; may raise FormatError. Other errors come out.
        has_state: whether a state is beside it. What it says is not looked at: in a copy it may be newer.
    """
    most = max(beyond, default=0)
    if most > size:
        with suppress(FormatError, NotProved):  # else what is there now says nothing
            size = max(size, open_checkpoint(again(), key).checkpoint.size)
    if most <= size or (has_state and most <= size + UNFINISHED):
        return None
    said = (
        f"files of a tree of {most} leaves at least are there, and it covers {size}: the log was rolled back"
    )
    said += "" if has_state else ", or the notary's state was not copied with it"
    return Flaw("checkpoint", said, key.name, path="checkpoint")
