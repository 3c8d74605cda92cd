"""Which policy's limits hold, what answers, and since when: of the governance log, read on from where it was.

What nobody governs is the operator's: a policy file, and the plans of the settings.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Final, Protocol

from audit.log.base import Log
from monitoring.alerts.expiry import expiries
from monitoring.controller.ground import Follower, Publisher
from monitoring.judging.served import served_since
from monitoring.panes import Of
from registry.approvals.root import Root
from registry.deployment import Deployed, Placed, Rollout, ever_named
from registry.errors import RegistryError
from registry.policy import Policy

_EXPIRY: Final = 60.0
"""Seconds between two looks at when approvals end, while the log has nothing new."""
Plans = Mapping[str, tuple[Placed, ...]]
"""Service → what the settings say is to answer."""


class Governing(Protocol):
    """`read_on` is for one thread. All else MUST be what that left: others ask while it goes on (a scrape, a page)."""

    def read_on(self) -> None:
        """Take what is new. Raises LogUnavailable: the governance log does not answer, or is another one."""
        ...

    @property
    def policy(self) -> Policy | None:
        """The policy in force; None: there is none."""
        ...

    @property
    def served(self) -> Mapping[Of, int]:
        """What answers now → since when, ms since 1970 UTC by the log's clock; 0: since ever."""
        ...

    @property
    def rollouts(self) -> Mapping[str, tuple[Rollout, ...]]:
        """Service → its canaries, each of which is compared with live, whether or not it moves on by itself."""
        ...

    @property
    def expires(self) -> Mapping[tuple[str, str], float]:
        """Service and digest of what is to answer → when its first approval ends, seconds since 1970 UTC."""
        ...


class Governed:
    """The governance log, and the settings' plans for services that it never deployed: as gateways have it."""

    def __init__(
        self,
        log: Log,
        first: Root,
        plans: Callable[[], Plans],
        publisher: Publisher = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Nothing is read yet.

        Args:
            log: the governance log.
            first: the root that is believed.
            plans: of the settings, asked for each time.
            publisher: of packages.
            clock: seconds since 1970 UTC.
        """
        self._follower: Final = Follower(log, first, publisher)
        self._plans_now: Final = plans
        self._plans = plans()
        self._planned = _named_by(self._plans)
        """What plans of the settings have named since this process runs."""
        self._publisher: Final = publisher
        self._clock: Final = clock
        self._looked = float("-inf")
        self.expires: Mapping[tuple[str, str], float] = {}
        self._deployed: Mapping[str, Deployed] = {}
        self._end = -1
        self._policy: Policy | None = None
        self._names = self._all_names()

    def read_on(self) -> None:
        """See `Governing.read_on`."""
        self._follow_plans()
        grounds, now = self._follower.read_on(), self._clock()
        if grounds.end != self._end:
            found = grounds.ledger.policy
            self._policy = None if found is None else found.policy
            self._deployed, self._end, self._looked = grounds.services(), grounds.end, float("-inf")
            self._names = self._all_names()
        if not 0 <= now - self._looked < _EXPIRY:
            self._looked = now
            self.expires = expiries(grounds.ledger, self._published, now)

    def _follow_plans(self) -> None:
        plans = self._plans_now()
        if plans != self._plans:
            self._plans = plans
            self._planned |= _named_by(plans)
            self._names = self._all_names()

    def _published(self, digest: str) -> str | None:
        try:
            return self._publisher(digest)
        except RegistryError:
            return None  # whose publisher nobody knows is admitted by nobody, and has no end to be told of

    @property
    def policy(self) -> Policy | None:
        """See `Governing.policy`.

        Not asked of the ledger here: it folds what is new when it is asked, and a scrape that did so while entries were
        taken put them into its index twice. Who deployed what was then read from other offsets, or beyond the last.
        """
        return self._policy

    @property
    def served(self) -> Mapping[Of, int]:
        """See `Governing.served`."""
        deployed = {service: each for service, each in self._deployed.items() if each.plan}
        others = {service: plan for service, plan in self._plans.items() if service not in deployed}
        return served_since(deployed) | _since_ever(others)

    @property
    def rollouts(self) -> Mapping[str, tuple[Rollout, ...]]:
        """See `Governing.rollouts`."""
        return {service: each.canaries for service, each in self._deployed.items() if each.canaries}

    def named(self, whose: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Of these services and digests, those that any plan names, also one of the past (of the settings: since this
        process runs). The log is read to its end, once, when it does not name all of them yet.

        Raises:
            LogUnavailable: it does not answer.
        """
        if not self._names.issuperset(whose):
            self.read_on()
        return self._names.intersection(whose)

    def _all_names(self) -> set[tuple[str, str]]:
        return self._planned | ever_named(self._deployed)


class Ungoverned:
    """A policy file, and the settings' plans."""

    def __init__(self, policy: Callable[[], Policy | None], plans: Callable[[], Plans]) -> None:
        """Both are asked for now, and by each `read_on`."""
        self._policy_now: Final = policy
        self._plans_now: Final = plans
        self.policy: Policy | None = policy()
        self.served: Mapping[Of, int] = _since_ever(plans())
        self.rollouts: Final[Mapping[str, tuple[Rollout, ...]]] = {}
        self.expires: Final[Mapping[tuple[str, str], float]] = {}

    def read_on(self) -> None:
        """See `Governing.read_on`: of the operator's files."""
        self.policy, self.served = self._policy_now(), _since_ever(self._plans_now())


def _named_by(plans: Plans) -> set[tuple[str, str]]:
    return {(service, placed.digest) for service, plan in plans.items() for placed in plan}


def _since_ever(plans: Plans) -> dict[Of, int]:
    return {Of(service, placed.digest, placed.slot): 0 for service, plan in plans.items() for placed in plan}
