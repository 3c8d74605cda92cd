"""What a question to the lineage costs, with many packages and a long governance log.

The log is a real one, every statement signed. The store is not: it hands packages out of memory, since writing ten
thousand of them to a disk would measure the disk. What is asked goes through the same index as `affiant lineage`. What
the commands open beside that (a store in a directory, sealed predictions, admission) is asked of `commands.py`.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness import commands
from harness.ours import ROOT
from harness.packages import package_of
from harness.report import Bar

if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from audit.governance import Governance
from audit.log.local import LocalLog
from audit.proof.dsse import key_id
from registry.approvals.root import KeyModel, RoleModel, Root, RootModel, sign_root
from registry.deployment import Deployment, Placed, encode_deployment
from registry.graph import Lineage
from registry.lineage.deprecation import encode_deprecation
from registry.manifest import canonical_json, digest_of, write_manifest
from registry.package import Package
from registry.policy import Policy, parse_policy
from registry.statement import APPROVAL, GATES, PAYLOAD_TYPE, POLICY, REJECTION, REVOCATION, encode
from registry.stores import Listing, StoredPackage

GOAL = 100.0  # ms
ASKED = 200
NOW = 1_700_000_000
SERVICES, VERSIONS = 200, 500
EVENTS = 20  # of a hundred statements, deployments


class Key:
    """The one signer; it has every role."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """See `audit.proof.note.Signer`."""
        return self._key.sign(message)


class Memory:
    """Packages of one model that differ in name and lineage. Only what the query layer takes of a store."""

    def __init__(self, count: int, random: Random) -> None:
        self._packages: dict[str, Package] = {}
        model = package_of(1)
        signature = json.loads(model.part("signature"))
        for number in range(count):
            name, created = f"model-{number % 1000}", "2026-01-02T03:04:05Z"
            data = [_data(random.randrange(VERSIONS)) for _ in range(2)]
            lineage = {
                "format": 1, "created": created, "actor": "ann", "git": {"commit": f"{number:040x}", "dirty": False},
                "training_table": {"file": "rows.csv", "sha256": sha256(b"%d" % number).hexdigest(), "rows": 1000},
                "parameters": {f"parameter{each}": each for each in range(30)},
                "metrics": {"auc": 0.8}, "origin": {"data": data, "runs": [], "links": []}, "unknown": [],
            }  # fmt: skip
            named = canonical_json({**signature, "name": name})
            same = (model.part(role) for role in ("reference", "golden"))
            parts = (model.model, named, *same, canonical_json(lineage), b"card")
            manifest = write_manifest("xgboost-ubj", parts, name, created)
            self._packages[digest_of(manifest)] = Package(manifest, {digest_of(each): each for each in parts})

    def push(self, package: Package) -> str:
        """Nobody asks."""
        raise NotImplementedError

    def pull(self, digest: str) -> Package:
        """See `Store.pull`; nothing is verified."""
        return self._packages[digest]

    def list(self) -> Listing:
        """See `Store.list`."""
        return Listing(
            tuple(
                StoredPackage(digest, each.name, each.created, each.size, each.model_type)
                for digest, each in self._packages.items()
            )
        )

    def exists(self, digest: str) -> bool:
        """See `Store.exists`."""
        return digest in self._packages


def _data(number: int) -> dict[str, Any]:
    found = sha256(b"data %d" % number).hexdigest()
    return {
        "name": f"set-{number}", "version": f"md5:{found[:32]}", "source": "dvc", "checked": True, "sha256": found,
        "bytes": 1, "record": "x.dvc", "stage": None,
    }  # fmt: skip


def measure(
    directory: Path, entries: int, packages: int, records: int, told: Callable[[str], None]
) -> tuple[list[dict[str, Any]], list[Bar]]:
    """All of it; `records`: of the sealed log; `told` is what is being done."""
    random, key = Random(7), Key()
    told(f"making {packages:,} packages")
    store = Memory(packages, random)
    digests = [each.digest for each in store.list()]
    told(f"writing a sealed log of {records:,} predictions")
    house = commands.House(directory, records, digests[:2])
    root = root_of(key)
    house.govern(root)
    told(f"writing {entries:,} signed statements")
    log = LocalLog(house.log, "affiant-governance", clock=lambda: NOW * 10**9)
    policy = policy_of(tuple(f"service-{number}" for number in range(SERVICES)))
    said = {"version": 1, "role": "policy", "text": policy.canonical().decode(), "at": NOW}
    write(log, iter([encode(policy.digest, POLICY, said)]), key)
    write(log, statements(digests, entries - 1, random, start=1, policy=policy.digest), key)
    with house.index() as index:
        return _measured(index, log, store, root, key, house, random, told, entries)


def _measured(  # noqa: PLR0917 - the bench's own parts
    index: Path,
    log: LocalLog,
    store: Memory,
    root: Root,
    key: Key,
    house: commands.House,
    random: Random,
    told: Callable[[str], None],
    entries: int,
) -> tuple[list[dict[str, Any]], list[Bar]]:
    digests = [each.digest for each in store.list()]
    packages = len(digests)
    rows: list[dict[str, Any]] = []
    told("folding them")
    with Lineage(index, log, store, root) as lineage:
        seconds = _timed(lineage.refresh)[0]
        rows.append(
            {"what": "fold from nothing", "s": round(seconds, 2), "entries_s": round(entries / seconds)}
        )
    size = sum(each.stat().st_size for each in index.iterdir())
    rows.append({"what": "index", "MB": round(size / 1e6), "bytes_an_entry": round(size / entries)})
    # The packages are the bench's own: without them a process has nothing that the collector would look through.
    gc.collect()
    gc.freeze()
    with Lineage(index, log, store, root) as lineage:
        rows.append({"what": "open and refresh, nothing new", "s": round(_timed(lineage.refresh)[0], 3)})
        write(log, statements(digests, 100, random, start=entries), key)
        rows.append({"what": "refresh, 100 new", "s": round(_timed(lineage.refresh)[0], 3)})
        told("asking")
        asked = list(_asked(lineage, digests, random))
        told("writing the packages that serve to a directory")
        serving = {each.digest for each in lineage.packages() if each.serves}
        house.push(store.pull(each) for each in sorted({*serving, *house.answering}))
        told("asking the commands")
        versions = [f"md5:{sha256(b'data %d' % number).hexdigest()[:32]}" for number in range(VERSIONS)]
        *some, of_all = house.ask(lineage, versions, random)
    asked += some
    rows += [row for row, _ in (*asked, of_all)]
    worst = max(asked, key=lambda each: each[1])
    return rows, [
        Bar(
            f"lineage: worst p99 of a question in ms ({worst[0]['what']}), {packages:,} packages, {entries:,} entries",
            worst[1], "<", GOAL,
        )
    ]  # fmt: skip


def policy_of(services: tuple[str, ...]) -> Policy:
    """The same rules for each service."""
    rules = {
        "gates": {"documentation": {}},
        "approvals": {"roles": {"legal": 1}, "publisher_may_approve": True},
        "canary": {"gates": ["documentation"], "roles": {"legal": 1}, "maximum_weight": 0.5},
    }
    content = {"format": 1, "change": {"roles": {"policy": 1}}, "services": dict.fromkeys(services, rules)}
    return parse_policy(json.dumps(content).encode())


def _asked(lineage: Lineage, digests: list[str], random: Random) -> Iterator[tuple[dict[str, Any], float]]:
    versions = [f"md5:{sha256(b'data %d' % number).hexdigest()[:32]}" for number in range(VERSIONS)]
    for what, ask, times in (
        ("package: everything about one", lambda: lineage.package(random.choice(digests)), ASKED),
        ("data: models of a version", lambda: lineage.data(random.choice(versions)), ASKED),
        (
            "packages of a service",
            lambda: lineage.packages(f"service-{random.randrange(SERVICES)}"),
            ASKED // 4,
        ),
        ("every version of data", lineage.versions, ASKED // 4),
        ("deprecated now", lineage.deprecations, ASKED // 4),
    ):
        took, used = [], []
        for _ in range(times):
            cpu = time.process_time()
            took.append(_timed(ask)[0] * 1000)
            used.append((time.process_time() - cpu) * 1000)
        yield (
            {
                "what": what,
                "asked": times,
                "p50_ms": round(statistics.median(took), 2),
                "p99_ms": round(_p99(took), 2),
                "cpu_p50_ms": round(statistics.median(used), 2),
                "cpu_p99_ms": round(_p99(used), 2),
            },
            _p99(took),
        )


def _p99(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, round(len(values) * 0.99))]


def _timed(action: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    found = action()
    return time.perf_counter() - begin, found


def statements(
    digests: list[str],
    count: int,
    random: Random,
    start: int = 0,
    *,
    events: int = EVENTS,
    policy: str = "sha256:" + "0" * 64,
) -> Iterator[bytes]:
    """What a governance log has: for each package gates, approvals, now and then a deployment.

    Args:
        digests: of the packages.
        count: how many statements.
        random: what is drawn.
        start: the first one's offset in the log.
        events: of a hundred statements, deployments.
        policy: under which the rest is said.
    """
    last: dict[str, int] = {}
    for offset in range(count):
        digest, service = random.choice(digests), f"service-{random.randrange(SERVICES)}"
        about = {"service": service, "at": NOW, "number": offset, "policy": policy}
        which = offset % 100
        if which < events:
            yield encode_deployment(
                Deployment(
                    service=service, action="deploy", plan=[Placed(digest=digest)], after=last.get(service),
                    reason=f"the {offset}th", actor="ann", at=NOW,
                )
            )  # fmt: skip
            last[service] = start + offset
        elif which == events and offset < 50_000:
            found = sha256(b"data %d" % random.randrange(VERSIONS)).hexdigest()
            yield encode_deprecation(f"md5:{found[:32]}", "consent withdrawn", "ann", NOW)
        elif which < 60:
            results = [
                {"name": name, "verdict": "passed", "reason": "", "figures": {"auc": 0.8, "rows": 1000}}
                for name in ("quality", "fairness", "privacy", "documentation")
            ]
            yield encode(digest, GATES, about | {"results": results})
        else:
            type_ = random.choice((APPROVAL, APPROVAL, APPROVAL, REJECTION, REVOCATION))
            yield encode(digest, type_, about | {"role": "legal", "rationale": "as discussed " * 4})


def write(log: LocalLog, bodies: Iterator[bytes], key: Key) -> None:
    """Append them, each signed."""
    governance, writer, sent = Governance(log, key, clock=lambda: NOW * 10**9), log.writer(0), 0
    author = sha256(key.public_key).digest()
    try:
        for body in bodies:
            writer.send(governance.record(PAYLOAD_TYPE, body), author)
            sent += 1
            if sent % 10_000 == 0:
                while writer.delivered().sends < sent:
                    writer.wait(1)
        while writer.delivered().sends < sent:
            writer.wait(1)
    finally:
        writer.close()


def root_of(key: Key) -> Root:
    """One person who may everything."""
    name = key_id(key.public_key)
    roles = {
        role: RoleModel(keys=[name], threshold=1)
        for role in ("root", "policy", "gates", "legal", "deploy", "data")
    }
    content = RootModel(
        version=1, keys={name: KeyModel(public=key.public_key.hex(), person="ann")}, roles=roles
    )
    return sign_root(content, [key])
