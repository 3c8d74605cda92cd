"""The facts that a card shows of a package: its own, what stands in the governance log, and what people wrote.

A fact that nobody knows is None or absent, and is told as such. Clocks decide nothing here but whether an approval
has expired: the same log gives the same facts, and `digest` says when they have changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from registry.approvals.board import Board
from registry.approvals.status import status_of
from registry.deployment import Deployed, fold_deployments
from registry.gates.said import results_of
from registry.lineage.deprecation import deprecated
from registry.lineage.versions import data_of
from registry.manifest import digest_of
from registry.package import Package

from .documents import Documents

FORMAT = 1


@dataclass(frozen=True)
class Facts:
    """See above. `services`, `deployments` and `deprecated` are empty where no governance log is read."""

    package: Package
    governed: bool
    policy: str | None
    """Digest of the one in force."""
    services: tuple[Mapping[str, Any], ...]
    """service, gates (offset, person, logged, results) or None, slots."""
    deployments: tuple[Mapping[str, Any], ...]
    """service, slot, share, from and until (seconds; None: until now), by, action, reason."""
    deprecated: Mapping[str, str]
    """Version of the training data → why it is not to be used any more."""
    documents: Documents | None

    @cached_property
    def digest(self) -> str:
        """Of everything that can change."""
        return digest_of(json.dumps(self.told(), sort_keys=True).encode())

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "format": FORMAT,
            "package": self.package.digest,
            "governed": self.governed,
            "policy": self.policy,
            "services": [dict(each) for each in self.services],
            "deployments": [dict(each) for each in self.deployments],
            "deprecated": dict(self.deprecated),
            "documents": None if self.documents is None else self.documents.digest,
        }


def facts_of(
    package: Package,
    board: Board | None,
    documents: Documents | None,
    *,
    now: float,
    publisher: str | None,
) -> Facts:
    """Gather them.

    Args:
        package: whole and verified.
        board: the governance log; None: the settings name no root, so nobody's word counts.
        documents: what people wrote; None: nothing was given.
        now: seconds since 1970 UTC.
        publisher: of the package; None when nobody knows.
    """
    if board is None:
        return Facts(package, False, None, (), (), {}, documents)
    versions = {version for use in data_of(package.lineage) for version in use.versions}
    stale = deprecated(board.roots, board.said)
    return Facts(
        package,
        True,
        None if board.policy is None else board.policy.digest,
        tuple(_services(package, board, now, publisher)),
        tuple(deployments_of(fold_deployments(board.roots, board.said).values(), package.digest)),
        {version: reason for version, reason in stale.items() if version in versions},
        documents,
    )


def _services(package: Package, board: Board, now: float, publisher: str | None) -> list[dict[str, Any]]:
    """Those of the policy for which somebody has said something of the package."""
    found = []
    for service in board.policy.policy.services if board.policy is not None else ():
        status = status_of(board, service, package.digest, now=now, publisher=publisher)
        if not status.history:
            continue
        counted = [each for each in results_of(board, package.digest, service) if each.counts]
        gates = None
        if counted:
            last = counted[-1]
            gates = {
                "offset": last.offset, "person": last.speaker, "logged": last.logged / 1000,
                "data": last.predicate.get("data"), "results": last.results,
            }  # fmt: skip
        slots = [
            {
                "slot": slot.slot, "admitted": slot.admitted, "break_glass": slot.break_glass,
                "expires": slot.expires, "wanted": dict(slot.wanted), "missing": dict(slot.missing),
                "approved_by": [list(each) for each in slot.approved_by], "reasons": list(slot.reasons),
            }
            for slot in status.slots
        ]  # fmt: skip
        history = [dict(each) for each in status.history if each["kind"] != "gates"]
        found.append({"service": service, "gates": gates, "slots": slots, "history": history})
    return found


def deployments_of(services: Iterable[Deployed], digest: str) -> list[dict[str, Any]]:
    """Each stretch of events that left the package in one slot with one share."""
    found: list[dict[str, Any]] = []
    for deployed in services:
        open_: dict[str, Any] | None = None
        for event in deployed.counted:
            at = event.logged / 1000
            place = next((each for each in event.content.plan if each.digest == digest), None)
            if (
                open_ is not None
                and place is not None
                and (open_["slot"], open_["share"]) == (place.slot, place.weight)
            ):
                continue
            if open_ is not None:
                open_["until"] = at
                open_ = None
            if place is not None:
                open_ = {
                    "service": deployed.service, "slot": place.slot, "share": place.weight, "from": at,
                    "until": None, "by": event.person, "action": event.content.action,
                    "reason": event.content.reason, "offset": event.offset,
                }  # fmt: skip
                found.append(open_)
    return found
