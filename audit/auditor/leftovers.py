"""Files of a tree's folder that its newest signed head does not need: of smaller trees, of larger ones, of nobody."""

from __future__ import annotations

from typing import Final

from audit.objects.base import Objects
from audit.proof.checkpoint import Checkpoint
from audit.proof.whole import UNFINISHED, TreeCheck
from audit.sealed import CHECKPOINT

from .heads import Heads
from .verified import TreeVerified

_OWN: Final = frozenset({"checkpoint", "state"})


def other_files(
    objects: Objects, prefix: str, check: TreeCheck, heads: Heads, newest: Checkpoint, verified: TreeVerified
) -> None:
    """Look at all of them. What is wrong with one is told in `check`, that some are of a larger tree in `verified`.

    A notary writes such files before it signs. So they are a flaw unless one is at work that will sign for them: who
    rolls back checkpoint and state leaves the same files as a notary that was ended, and only a notary that goes on
    from them tells the two apart.
    """
    prefix = f"{prefix}/"
    for name in objects.list(prefix):
        path = name.removeprefix(prefix)
        if path not in _OWN:
            check.other(path)
    most = max(check.beyond, default=0)
    state, latest, alive = heads.reached(newest, most)
    beyond = [size for size in check.beyond if size > latest.size]
    if not beyond:
        return
    said = f"{len(beyond)} {'file is' if len(beyond) == 1 else 'files are'} of a larger tree than is signed: "
    said += f"of {most} leaves at least, and the newest checkpoint covers {latest.size}: "
    far = most > latest.size + UNFINISHED
    if alive and not far:
        verified.remark("file", said + "a notary is at work, and has not signed for them yet (verify again)")
        return
    said += "the store was rolled back"
    if state is None:
        said += ", or its state is missing"
    elif not far:
        said += ", or the notary was ended while it sealed, and none has gone on since (start it, and verify again)"
    verified.flaw("checkpoint", said, path=f"{prefix}{CHECKPOINT}")
