"""The boards of packages, out of the index: what `registry.approvals.board` reads the whole log for.

For people who look. The index says where to look, as for every question to the lineage; whose a statement is and
whether its signature holds is asked of its bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from audit.errors import IndexUnusable, LogUnavailable
from audit.governance import PARTITION
from audit.log.base import Log
from registry.admission import InForce, policy_in_force
from registry.approvals.board import Board, Lives
from registry.approvals.root import Root, Roots
from registry.errors import NotAdmitted
from registry.statement import DATA_DEPRECATION, DEPLOYMENT, POLICY, Said

from .fold import SHORT
from .index import Begin, Index, nothing_said
from .tables import Damaged

_ABOUT: Final = '"offset" IN (SELECT "offset" FROM subjects WHERE digest = ?)'


@dataclass(frozen=True, slots=True)
class _Common:
    """What the boards of all packages have."""

    roots: Roots
    keys: tuple[bytes, ...]
    policy: InForce | None
    said: tuple[Said, ...]
    """Policies, and deprecated data."""
    lives: Lives
    end: int


class Boards:
    """The boards of one package after another, of the governance log as it was when this was made.

    Of other packages a board knows nothing but what was deployed; and it asks the index, which MUST stay open. Policies
    and deprecated data are there as in a board of the whole log. Used by one thread.
    """

    def __init__(
        self,
        index: Index,
        log: Log,
        first: Root,
        begin: Begin = nothing_said,
        *,
        data: bool = True,
        updated: bool = False,
    ) -> None:
        """Read the governance log on.

        Args:
            index: brought up to what the log has now.
            log: the governance log.
            first: the first root, which is believed.
            begin: see `Index.update`.
            data: False leaves deprecated data out, whose signatures are many: no verdict asks for it.
            updated: the index has been brought up to the log just now, and is taken as it is.

        Raises:
            NotAdmitted: the log's beginning is gone: what is missing may be a revocation.
            NotProved: `first` is not signed by its own people.
            LogUnavailable: the log does not answer, or did not when the index was brought up to it.
            IndexUnusable: the index cannot be written.
        """
        self._index: Final = index
        self._log: Final = log
        self._first: Final = first
        self._begin: Final = begin
        self._data: Final = data
        self._common: _Common | None = None
        reader = log.reader()
        try:
            start, _ = reader.bounds(PARTITION)
        finally:
            reader.close()
        if start != 0:
            raise NotAdmitted(f"the governance log begins at offset {start}: its beginning is gone")
        if not updated:
            self._update()
        elif index.unread:
            raise LogUnavailable("; ".join(index.unread))

    def about(self, digest: str) -> Board:
        """What a verdict on one package rests on: `sha256:…`.

        Raises:
            LogUnavailable, NotProved, IndexUnusable: the index proved to be damaged, and could not be made again.
        """
        try:
            return self._about(digest)
        except Damaged:
            # What nobody looked at while it was brought up to date.
            self._index.start_over()
            self._common = None
            self._update()
            return self._about(digest)

    def _update(self) -> None:
        if wrong := self._index.update(self._log, None, self._first, self._begin):
            raise LogUnavailable("; ".join(wrong))

    def _about(self, digest: str) -> Board:
        common = self._common = self._common or self._of_all()
        about = self._index.said(_ABOUT, [bytes.fromhex(digest.removeprefix("sha256:"))], common.keys)
        found = {each.offset: each for each in (*common.said, *about)}
        said = tuple(found[offset] for offset in sorted(found))
        return Board(common.roots, common.policy, said, common.end, common.lives)

    def _of_all(self) -> _Common:
        index = self._index
        roots = index.chain(self._first)
        assert roots is not None
        keys = tuple(roots.public_keys())

        def folded(type_: str) -> list[Said]:
            return index.said("folded = ?", [SHORT[type_]], keys)

        def deployments() -> Iterable[Said]:
            try:
                return folded(DEPLOYMENT)
            except Damaged as error:
                raise IndexUnusable(f"{index.path}: is damaged; ask again") from error

        policies = folded(POLICY)
        said = (*policies, *(folded(DATA_DEPRECATION) if self._data else ()))
        return _Common(
            roots, keys, policy_in_force(roots, policies), said, Lives(roots, deployments), index.end
        )
