"""The statements of one governance log, for who asks again and again: what cannot change is not read again.

Entries are kept as they came. What they may be about is told quickly (`mentions.py`); they are parsed, and their
signatures checked, when somebody asks for what they are about, each once. So is a verdict: it is found again while
nothing that it rests on is another.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from audit.log.base import LogEntry
from audit.proof.dsse import key_id
from audit.proof.errors import FormatError
from registry.admission import InForce, Verdict, evaluate, policy_in_force, stands_until
from registry.approvals.root import Root, Roots, fold_roots
from registry.deployment import Fold, Placed
from registry.lineage.deprecation import deprecated
from registry.statement import DATA_DEPRECATION, DEPLOYMENT, POLICY, PREDICATES, ROOT, Said, said_in

from .index import Index
from .mentions import mentions

_FOLDED: Final = (ROOT, POLICY, DEPLOYMENT, DATA_DEPRECATION)


class _Judged(NamedTuple):
    """A verdict, and what it rests on."""

    policy: InForce | None
    """This very one: it is folded anew with each root and each policy."""
    about: int
    """How many statements may be about the package. What deployments a verdict asks for were before those."""
    since: float
    until: float
    """Seconds since 1970, from when and before which it is the same; see `stands_until`."""
    verdict: Verdict

    def holds(self, policy: InForce | None, about: int, now: float) -> bool:
        """Whether it is the verdict of now."""
        return self.policy is policy and self.about == about and self.since <= now < self.until


class Ledger:
    """The statements of one governance log, from its first entry on. Not for several threads at once."""

    def __init__(self, first: Root, rest: Callable[[], None] = lambda: None) -> None:
        """Begin with nothing read.

        Args:
            first: the first root, which is believed.
            rest: called between two pieces of long work: whoever has other threads lets them go on.

        Raises:
            NotProved: it is not signed by its own people.
        """
        self._first: Final = first
        self._rest: Final = rest
        self._values: Final[list[bytes | None]] = []
        """Of each offset; None where nothing is said."""
        self._logged: Final = array("q")
        self._index = Index()
        self._checked: Final[dict[int, Said | None]] = {}
        self._folded: Final = dict.fromkeys(_FOLDED, 0)
        """Type → of its offsets, how many are in what was folded of them."""
        self._roots = fold_roots(first, ())
        self._policy: InForce | None = None
        self._deployments = Fold()
        self._strangers: Final[set[str]] = set()
        """Keys of deployments that no root has: what they signed is not in the fold."""
        self._recalled: tuple[object] | None = None
        """What was folded before a restart, and not looked at yet."""
        self._deprecated: Mapping[str, str] = {}
        self._judged: Final[dict[tuple[str, str, str, str | None, bool], _Judged]] = {}

    def take(self, entries: Iterable[LogEntry]) -> None:
        """Read on. The entries MUST follow those that were taken before, without a gap. What strangers wrote is
        passed over.
        """
        for entry in entries:
            self._values.append(entry.value)
            self._logged.append(entry.timestamp)

    def recall(self, index: Index, more: object) -> None:
        """Take an index of the first entries, and what was folded of them, as `keep` gave them, in place of making them
        again.

        They MUST be of the very entries that were taken, or of the first of them; and nothing was asked yet.
        """
        assert self._index.end == 0
        assert index.end <= len(self._values)
        self._index, self._recalled = index, (more,)
        self._folded[DEPLOYMENT] = len(index.of_type(DEPLOYMENT))
        for offset, said in enumerate(index.mentioned()):
            if not said:
                self._values[offset] = None

    def keep(self) -> tuple[Index, object]:
        """For `recall`: the index of all that was taken, and what was folded of it, as JSON."""
        deployments = self._folded_deployments().kept()
        return self.index, {"strangers": sorted(self._strangers), "deployments": deployments}

    @property
    def index(self) -> Index:
        """Of all that was taken."""
        for offset in range(self._index.end, len(self._values)):
            found = mentions(self._entry(offset))
            self._index.add(found)
            if found is None:
                self._values[offset] = None
        return self._index

    @property
    def roots(self) -> Roots:
        """The chain of roots."""
        if self._new(ROOT):
            # Other keys: what nobody could check before may hold now. What held, or did not, does so for ever; policies
            # and deployments are held to the root of their own time, which a later one does not change.
            for offset in [
                each for each, said in self._checked.items() if said is not None and said.holds is None
            ]:
                del self._checked[offset]
            self._roots = fold_roots(self._first, self._said(self.index.of_type(ROOT), []))
            self._done(ROOT)
            self._folded[POLICY] = self._folded[DATA_DEPRECATION] = 0
            if self._strangers & set(map(key_id, self._roots.public_keys())):
                # What did not hold when it was folded would not be known for what is sent again.
                self._fold_anew()
        return self._roots

    @property
    def policy(self) -> InForce | None:
        """The policy in force; None: there is none."""
        roots = self.roots
        if self._new(POLICY):
            self._policy = policy_in_force(roots, self._known(self.index.of_type(POLICY)))
            self._done(POLICY)
        return self._policy

    @property
    def plans(self) -> Mapping[str, tuple[Placed, ...]]:
        """Service → what its deployment events say is to answer."""
        return self._folded_deployments().plans()

    def _folded_deployments(self) -> Fold:
        roots = self.roots
        if self._recalled is not None:
            self._resume(roots)
        if self._new(DEPLOYMENT):
            new = self.index.of_type(DEPLOYMENT)[self._folded[DEPLOYMENT] :]
            self._deployments.take(roots, self._noting_strangers(roots, new))
            self._done(DEPLOYMENT)
        return self._deployments

    def live_at(self, service: str, offset: int) -> str | None:
        """What was live for a service before that offset, by its deployment events; None: nothing."""
        return self._folded_deployments().live_at(service, offset)

    def left_behind(self, service: str) -> frozenset[str]:
        """What a rollback has left of a service, and nobody has deployed again; see `change.left_behind`."""
        found = self._folded_deployments().standing().get(service)
        return frozenset() if found is None else frozenset(found.left)

    def _resume(self, roots: Roots) -> None:
        """Go on from what was folded before a restart; from the first event, when anything is wrong with that."""
        assert self._recalled is not None
        (recalled,), self._recalled = self._recalled, None
        keys = roots.public_keys()

        def said_at(offset: int) -> Said | None:
            return next(self._said([offset], keys), None) if 0 <= offset < len(self._values) else None

        try:
            match recalled:
                case {"strangers": list(strangers), "deployments": deployments}:
                    if set(map(key_id, keys)).isdisjoint(strangers):
                        self._deployments = Fold.resume(deployments, roots, said_at)
                        self._strangers.update(strangers)
                        return
        except (FormatError, TypeError):
            pass
        self._fold_anew()

    def _fold_anew(self) -> None:
        self._deployments, self._folded[DEPLOYMENT] = Fold(), 0
        self._strangers.clear()

    def _noting_strangers(self, roots: Roots, offsets: Iterable[int]) -> Iterator[Said]:
        """Deployments, each looked at once: they are not remembered."""
        for said in self._said(offsets, roots.public_keys()):
            if said.holds is None and said.type == DEPLOYMENT:
                self._strangers.add(said.author)
            yield said

    @property
    def deprecated(self) -> Mapping[str, str]:
        """Version of data → why nothing new is to be deployed that was made of it."""
        roots = self.roots
        if self._new(DATA_DEPRECATION):
            self._deprecated = deprecated(roots, self._known(self.index.of_type(DATA_DEPRECATION)))
            self._done(DATA_DEPRECATION)
        return self._deprecated

    def prepare(self) -> None:
        """Fold what every verdict is made of: when it is said, and not while a load waits for its verdict.

        A statement about data takes a signature's check, and all of them are checked for the first package that is
        judged after a start.
        """
        _ = self.policy, self.deprecated

    def about(self, digest: str) -> list[Said]:
        """The statements about a package in the log's order, their signatures checked."""
        return [each for each in self._known(self.index.about(digest)) if digest in each.subjects]

    def verdict(
        self, service: str, digest: str, slot: str, *, now: float, publisher: str | None, serves: bool = False
    ) -> Verdict:
        """Whether a package may answer; see `registry.admission.evaluate`. `serves`: it does, and goes on under the
        last policy that can be read: what is said against it counts.
        """
        self._rest()
        asked = (service, digest, slot, publisher, serves)
        policy, about = self.policy, len(self.index.about(digest))
        known = self._judged.get(asked)
        if known is None or not known.holds(policy, about, now):
            known = self._judged[asked] = self._judge(asked, now, about)
        return known.verdict

    def _judge(self, asked: tuple[str, str, str, str | None, bool], now: float, about: int) -> _Judged:
        service, digest, slot, publisher, serves = asked
        policy, said = self.policy, self.about(digest)
        verdict = evaluate(
            self.roots, policy.as_read() if serves and policy is not None else policy, said,
            service=service, digest=digest, slot=slot, now=now, publisher=publisher, live_at=self.live_at,
        )  # fmt: skip
        rules = None if policy is None else policy.rules(service)
        return _Judged(policy, about, now, stands_until(rules, said, now), verdict)

    def _new(self, type_: str) -> bool:
        return self._folded[type_] < len(self.index.of_type(type_))

    def _done(self, type_: str) -> None:
        self._folded[type_] = len(self.index.of_type(type_))

    def _known(self, offsets: Iterable[int]) -> Iterator[Said]:
        """Checked against the keys of all roots, each once. What only looks like a statement of ours is passed over."""
        keys = self.roots.public_keys()
        for offset in offsets:
            if offset not in self._checked:
                self._rest()
                self._checked[offset] = next(self._said([offset], keys), None)
            said = self._checked[offset]
            if said is not None and said.type in PREDICATES:
                yield said

    def _said(self, offsets: Iterable[int], keys: list[bytes]) -> Iterator[Said]:
        return said_in(map(self._entry, offsets), keys)

    def _entry(self, offset: int) -> LogEntry:
        return LogEntry(offset, self._logged[offset], None, self._values[offset])
