"""Which rejections a root ends: what somebody has against a package goes with their role, and that is to be seen."""

from __future__ import annotations

from dataclasses import replace

from registry.admission.rejected import may_reject, standing
from registry.statement import REJECTION, once

from .board import Board
from .root import Root, Roots


def rejections(board: Board, service: str, digest: str) -> dict[int, str]:
    """Offset → why, of those that stand against a package; they count in every slot."""
    rules = board.policy.rules(service) if board.policy is not None else None
    if board.policy is None or rules is None:
        return {}
    said = once(board.about(digest))
    return standing(board.roots, board.policy, service, may_reject(rules, "live"), said)


def lifted(board: Board, root: Root) -> tuple[str, ...]:
    """Those that stand and would no longer, were that root in force after the log's end: a sentence for each."""
    after = replace(board, roots=Roots((*board.roots.chain, (board.end, root))), lives=board.lives)
    rejected = {
        digest: None
        for each in board.said
        if each.holds and each.type == REJECTION
        for digest in each.subjects
    }
    return tuple(
        f"{service}: {digest} would no longer be {why} (offset {offset})"
        for service in (board.policy.policy.services if board.policy is not None else ())
        for digest in rejected
        for offset, why in rejections(board, service, digest).items()
        if offset not in rejections(after, service, digest)
    )
