"""A governed service in a real local log: people with keys, a root, a policy, and what they sign."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.governance import Governance
from audit.log.local import LocalLog
from audit.proof.dsse import key_id
from audit.show import walk
from registry.admission import Verdict, evaluate, policy_in_force
from registry.approvals.root import (
    KeyModel,
    RoleModel,
    Root,
    RootModel,
    fold_roots,
    root_predicate,
    sign_root,
)
from registry.deployment import Deployed, fold_deployments
from registry.policy import Policy, parse_policy
from registry.statement import APPROVAL, DEPLOYMENT, GATES, POLICY, ROOT, Said, append, encode, read

NOW = 1_700_000_000.0
GOOD, OTHER = "sha256:" + "ab" * 32, "sha256:" + "cd" * 32
TEXT = """
format: 1
change: {roles: {policy: 1}}
services:
  credit:
    gates: {documentation: {}}
    approvals: {roles: {legal: 1, compliance: 1}, valid_days: 10}
    break_glass: {roles: {officer: 2}, valid_hours: 1}
    canary: {gates: [documentation], roles: {legal: 1}}
    shadow: {}
"""


class Key:
    def __init__(self, seed: int) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.public_key = self._key.public_key().public_bytes_raw()

    @property
    def id(self) -> str:
        return key_id(self.public_key)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


class World:
    """What the tests of admission need. `at` is seconds after NOW."""

    people: ClassVar = {"ann": 1, "bob": 2, "cyd": 3, "dan": 4, "pipeline": 5, "eve": 6, "ann-new": 7}
    may: ClassVar = {
        "root": ["ann", "bob"], "policy": ["cyd"], "legal": ["ann", "dan"], "compliance": ["bob", "ann"],
        "gates": ["pipeline"], "officer": ["ann", "bob", "dan"], "deploy": ["dan", "cyd"],
        "controller": ["pipeline"], "data": ["cyd"], "publish": ["cyd", "dan"],
    }  # fmt: skip

    def __init__(self, directory: Path) -> None:
        self.keys = {name: Key(seed) for name, seed in self.people.items()}
        self.clock = NOW
        self.log = LocalLog(directory / "log", "governance", clock=lambda: int(self.clock * 1e9))
        self.policy: Policy = parse_policy(TEXT.encode())
        self.first = self.root()
        self.told = 0
        self.lineage: dict[str, Any] = {"actor": "zoe"}
        """Of every package."""

    def content(self, **changed: Any) -> RootModel:
        keys = {
            self.keys[name].id: KeyModel(public=self.keys[name].public_key.hex(), person=name)
            for name in ("ann", "bob", "cyd", "dan", "pipeline")
        }
        roles = {
            role: RoleModel(keys=[self.keys[name].id for name in names], threshold=2 if role == "root" else 1)
            for role, names in self.may.items()
        }
        return RootModel(**({"version": 1, "keys": keys, "roles": roles} | changed))

    def root(self, *signers: str, **changed: Any) -> Root:
        return sign_root(self.content(**changed), [self.keys[each] for each in signers or ("ann", "bob")])

    def say(self, who: str, type_: str, predicate: dict[str, Any], subject: str = GOOD) -> None:
        self.told += 1  # what a person says twice differs in its time
        append(
            Governance(self.log, self.keys[who]), [encode(subject, type_, {"number": self.told} | predicate)]
        )

    def replay(self, first: int, end: int) -> None:
        """Append the very bytes of these entries once more: whoever can write to the broker can."""
        reader = self.log.reader()
        values = [each.value or b"" for each in walk(reader, 0, first, end)]
        reader.close()
        writer = self.log.writer(0)
        for value in values:
            writer.send(value, b"")
        while writer.delivered().sends < len(values):
            writer.wait(1)
        writer.close()

    def change_root(self, root: Root) -> None:
        self.say("eve", ROOT, root_predicate(root), root.digest)  # a root brings its own signatures

    def set_policy(self, who: str = "cyd", version: int = 1, policy: Policy | None = None) -> None:
        policy = policy or self.policy
        text = policy.canonical().decode()
        self.say(who, POLICY, {"version": version, "role": "policy", "text": text}, policy.digest)

    def set_unread(
        self, who: str = "cyd", version: int = 2, role: str = "policy", text: str | None = None
    ) -> None:
        """A policy with a key that this version does not know."""
        text = text or self.policy.canonical().decode().replace('"format":1', '"format":1,"stricter":true')
        said = {"version": version, "role": role, "text": text}
        self.say(who, POLICY, said, f"sha256:{sha256(text.encode()).hexdigest()}")

    def gates(
        self, who: str = "pipeline", subject: str = GOOD, *, passed: bool = True, **changed: Any
    ) -> None:
        results = [{"name": "documentation", "verdict": "passed" if passed else "failed"}]
        made = datetime.fromtimestamp(self.clock, UTC).isoformat(timespec="milliseconds")
        content = {
            "service": "credit",
            "policy": self.policy.digest,
            "results": results,
            "made": made,
        } | changed
        self.say(who, GATES, content, subject)

    def approve(
        self, who: str, role: str, subject: str = GOOD, type_: str = APPROVAL, **changed: Any
    ) -> None:
        content = {
            "service": "credit", "role": role, "rationale": "fine", "policy": self.policy.digest, "at": self.clock,
        }  # fmt: skip
        self.say(who, type_, content | changed, subject)

    def deploy(self, who: str = "dan", digest: str = GOOD, action: str = "deploy", **changed: Any) -> int:
        """Append a deployment that follows the newest; its offset."""
        reader = self.log.reader()
        offset = reader.bounds(0)[1]
        reader.close()
        self.told += 1
        last = self.deployed().last if "after" not in changed else None
        content: dict[str, Any] = {
            "format": 1, "service": "credit", "action": action, "reason": f"reason {self.told}", "actor": who,
            "plan": [{"digest": digest, "slot": "live", "weight": 1.0}],
            "after": None if last is None else last.offset, "at": self.clock, "evidence": None,
        } | changed  # fmt: skip
        digests = [each["digest"] for each in content["plan"]]
        append(Governance(self.log, self.keys[who]), [encode(digests, DEPLOYMENT, content)])
        return offset

    def deployed(self, service: str = "credit") -> Deployed:
        said = self.said()
        return fold_deployments(fold_roots(self.first, said), said).get(service) or Deployed(service, ())

    def said(self) -> list[Said]:
        reader = self.log.reader()
        try:
            roots = fold_roots(self.first, read(reader))
            return list(read(reader, roots.public_keys()))
        finally:
            reader.close()

    def verdict(self, subject: str = GOOD, **changed: Any) -> Verdict:
        said = self.said()
        roots = fold_roots(self.first, said)
        asked: dict[str, Any] = {"service": "credit", "slot": "live", "now": self.clock, "publisher": "zoe"}
        return evaluate(roots, policy_in_force(roots, said), said, digest=subject, **(asked | changed))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A policy in force, nothing approved."""
    found = World(tmp_path)
    found.set_policy()
    return found


@pytest.fixture
def approved(world: World) -> World:
    """Gates passed; legal and compliance have signed."""
    world.gates()
    world.approve("dan", "legal")
    world.approve("bob", "compliance")
    return world


@pytest.fixture
def make_key() -> Callable[[int], Key]:
    """A signer by its seed."""
    return Key
