"""A governed service for the controller's tests: people with keys, a root, a policy, packages, and what they sign.

Entries are real ones, signed, at the times of a clock that the test moves; they are in memory, and in a real local log
where a test asks for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.governance import Governance
from audit.log.base import LogEntry
from audit.log.local import LocalLog
from audit.proof.dsse import key_id
from monitoring.burns import Burns, BurnSaid
from monitoring.controller.base import Ground, Shown
from monitoring.controller.ground import Grounds
from monitoring.controller.place import place_of
from monitoring.figures import Alarm, ColumnSaid, Evidence, Range, Severity
from registry.approvals.root import KeyModel, RoleModel, RootModel, sign_root
from registry.deployment import Deployment, Placed, encode_deployment
from registry.policy import Policy, parse_policy
from registry.statement import APPROVAL, PAYLOAD_TYPE, POLICY, REVOCATION, encode

NOW: Final = 1_800_000_000.0
DIGESTS: Final = tuple(f"sha256:{sha256(bytes([each])).hexdigest()}" for each in range(8))
ONE, TWO, THREE = DIGESTS[:3]
TOPIC: Final = "ab" * 16
_PEOPLE: Final = ("ann", "bob", "cyd", "dan", "lea", "robot")
_ROLES: Final = {
    "root": ["ann", "bob"], "policy": ["cyd"], "deploy": ["dan"], "legal": ["lea"], "controller": ["robot"],
}  # fmt: skip


class Key:
    """A signer by its seed."""

    def __init__(self, seed: int) -> None:
        self.private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.public_key = self.private.public_key().public_bytes_raw()

    @property
    def id(self) -> str:
        return key_id(self.public_key)

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message)


KEYS: Final = {name: Key(seed) for seed, name in enumerate((*_PEOPLE, "eve"), 1)}


def policy_of(
    rollback: str = "{causes: [prediction, input], cooldown_minutes: 30, maximum_per_day: 3}", more: str = ""
) -> Policy:
    """A policy whose service `credit` rolls back so."""
    return parse_policy(
        f"""
format: 1
change: {{roles: {{policy: 1}}}}
services:
  credit:
    gates: {{documentation: {{}}}}
    approvals: {{roles: {{legal: 1}}, valid_days: 10, publisher_may_approve: true}}
    drift: {{minimum_rows: 1000{", rollback: " + rollback if rollback else ""}{more}}}
""".encode()
    )


class Town:
    """See the module. `clock`: seconds since 1970 UTC."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.clock = NOW
        self.entries: list[LogEntry] = []
        self.policy = policy or policy_of()
        keys = {KEYS[name].id: KeyModel(public=KEYS[name].public_key.hex(), person=name) for name in _PEOPLE}
        roles = {
            role: RoleModel(keys=[KEYS[each].id for each in who], threshold=1) for role, who in _ROLES.items()
        }
        roles["root"] = RoleModel(keys=roles["root"].keys, threshold=2)
        roles["gates"] = RoleModel(keys=[KEYS["robot"].id], threshold=1)
        self.root = sign_root(RootModel(version=1, keys=keys, roles=roles), [KEYS["ann"], KEYS["bob"]])
        self.gone: set[str] = set()
        """Packages that the store does not have."""
        self._read = Grounds(self.root, self.publisher)
        self.set_policy(self.policy)

    def copy(self) -> Town:
        """The same people, whose entries may be added to or taken away."""
        found = copy(self)
        found.entries, found.gone = list(self.entries), set(self.gone)
        found._read = Grounds(found.root, found.publisher)
        return found

    def append(self, who: str, body: bytes) -> int:
        """An entry; its offset."""
        value = Governance(None, KEYS[who], lambda: int(self.clock * 1e9)).record(PAYLOAD_TYPE, body)  # type: ignore[arg-type]
        self.entries.append(LogEntry(len(self.entries), int(self.clock * 1000), b"", value))
        return len(self.entries) - 1

    def set_policy(self, policy: Policy) -> None:
        """In force from now on."""
        self.policy = policy
        version = 1 + len(self.entries)
        text = policy.canonical().decode()
        said = {"version": version, "role": "policy", "text": text, "at": self.clock}
        self.append("cyd", encode(policy.digest, POLICY, said))

    def approve(self, *digests: str) -> None:
        """Gates passed, legal has signed."""
        about = {"service": "credit", "policy": self.policy.digest}
        for digest in digests:
            passed = [{"name": "documentation", "verdict": "passed"}]
            self.append("robot", encode(digest, "https://affiant.dev/gates/v1", about | {"results": passed}))
            said = about | {"role": "legal", "rationale": "fine", "at": self.clock}
            self.append("lea", encode(digest, APPROVAL, said))

    def revoke(self, digest: str) -> None:
        """It may not answer any more."""
        self.append(
            "lea", encode(digest, REVOCATION, {"service": "credit", "rationale": "no", "at": self.clock})
        )

    def deploy(
        self, plan: str | Sequence[Placed], action: Any = "deploy", who: str = "dan", **more: Any
    ) -> int:
        """A deployment that follows the newest; its offset."""
        last = self.ground().deployed.last
        placed = [Placed(digest=plan)] if isinstance(plan, str) else list(plan)
        content: dict[str, Any] = {
            "service": "credit", "action": action, "plan": placed, "reason": f"number {len(self.entries)}",
            "actor": who, "at": self.clock, "after": None if last is None else last.offset,
        } | more  # fmt: skip
        return self.append(who, encode_deployment(Deployment(**content)))

    def pause(self, action: str = "pause") -> int:
        """Or resume."""
        return self.deploy(self.ground().deployed.plan, action)

    def grounds(self, end: int | None = None) -> Grounds:
        """What the entries say."""
        found = Grounds(self.root, self.publisher)
        found.take(self.entries[:end])
        return found

    def publisher(self, digest: str) -> str | None:
        """Who published it."""
        from registry.errors import NotFound

        if digest in self.gone:
            raise NotFound(f"no {digest}")
        return "zoe"

    def ground(self) -> Ground:
        """What a decision stands on."""
        if self.gone:
            return self.grounds().ground("credit", self.clock)
        self._read.take(self.entries[self._read.end :])
        return self._read.ground("credit", self.clock)

    def write(self, directory: Path, name: str = "governance") -> LocalLog:
        """The entries in a real local log, whose clock is the town's."""
        log = LocalLog(directory, name, clock=lambda: int(self.clock * 1e9))
        put(log, self.entries)
        return log


def put(log: LocalLog, entries: Iterable[LogEntry], partition: int = 0) -> None:
    """Append entries with their times."""
    writer = log.writer(partition)
    try:
        count = 0
        for entry in entries:
            writer.send_copy(entry)
            count += 1
        while writer.delivered().sends < count:
            writer.wait(1)
    finally:
        writer.close()


def plan_of(live: str, canary: str | None = None, shadow: str | None = None) -> list[Placed]:
    """A plan."""
    return [
        Placed(digest=live, weight=0.75 if canary else 1.0),
        *([Placed(digest=canary, slot="canary", weight=0.25)] if canary else []),
        *([Placed(digest=shadow, slot="shadow", weight=1.0)] if shadow else []),
    ]


def alarm_of(digest: str = TWO, **changed: Any) -> Alarm:
    """One that pages for predictions."""
    mark = f"{digest[7:19]}.{changed.get('slot')}.{changed.get('cause')}"
    content: dict[str, Any] = {
        "name": "ModelPredictionDrift", "status": "firing", "fingerprint": mark, "service": "credit",
        "digest": digest.removeprefix("sha256:")[:64], "slot": "live", "severity": "page", "cause": "prediction",
        "starts_at": NOW, "labels": {},
    } | changed  # fmt: skip
    return Alarm(**content)


def column(name: str, severity: Severity | None = "page", rows: int = 2000) -> ColumnSaid:
    """Figures of a column."""
    return ColumnSaid(
        column=name, rows=rows, ks_lower=0.3, ks_upper=0.301, psi=1.5, psi_debiased=1.4,
        log_e={"warn": 90.0, "page": 80.0}, effect=1.0, missing=0.0, out_of_range=0.0, unseen=0.0, severity=severity,
    )  # fmt: skip


def evidence_of_town(town: Town, digest: str = TWO, **changed: Any) -> Evidence:
    """Evidence under the policy in force."""
    content: dict[str, Any] = {
        "topic": TOPIC, "pane_records": 256, "service": "credit", "digest": digest, "slot": "live",
        "policy": town.policy.digest, "panes": [(0, 4), (0, 5)], "reached": {"0": {"11" * 16: 7}},
        "columns": [column("score:p"), column("age")], "rows": 2000, "window_rows": 2000,
    } | changed  # fmt: skip
    return Evidence(**content)


def burns_of_town(town: Town, digest: str = TWO, **changed: Any) -> Burns:
    """Burn rates under the policy in force, of all the time since the package has its place: latency pages."""
    slot = changed.get("slot", "live")
    place = place_of(digest, slot, town.ground().deployed)
    said = BurnSaid(
        objective="latency", budget=0.01, factor=14.4, limit=0.144, long=3600, short=300,
        bad=900, requests=2000, short_bad=90, short_requests=100, pages=True,
    )  # fmt: skip
    content: dict[str, Any] = {
        "topic": TOPIC, "pane_records": 256, "service": "credit", "digest": digest, "slot": slot,
        "policy": town.policy.digest, "since": 0 if place is None else place.logged, "reach": 3600,
        "ranges": [Range(partition=0, first=1024, end=1536)], "rows": 2000, "burns": [said],
    } | changed  # fmt: skip
    return Burns(**content)


def shown_of(town: Town, digest: str = TWO, *, age: float = 0.0, **changed: Any) -> Shown:
    """Evidence of up to now, computed again."""
    times = {name: changed.pop(name, town.clock - age) for name in ("begun", "ended", "newest")}
    return Shown(evidence_of_town(town, digest, **changed), behind=0, **times)


def burnt_of(town: Town, digest: str = TWO, **changed: Any) -> Shown:
    """The same, of objectives."""
    times = {name: changed.pop(name, town.clock) for name in ("begun", "ended", "newest")}
    return Shown(burns_of_town(town, digest, **changed), behind=0, **times)
