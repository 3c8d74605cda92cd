"""Panes of all partitions in, what is said of each package that serves out. The monitor that leads has one.

A pure function of the panes in their order and of what served when: who goes on from a state gets the same figures as
who was never stopped. A crash between two states leaves panes that are judged again, to the same end.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitoring.figures import Evidence
from monitoring.inside import Between
from monitoring.judging import Basis, Judged, Judging
from monitoring.judging.evidence import Where
from monitoring.judging.judging import Taken
from monitoring.order import Order
from monitoring.panes import At, Of, Pane
from monitoring.read import Packages, Profile
from monitoring.store.base import REACH
from registry.deployment import Rollout

from .life import Comparing, Life, Told
from .scores import cuts_of

_WORK: Final = 8
"""A page that the kept panes did not support is tried again after one pane more, two, four and so on, up to an eighth
of as many as are kept: it waits at most as long again as it had to. From then on no pane costs more than eight others
to be judged again; until then each doubling costs all of them once."""


class Aggregate:
    """For one thread."""

    def __init__(
        self,
        partitions: Iterable[int],
        packages: Packages,
        judged_by: Callable[[str], Judged],
        *,
        topic: str,
        pane_records: int,
        between: Callable[[str], Between | None] = lambda _: None,
    ) -> None:
        """Nothing was judged yet.

        Args:
            partitions: all of the log's.
            packages: where profiles are had.
            judged_by: a service → its limits now.
            topic: hex id of the log's topic.
            pane_records: offsets of a pane.
            between: a service → the interval in which its scores should be now; None: the policy has none.
        """
        self._between: Final = between
        self.partitions: Final = tuple(partitions)
        self._order: Final[Order[Pane]] = Order(self.partitions)
        self._packages: Final = packages
        self._judged_by: Final = judged_by
        self.topic: Final = topic
        self.pane_records: Final = pane_records
        self.served: Mapping[Of, int] = {}
        self.next: dict[int, int] = {}
        """Partition → the pane that is judged next."""
        self._taken: dict[int, int] = {}
        self._history: dict[int, deque[tuple[int, Mapping[bytes, int], frozenset[bytes]]]] = {}
        """Partition → panes that were judged, with how far journals had come before each."""
        self.lives: dict[Of, Life] = {}
        self.comparing: dict[tuple[str, str], Comparing] = {}
        """Service and a canary's digest → its rollout."""
        self.statuses: dict[At, Counter[int]] = {}
        self._told: list[Told] = []
        """What changed before a package had to be waited for."""
        self._held: Pane | None = None
        """Whose turn it was when its package could not be had."""
        self.missed = 0
        """Panes of partitions that were known, and that were kept no more when they were to be taken."""
        self.unreadable: Counter[str] = Counter()
        self.panes = 0

    @property
    def late(self) -> int:
        """See `Order.late`."""
        return self._order.late

    def serve(
        self, served: Mapping[Of, int], rollouts: Mapping[str, Iterable[Rollout]] | None = None
    ) -> None:
        """What answers now, and since when: of the governance log, or of the operator's plan.

        `rollouts`: service → the canaries, each of which is compared with live.

        Raises:
            StoreUnavailable: the package that a rollout is compared with cannot be had now.
        """
        self.served = dict(served)
        comparing: dict[tuple[str, str], Comparing] = {}
        each_of = ((service, rollout) for service, some in (rollouts or {}).items() for rollout in some)
        for service, rollout in each_of:
            before = self.comparing.get((service, rollout.digest))
            same = before is not None and (before.rollout.offset, before.rollout.moved) == (
                rollout.offset, rollout.moved,
            )  # fmt: skip
            comparing[service, rollout.digest] = (
                before if same and before else Comparing(rollout, self._cuts(service))
            )
        self.comparing = comparing
        for of in [
            of for of in self.lives if of not in self.served or self.lives[of].since != self.served[of]
        ]:
            del self.lives[of]

    def take(self, pane: Pane) -> None:
        """A pane of any partition. Of each partition they come in their order; one that was judged is passed over."""
        known = pane.partition in self._taken or pane.partition in self.next
        if pane.number >= self.taken(pane.partition):
            if known:
                self.missed += pane.number - self.taken(pane.partition)
            self._taken[pane.partition] = pane.number + 1
            self._order.take(pane)

    def taken(self, partition: int) -> int:
        """The partition's pane that comes next."""
        return max(self._taken.get(partition, 0), self.next.get(partition, 0))

    def read_to_end(self, partition: int, time: int) -> None:
        """See `Order.read_to_end`."""
        self._order.read_to_end(partition, time)

    @property
    def waiting(self) -> Mapping[int, tuple[int, int]]:
        """Partition → the pane that is judged next, and how many wait; none of those that have none."""
        found = self._order.waiting()
        if self._held is not None:
            first, count = found.get(self._held.partition, (self._held.number, 0))
            found[self._held.partition] = min(first, self._held.number), count + 1
        return found

    @property
    def newest_waiting(self) -> int:
        """The largest time of a pane that waits for its turn; -1 when none does."""
        return self._order.newest

    def judge(self) -> list[Told]:
        """Judge the panes whose turn it is; what changed by it.

        Raises:
            StoreUnavailable: a package cannot be had now; its pane waits, and those after it.
        """
        while (pane := self._held or next(self._order.ready(), None)) is not None:
            self._held = pane
            # One may have to be waited for: before that nothing of the pane is counted.
            lives = {of: self._life(of, pane.time) for of in pane.tallies}
            of_rollouts = {service for service, _ in self.comparing}
            compared = {
                of: self._packages.get(of.service, of.digest)
                for of in pane.tallies
                if of.service in of_rollouts
            }
            self._held = None
            self._count(pane, compared)
            for of, tally in pane.tallies.items():
                life = lives[of]
                if life is not None:
                    taken = Taken(pane.partition, pane.number, pane.time, tally)
                    self._told += self._judge(of, life, taken)
        told, self._told = self._told, []
        return told

    def remember(self, pane: Pane) -> None:
        """A pane that was judged, before a restart too: how far journals had come before it."""
        history = self._history.setdefault(pane.partition, deque())
        history.append((pane.number, pane.reached, pane.fresh))
        while history and history[0][0] < self.next[pane.partition] - REACH:
            history.popleft()

    def evidence(self, of: Of) -> Evidence | None:
        """Of the panes that are kept of a package; None: it does not serve, or nothing of it was judged yet."""
        basis = self.basis(of)
        return None if basis is None else basis.evidence()

    def basis(self, of: Of) -> Basis | None:
        """What `evidence` is computed of, as it is now; quick."""
        life = self.lives.get(of)
        # Of panes before what is known of journals nobody could say what came twice.
        since = {partition: history[0][0] for partition, history in self._history.items() if history}
        kept = [taken for taken in life.kept if taken.number >= since.get(taken.partition, 0)] if life else []
        if life is None or not kept:
            return None
        firsts: dict[int, int] = {}
        for taken in kept:
            firsts[taken.partition] = min(taken.number, firsts.get(taken.partition, taken.number))
        reached = {str(partition): self._reached(partition, first) for partition, first in firsts.items()}
        where = Where(self.topic, self.pane_records, reached)
        return Basis(of, life.judging.profile, life.judging.judged, tuple(kept), where)

    def _life(self, of: Of, time: int) -> Life | None:
        """The life that a pane of this time belongs to; begun when it is the first of it."""
        since = self.served.get(of)
        if since is None or time <= since:
            return None
        found, judged = self.lives.get(of), self._judged_by(of.service)
        if found is None:
            return self.begin(of, since, judged)
        if found.judging.judged != judged:
            found.follow(judged)
        return found

    def _cuts(self, service: str) -> tuple[NDArray[np.float32], ...]:
        """By what scores of a service's canary and live are compared: live's reference."""
        live = next((of for of in self.served if (of.service, of.slot) == (service, "live")), None)
        profile = None if live is None else self._packages.get(live.service, live.digest)
        return () if profile is None else cuts_of(profile.reference.scores)

    def begin(self, of: Of, since: int, judged: Judged) -> Life | None:
        """A new life; None: there is no such package."""
        profile = self._packages.get(of.service, of.digest)
        if profile is None:
            return None
        life = self.lives[of] = Life(Judging(profile, judged), since)
        return life

    def _count(self, pane: Pane, compared: Mapping[Of, Profile | None]) -> None:
        """What is counted whoever serves. `compared`: packages of services with a rollout."""
        self.next[pane.partition] = pane.number + 1
        self.panes += 1
        self.unreadable.update(pane.unreadable)
        for at, statuses in pane.statuses.items():
            self.statuses.setdefault(at, Counter()).update(statuses)
        for (service, _), comparing in self.comparing.items():
            comparing.add(service, pane, compared.get)
        self.remember(pane)
        for life in self.lives.values():
            life.forget(pane.partition, self.next[pane.partition] - REACH)

    def _judge(self, of: Of, life: Life, taken: Taken) -> list[Told]:
        life.count(taken.tally, self._between(of.service))
        if not taken.tally.rows:
            return []
        life.keep(taken)
        before = life.alarms()
        life.judging.take(taken)
        self._confirm(of, life)
        after = life.alarms()
        return [
            Told(of, column, before.get(column), after.get(column), taken.time)
            for column in sorted(before.keys() | after.keys())
            if before.get(column) != after.get(column)
        ]

    def _confirm(self, of: Of, life: Life) -> None:
        """Pages are told once the panes that are kept support them by themselves."""
        paged = {
            column.name
            for place, column in enumerate(life.judging.columns)
            if life.judging.severity(place) == "page"
        }
        life.confirmed &= paged
        waiting, checks = paged - life.confirmed, life.judging.checks
        # A column is looked at when it begins to wait, whenever another one was.
        life.tried = {column: at for column, at in life.tried.items() if column in waiting}
        life.pauses = {column: panes for column, panes in life.pauses.items() if column in life.tried}
        if all(checks < life.tried.get(column, checks) + life.pauses.get(column, 0) for column in waiting):
            return
        most = max(1, len(life.kept) // _WORK)
        life.pauses = {column: min(most, max(1, 2 * life.pauses.get(column, 0))) for column in waiting}
        life.tried = dict.fromkeys(waiting, checks)
        evidence = self.evidence(of)
        assert evidence is not None
        life.confirmed |= waiting & {each.column for each in evidence.columns if each.severity == "page"}

    def _reached(self, partition: int, first: int) -> dict[str, int]:
        """How far each journal had come before the pane `first`, as far as panes since then show it."""
        found: dict[str, int | None] = {}
        for number, reached, fresh in self._history.get(partition, ()):
            if number >= first:
                for journal in fresh:
                    found.setdefault(journal.hex(), None)  # none of it was before
                for journal, sequence in reached.items():
                    found.setdefault(journal.hex(), sequence)
        return {journal: sequence for journal, sequence in found.items() if sequence is not None}
