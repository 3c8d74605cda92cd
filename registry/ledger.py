"""What the governance log says, as far as it was read: kept by digest, and read on from where it was.

Who asks again and again (the gateway) need not read again what cannot change. Only statements of ours are kept, as
they came; signatures are checked when somebody asks for what they are about, and each once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from audit.log.base import LogEntry
from registry.admission import InForce, Verdict, evaluate, policy_in_force
from registry.approvals.root import Root, Roots, fold_roots
from registry.deployment import Fold, Placed
from registry.lineage.deprecation import deprecated
from registry.statement import DATA_DEPRECATION, DEPLOYMENT, POLICY, PREDICATES, ROOT, Said, said_in


class Ledger:
    """The statements of one governance log, from its first entry on. Not for several threads at once."""

    def __init__(self, first: Root) -> None:
        """`first`: the first root, which is believed.

        Raises:
            NotProved: it is not signed by its own people.
        """
        self._first: Final = first
        self._entries: Final[dict[int, LogEntry]] = {}
        self._types: Final[dict[str, list[int]]] = defaultdict(list)
        self._subjects: Final[dict[str, list[int]]] = defaultdict(list)
        self._checked: dict[int, Said] = {}
        self._stale: Final[set[str]] = set()
        self._roots = fold_roots(first, ())
        self._policy: InForce | None = None
        self._deployments = Fold()
        self._folded = 0
        """Of the deployments' offsets, how many are in it."""
        self._deprecated: Mapping[str, str] = {}

    def take(self, entries: Iterable[LogEntry]) -> None:
        """Read on. The entries MUST follow those that were taken before, without a gap. What strangers wrote is
        passed over.
        """
        for entry in entries:
            for said in said_in([entry]):
                if said.type in PREDICATES:
                    self._entries[said.offset] = entry
                    self._types[said.type].append(said.offset)
                    for subject in dict.fromkeys(said.subjects):
                        self._subjects[subject].append(said.offset)
                    self._stale.add(said.type)

    @property
    def roots(self) -> Roots:
        """The chain of roots."""
        if ROOT in self._stale:
            # Other keys: an approval that did not hold before may hold now. Policies and deployments are held to the
            # root of their own time, which a later one does not change.
            self._stale.remove(ROOT)
            self._checked.clear()
            # Again from the first: what did not hold when it was folded would not be known for what is sent again.
            self._deployments, self._folded = Fold(), 0
            self._stale.add(DEPLOYMENT)
            self._roots = fold_roots(self._first, self._said(self._types[ROOT], []))
        return self._roots

    @property
    def policy(self) -> InForce | None:
        """The policy in force; None: there is none."""
        roots = self.roots
        if POLICY in self._stale:
            self._stale.remove(POLICY)
            self._policy = policy_in_force(roots, self._known(self._types[POLICY]))
        return self._policy

    @property
    def plans(self) -> Mapping[str, tuple[Placed, ...]]:
        """Service → what its deployment events say is to answer."""
        roots = self.roots
        if DEPLOYMENT in self._stale:
            self._stale.remove(DEPLOYMENT)
            offsets = self._types[DEPLOYMENT]
            self._deployments.take(roots, self._known(offsets[self._folded :]))
            self._folded = len(offsets)
        return self._deployments.plans()

    @property
    def deprecated(self) -> Mapping[str, str]:
        """Version of data → why nothing new is to be deployed that was made of it."""
        roots = self.roots
        if DATA_DEPRECATION in self._stale:
            self._stale.remove(DATA_DEPRECATION)
            self._deprecated = deprecated(roots, self._known(self._types[DATA_DEPRECATION]))
        return self._deprecated

    def about(self, digest: str) -> list[Said]:
        """The statements about a package in the log's order, their signatures checked."""
        return list(self._known(self._subjects.get(digest, [])))

    def verdict(self, service: str, digest: str, slot: str, *, now: float, publisher: str | None) -> Verdict:
        """Whether a package may answer; see `registry.admission.evaluate`."""
        return evaluate(
            self.roots, self.policy, self.about(digest),
            service=service, digest=digest, slot=slot, now=now, publisher=publisher,
        )  # fmt: skip

    def _known(self, offsets: Iterable[int]) -> Iterator[Said]:
        """Checked against the keys of all roots, each once."""
        keys = self.roots.public_keys()
        for offset in offsets:
            if offset not in self._checked:
                self._checked[offset] = next(self._said([offset], keys))
            yield self._checked[offset]

    def _said(self, offsets: Iterable[int], keys: list[bytes]) -> Iterator[Said]:
        return said_in((self._entries[offset] for offset in offsets), keys)
