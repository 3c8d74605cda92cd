"""The gateway asks admission itself before a digest answers: which packages the log deploys, and which of them may.

Where the governance log has deployment events for a service, they say what answers for it, and [[plan]] does not.
A log that is not what was seen of it before (service/seen.py) changes nothing: what is served goes on.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import structlog

from audit.config import Config
from audit.errors import ConfigError
from audit.log import governance_copy, governance_log_of_gateway
from audit.log.base import Log
from audit.log.copy import contact_of
from audit.settings import LogSettings
from audit.trees import Trees, configured_trees
from registry.admission import InForce, Verdict
from registry.deployment import Placed
from registry.deployment.state import too_much
from registry.errors import RegistryError
from registry.ledger import Ledger
from registry.lineage.deprecation import deprecated_in
from registry.lineage.publisher import actor_of
from registry.settings import GovernanceSettings

from .models import ShareOnly
from .seen import Memory, Seen
from .settings import PlanSettings

log = structlog.get_logger("affiant.gateway")

POLL_SECONDS: Final = 0.5
RECHECK_SECONDS: Final = 30.0
RETRY_SECONDS: Final = 5.0
"""After a look that could not serve all: as after a change of the settings (follow.py)."""
_KEPT: Final = 16
"""Digests of a service that were live, to fall back to."""


class Admitted(NamedTuple):
    """A plan without what may not answer. `refused`: why, a line for each."""

    entries: tuple[PlanSettings, ...]
    refused: tuple[str, ...]


def memory_path(data: Path, worker: int) -> Path:
    """Where a worker remembers; each has its own file."""
    return data / "admission" / f"{worker}.json"


def configured_admission(
    config: Config, worker: int, lineage: Callable[[str], Mapping[str, Any]]
) -> Admission | None:
    """The gateway's admission, or None when the settings govern nothing, and never did.

    Raises:
        ConfigError: [governance] is gone although this gateway was governed: who can write the settings cannot end it.
    """
    settings = config.section("governance", GovernanceSettings)
    path = memory_path(config.data, worker)
    if settings.root is None:
        if path.parent.is_dir():
            raise ConfigError(
                f"{config.path.name}: this gateway was governed, and [governance] root is gone; whoever means that "
                f"removes {path.parent}"
            )
        return None
    return Admission(
        path,
        config.resolve(settings.root),
        governance_log_of_gateway(config),
        lineage,
        trees=configured_trees(config) if settings.checkpoint else None,
    )


def copy_age(config: Config, clock: Callable[[], int] = time.time_ns) -> float | None:
    """Seconds since the copy of the governance log was last whole, infinite when it never was; None where the gateway
    needs none.
    """
    governed = config.section("governance", GovernanceSettings).root is not None
    if not governed or config.section("log", LogSettings).backend == "local":
        return None
    contact = contact_of(governance_copy(config))
    return math.inf if contact is None else max(0.0, (clock() - contact) / 1e9)


class Admission:
    """One worker's. Used by one thread at a time."""

    def __init__(
        self,
        path: Path,
        root: Path,
        governance: Log,
        lineage: Callable[[str], Mapping[str, Any]],
        clock: Callable[[], float] = time.time,
        trees: Trees | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """`lineage`: a digest → its lineage.json, out of the verified package. `trees`, `timer`: see `Seen`."""
        self._seen: Final = Seen(path, root, governance, clock, trees, timer)
        self._lineage: Final = lineage
        self._lineages: dict[str, Mapping[str, Any]] = {}
        self._serving: frozenset[tuple[str, str]] = frozenset()
        """(service, digest), in whatever slot."""
        self._live: dict[str, PlanSettings] = {}
        """Service → what was to be live when `admit` was last asked."""

    def admit(self, entries: tuple[PlanSettings, ...]) -> Admitted:
        """What may answer now, of the deployments in the log and of the settings' plan.

        A live digest that may not is replaced by the newest that was live, still may and was not left by a rollback;
        where there is none, the service goes. A canary or a shadow that may not is left out; and so are canaries, the
        last first, while those of a service have more together than the policy lets them have of what then answers.
        Under a policy that this version cannot read nothing new is let in, and `refused` says so each time; what
        serves, or did, goes on while the last policy that can be read lets it.
        A canary that live's rules do not admit as well is a `ShareOnly`: the policy bounds what it answers.

        Raises:
            NotAdmitted: the log, the root or what is remembered is not what it should be: nothing may change.
            LogUnavailable: the log is not to be read.
        """
        ledger, known = self._seen.look()
        found = _filter(_deployed(entries, ledger.plans), self._ask(ledger, known), known.served, ledger)
        self._live = {each.service: each for each in found.entries if each.slot == "live"}
        if ledger.policy is not None and ledger.policy.unread is not None:
            # Also while nothing new is deployed: somebody has to bring this gateway up to date.
            found = found._replace(refused=(*found.refused, ledger.policy.unread.words()))
        return found

    def fallback(self, service: str, failed: frozenset[str]) -> PlanSettings | None:
        """What may be live for a service whose packages `failed` cannot be loaded; None: nothing. Its weight is that of
        what it stands in for: else the canaries would have more than they may.

        Raises: as `admit`.
        """
        ledger, known = self._seen.look()
        ask = self._ask(ledger, known)
        left = ledger.left_behind(service)
        wanted = self._live.get(service)
        for digest in reversed(known.served.get(service, [])):
            entry = PlanSettings(service=service, digest=digest)
            if wanted is not None:
                entry = wanted.model_copy(update={"digest": digest})
            if digest in failed or digest in left:
                continue
            if _may(entry, ask(entry), known.served, ledger.policy):
                return entry
        return None

    def served(self, entries: tuple[PlanSettings, ...]) -> None:
        """Remember what is live now, to fall back to; and what serves at all, until the process ends."""
        self._serving = frozenset((each.service, each.digest) for each in entries)
        self._seen.served({each.service: each.digest for each in entries if each.slot == "live"}, _KEPT)

    async def follow(
        self,
        refresh: Callable[[], Awaitable[bool]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Call `refresh` when the governance log has grown, after a failure each RETRY_SECONDS (a store gives a package
        again), and now and then: approvals expire. Never returns.
        """
        seen, waited, again = None, 0.0, RECHECK_SECONDS
        while True:
            await sleep(POLL_SECONDS)
            waited += POLL_SECONDS
            now = await asyncio.to_thread(self._seen.end)
            if now != seen or waited >= again:
                seen, waited = now, 0.0
                again = RECHECK_SECONDS if await refresh() else RETRY_SECONDS

    def _ask(self, ledger: Ledger, known: Memory) -> Callable[[PlanSettings], Verdict]:
        def ask(entry: PlanSettings) -> Verdict:
            try:
                lineage = self._lineage_of(entry.digest)
            except RegistryError as error:
                # One package that the store does not give MUST NOT stop the others.
                return Verdict(False, (f"the store does not give it: {error}",))
            # What serves, or did, goes on: the data was good enough when it was deployed, and so was the policy.
            new = entry.digest not in known.served.get(entry.service, ())
            new = new and (entry.service, entry.digest) not in self._serving
            verdict = ledger.verdict(
                entry.service,
                entry.digest,
                entry.slot,
                now=known.clock,
                publisher=actor_of(lineage),
                serves=not new,
            )
            if new:
                data = deprecated_in(lineage, ledger.deprecated)
                return Verdict(False, (*verdict.reasons, *data)) if data else verdict
            return verdict

        return ask

    def _lineage_of(self, digest: str) -> Mapping[str, Any]:
        if digest not in self._lineages:
            self._lineages[digest] = self._lineage(digest)
        return self._lineages[digest]


def _deployed(
    entries: tuple[PlanSettings, ...], plans: Mapping[str, tuple[Placed, ...]]
) -> tuple[PlanSettings, ...]:
    """The plan: the log's for the services that it deploys, the settings' for the others."""
    return (
        *(each for each in entries if each.service not in plans),
        *(
            PlanSettings(service=service, digest=one.digest, slot=one.slot, weight=100 * one.weight)
            for service, plan in plans.items()
            for one in plan
        ),
    )


def _may(
    entry: PlanSettings, verdict: Verdict, served: Mapping[str, list[str]], policy: InForce | None
) -> bool:
    """Whether it may answer; what is live already may outlast its approval where the policy says so."""
    if verdict.admitted or not verdict.expired:
        return verdict.admitted
    rules = policy.rules(entry.service) if policy is not None else None
    was_live = entry.slot == "live" and served.get(entry.service, [])[-1:] == [entry.digest]
    return rules is not None and not rules.stop_on_expiry and was_live


def _filter(
    entries: tuple[PlanSettings, ...],
    ask: Callable[[PlanSettings], Verdict],
    served: Mapping[str, list[str]],
    ledger: Ledger,
) -> Admitted:
    kept: list[PlanSettings] = []
    refused: list[str] = []

    def refuse(entry: PlanSettings, *reasons: str) -> None:
        refused.append(f"{entry.service}: {entry.digest} may not be {entry.slot}: {'; '.join(reasons)}")

    def may(entry: PlanSettings, left: frozenset[str] = frozenset()) -> bool:
        if entry.digest in left:
            refuse(entry, "a rollback has left it")
            return False
        verdict = ask(entry)
        if not _may(entry, verdict, served, ledger.policy):
            refuse(entry, *verdict.reasons)
            return False
        return True

    by_service: dict[str, list[PlanSettings]] = {}
    for each in entries:
        by_service.setdefault(each.service, []).append(each)
    for service, own in by_service.items():
        live = next(each for each in own if each.slot == "live")
        left = ledger.left_behind(service)
        before = [live.model_copy(update={"digest": each}) for each in reversed(served.get(service, []))]
        found = next(
            (each for each in (live, *(one for one in before if one != live)) if may(each, left)), None
        )
        if found is not None:
            others = [
                _bounded(each, ask)
                for each in own
                if each.slot != "live" and each.digest != found.digest and may(each)
            ]
            kept += _limited([found, *others], ledger.policy, refuse)
    return Admitted(tuple(kept), tuple(refused))


def _bounded(entry: PlanSettings, ask: Callable[[PlanSettings], Verdict]) -> PlanSettings:
    """A canary is admitted for a share; by its digest, only what may have all of it."""
    if entry.slot != "canary" or ask(entry.model_copy(update={"slot": "live"})).admitted:
        return entry
    return ShareOnly.model_validate(entry.model_dump())


def _limited(
    own: list[PlanSettings], policy: InForce | None, refuse: Callable[[PlanSettings, str], None]
) -> list[PlanSettings]:
    """A service's without the canaries that are too many. What is loaded of it then MAY be less: a canary that goes
    leaves the others no more, together, than they had with it.
    """
    while True:
        total = math.fsum(each.weight for each in own if each.slot != "shadow")
        canaries = [each for each in own if each.slot == "canary"]
        shares = [
            Placed(digest=each.digest, slot="canary", weight=min(1.0, each.weight / total))
            for each in canaries
        ]
        excess = too_much(policy, own[0].service, shares)
        if excess is None:
            return own
        refuse(canaries[-1], excess)
        own = [each for each in own if each != canaries[-1]]
