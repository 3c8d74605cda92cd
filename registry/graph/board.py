"""The board of one package, out of the index: what `registry.approvals.board` reads the whole log for.

For people who look. The index says where to look, as for every question to the lineage; whose a statement is and
whether its signature holds is asked of its bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from audit.errors import IndexUnusable, LogUnavailable
from audit.governance import PARTITION
from audit.log.base import Log
from registry.admission import policy_in_force
from registry.approvals.board import Board, Lives
from registry.approvals.root import Root
from registry.errors import NotAdmitted
from registry.statement import DATA_DEPRECATION, DEPLOYMENT, POLICY, Said

from .fold import SHORT
from .index import Begin, Index, nothing_said
from .tables import Damaged

_ABOUT: Final = '"offset" IN (SELECT "offset" FROM subjects WHERE digest = ?)'


def read_board_about(index: Index, log: Log, first: Root, digest: str, begin: Begin = nothing_said) -> Board:
    """Read the governance log on, and take of it what a verdict on one package rests on.

    Args:
        index: brought up to what the log has now.
        log: the governance log.
        first: the first root, which is believed.
        digest: `sha256:…`. Of other packages the board knows nothing but what was deployed; and it asks the index,
            which MUST stay open. Policies and deprecated data are there as in a board of the whole log.
        begin: see `Index.update`.

    Raises:
        NotAdmitted: the log's beginning is gone: what is missing may be a revocation.
        NotProved: `first` is not signed by its own people.
        LogUnavailable: the log does not answer.
        IndexUnusable: the index cannot be written.
    """
    reader = log.reader()
    try:
        start, _ = reader.bounds(PARTITION)
    finally:
        reader.close()
    if start != 0:
        raise NotAdmitted(f"the governance log begins at offset {start}: its beginning is gone")
    if wrong := index.update(log, None, first, begin):
        raise LogUnavailable("; ".join(wrong))
    try:
        return _board(index, first, digest)
    except Damaged:
        # What nobody looked at while it was brought up to date.
        index.start_over()
        if wrong := index.update(log, None, first, begin):
            raise LogUnavailable("; ".join(wrong)) from None
        return _board(index, first, digest)


def _board(index: Index, first: Root, digest: str) -> Board:
    roots = index.chain(first)
    assert roots is not None
    keys = roots.public_keys()

    def folded(type_: str) -> list[Said]:
        return index.said("folded = ?", [SHORT[type_]], keys)

    def deployments() -> Iterable[Said]:
        try:
            return folded(DEPLOYMENT)
        except Damaged as error:
            raise IndexUnusable(f"{index.path}: is damaged; ask again") from error

    about = index.said(_ABOUT, [bytes.fromhex(digest.removeprefix("sha256:"))], keys)
    policies = folded(POLICY)
    also = (*policies, *folded(DATA_DEPRECATION), *about)
    said = sorted({each.offset: each for each in also}.values(), key=lambda each: each.offset)
    return Board(roots, policy_in_force(roots, policies), tuple(said), index.end, Lives(roots, deployments))
