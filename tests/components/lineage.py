"""A governed site for tests of the lineage: a local governance log, a layout store, people with keys and roles.

site = LineageSite(tmp_path)
package = site.publish("credit", [("rows.csv", "md5:…", None)])
site.deploy("dan", package.digest)
with site.lineage() as lineage: ...
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from audit.governance import Governance
from audit.log.local import LocalLog
from audit.proof.dsse import key_id
from audit.show import walk
from registry.approvals.root import KeyModel, RoleModel, Root, RootModel, root_predicate, sign_root
from registry.deployment import Deployment, Placed, encode_deployment
from registry.graph import Lineage
from registry.lineage import DataSet
from registry.lineage.deprecation import encode_deprecation
from registry.manifest import canonical_json
from registry.package import Package, PackageContent, build
from registry.statement import APPROVAL, GATES, ROOT, append, encode
from registry.stores import LayoutStore
from tests.components.packages import number_package

NOW = 1_700_000_000.0


class Key:
    """A signer by its seed."""

    def __init__(self, seed: int) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.public_key = self._key.public_key().public_bytes_raw()

    @property
    def id(self) -> str:
        """The key id."""
        return key_id(self.public_key)

    def sign(self, message: bytes) -> bytes:
        """See `audit.proof.note.Signer`."""
        return self._key.sign(message)


class Forger(Key):
    """Says that it has another's key."""

    def __init__(self, victim: Key) -> None:
        super().__init__(99)
        self.public_key = victim.public_key


@cache
def package_of(name: str, data: tuple[DataSet, ...], **changed: Any) -> Package:
    """A small package whose lineage names these data sets; `changed` keys of the lineage are JSON texts."""
    base = number_package()
    lineage = dict(base.lineage)
    lineage["origin"] = {**lineage["origin"], "data": [each.told() for each in data]}
    lineage |= {key: json.loads(text) for key, text in changed.items()}
    signature = json.loads(base.part("signature")) | {"name": name}
    return build(
        PackageContent(
            base.model, base.model_type, canonical_json(signature), base.part("reference"),
            base.part("golden"), json.dumps(lineage).encode(), base.part("card"),
        )
    )  # fmt: skip


class LineageSite:
    """What a test says becomes a signed statement or a package at once. `clock`: seconds since 1970."""

    people: ClassVar = {"ann": 1, "bob": 2, "cyd": 3, "dan": 4, "pipeline": 5, "eve": 6, "new": 7}
    """`eve` is nobody, and `new` comes with the second root."""
    may: ClassVar = {
        "root": ["ann", "bob"], "legal": ["dan"], "gates": ["pipeline"], "deploy": ["dan"], "data": ["cyd"],
    }  # fmt: skip

    def __init__(self, directory: Path, log: str = "log", topic: str = "governance") -> None:
        """`log`: the directory of the governance log, in `directory`."""
        self.directory = directory
        self.keys = {name: Key(seed) for name, seed in self.people.items()}
        self.clock = NOW
        self.log = LocalLog(directory / log, topic, clock=lambda: int(self.clock * 1e9))
        self.store = LayoutStore(directory / "store")
        self.first = self.root()
        self.last: dict[str, int] = {}
        """Service → offset of its newest event that counts."""

    def root(
        self,
        version: int = 1,
        previous: Root | None = None,
        new: Sequence[str] = (),
        gone: Sequence[str] = (),
        until: int | None = None,
    ) -> Root:
        """Signed by ann and bob; `new` get every role, `gone` have left, or their keys count until then."""
        left = () if until is not None else gone
        names = [*(name for name in self.people if name not in ("eve", "new", *left)), *new]
        keys = {
            self.keys[name].id: KeyModel(
                public=self.keys[name].public_key.hex(), person=name, until=until if name in gone else None
            )
            for name in names
        }
        roles = {
            role: RoleModel(
                keys=[self.keys[name].id for name in names if name in (*may, *new)],
                threshold=2 if role == "root" else 1,
            )
            for role, may in self.may.items()
        }
        content = RootModel(
            version=version, previous=previous.digest if previous else None, keys=keys, roles=roles
        )
        return sign_root(content, [self.keys["ann"], self.keys["bob"]])

    def lineage(self, name: str = "index", *, governed: bool = True) -> Lineage:
        """The query layer over an index of that name."""
        return Lineage(self.directory / name, self.log, self.store, self.first if governed else None)

    @property
    def end(self) -> int:
        """The log's next offset."""
        reader = self.log.reader()
        try:
            return reader.bounds(0)[1]
        finally:
            reader.close()

    def say(self, who: str, *bodies: bytes) -> int:
        """Append statements; the offset of the first."""
        offset = self.end
        append(Governance(self.log, self.keys[who]), bodies)
        self.clock += 1
        return offset

    def values(self, first: int = 0, end: int | None = None) -> list[bytes]:
        """What stands in the log from one offset up to another."""
        reader = self.log.reader()
        try:
            return [each.value or b"" for each in walk(reader, 0, first, self.end if end is None else end)]
        finally:
            reader.close()

    def again(self, first: int, end: int) -> None:
        """Append the very bytes of these entries once more: whoever can write to the broker can."""
        self.write(self.values(first, end))

    def write(self, values: Sequence[bytes]) -> None:
        """Append values as they are."""
        writer = self.log.writer(0)
        for value in values:
            writer.send(value, b"")
        while writer.delivered().sends < len(values):
            writer.wait(1)
        writer.close()

    def publish(self, name: str, data: Sequence[DataSet] = (), **changed: Any) -> Package:
        """Put a package into the store."""
        package = package_of(name, tuple(data), **{key: json.dumps(value) for key, value in changed.items()})
        self.store.push(package)
        return package

    def gates(
        self, digest: str, service: str = "credit", who: str = "pipeline", *, passed: bool = True
    ) -> int:
        """Results of one gate."""
        results = [{"name": "quality", "verdict": "passed" if passed else "failed", "reason": ""}]
        content = {"service": service, "policy": "sha256:" + "0" * 64, "results": results, "at": self.clock}
        return self.say(who, encode(digest, GATES, content))

    def approve(self, who: str, digest: str, service: str = "credit", type_: str = APPROVAL) -> int:
        """An approval, or something else of its form."""
        content = {"service": service, "role": "legal", "rationale": "read it", "at": self.clock}
        return self.say(who, encode(digest, type_, content))

    def deploy(self, who: str, *digests: str, service: str = "credit") -> int:
        """The first digest live, a second one a canary."""
        plan = [Placed(digest=digests[0], weight=1.0 if len(digests) == 1 else 0.9)]
        plan += [Placed(digest=each, slot="canary", weight=0.1) for each in digests[1:]]
        event = Deployment(
            service=service, action="deploy", plan=plan, after=self.last.get(service), reason="a test",
            actor=who, at=self.clock,
        )  # fmt: skip
        offset = self.say(who, encode_deployment(event))
        if who == "dan":
            self.last[service] = offset
        return offset

    def deprecate(self, version: str, who: str = "cyd", *, deprecated: bool = True, late: float = 0.0) -> int:
        """Data that is not to be trained on any more, or is again."""
        body = encode_deprecation(version, "consent withdrawn", who, self.clock - late, deprecated=deprecated)
        return self.say(who, body)

    def new_root(self, *gone: str, until: int | None = None) -> Root:
        """The next root, in which `new` may everything."""
        root = self.root(2, self.first, ["new"], gone, until)
        self.say("eve", encode(root.digest, ROOT, root_predicate(root)))
        return root
