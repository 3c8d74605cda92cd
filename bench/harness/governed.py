"""What governance costs where it is enforced: publishing and judging, and admission at a load."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.lineage import Key, Memory, policy_of, statements, write
from harness.ours import ROOT
from harness.packages import CREDIT, TARGET, package_of
from harness.processes import BenchError
from harness.report import Bar

if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from random import Random

import yaml

from audit.log.base import Log
from audit.log.local import LocalLog
from audit.proof.dsse import key_id
from registry.approvals.root import KeyModel, RoleModel, RootModel, sign_root
from registry.deployment import Deployment, Placed, encode_deployment
from registry.gates.base import Datasets
from registry.gates.run import run_gates
from registry.policy import Policy, load_policy
from registry.statement import APPROVAL, GATES, POLICY, encode
from registry.table import read_table, table_of
from service.admitted import Admission
from service.settings import PlanSettings

ROLES = ("root", "policy", "gates", "legal", "deploy", "data")
THREADS = 4
Measured = tuple[list[dict[str, Any]], list[Bar]]
Told = Callable[[str], None]


def judging(told: Told) -> Measured:
    """From a trained model to the results of every gate of the example's policy."""
    told("publishing and judging")
    whole = read_table(CREDIT / "german_credit.csv").frame
    began = time.perf_counter()
    package = package_of(7, rows=600)
    published = time.perf_counter() - began
    documents = yaml.safe_load((CREDIT / "pipeline" / "documents.yaml").read_text())
    datasets = Datasets(
        holdout=table_of(whole.iloc[600:], "hold-out"), target=TARGET, documents=documents, deprecated={}
    )
    report = run_gates(
        package, datasets, load_policy(CREDIT / "policy.yaml"), "credit", now=datetime.now(UTC)
    )
    seconds = time.perf_counter() - began
    ran = [each.name for each in report.results if "could not run" not in each.reason]
    if len(ran) != len(report.results):
        raise BenchError(f"not every gate ran: {[each.reason for each in report.results]}")
    row = {"what": "train, publish and every gate of the credit policy", "gates": len(ran),
           "publish_s": round(published, 2), "s": round(seconds, 2)}  # fmt: skip
    return [row], [Bar("publishing and all default gates on the credit model in s", seconds, "<", 60.0)]


@dataclass(slots=True)
class House:
    """One person who may everything, a log, a root file, a policy in force."""

    directory: Path
    services: tuple[str, ...] = ("credit",)
    key: Key = field(default_factory=Key)

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        name = key_id(self.key.public_key)
        keys = {name: KeyModel(public=self.key.public_key.hex(), person="ann")}
        roles = {role: RoleModel(keys=[name], threshold=1) for role in ROLES}
        root = sign_root(RootModel(version=1, keys=keys, roles=roles), [self.key])
        (self.directory / "root.json").write_bytes(root.envelope.encode())
        policy = self.policy
        text = {"version": 1, "role": "policy", "text": policy.canonical().decode(), "at": time.time()}
        self.say(encode(policy.digest, POLICY, text))

    @property
    def policy(self) -> Policy:
        """In force."""
        return policy_of(self.services)

    @property
    def log(self) -> Log:
        """Its governance log, where a gateway looks for it."""
        return LocalLog(self.directory / "data" / "log-governance", "affiant-governance")

    def say(self, *bodies: bytes) -> None:
        """Append, signed."""
        write(self.log, iter(bodies), self.key)

    def gates(self, digest: str, service: str = "credit") -> bytes:
        """Results of the gates, not said yet."""
        about = {"service": service, "policy": self.policy.digest, "at": time.time()}
        results = [{"name": "documentation", "verdict": "passed", "reason": ""}]
        return encode(digest, GATES, about | {"results": results})

    def approve(self, digest: str, service: str = "credit") -> None:
        """All that live needs."""
        about = {"service": service, "policy": self.policy.digest, "at": time.time()}
        approval = encode(digest, APPROVAL, about | {"role": "legal", "rationale": "read"})
        self.say(self.gates(digest, service), approval)

    def deploy(
        self, digest: str, after: int | None, service: str = "credit", canary: str | None = None
    ) -> int:
        """A deployment, with a canary of a tenth when one is named; its offset."""
        plan = [Placed(digest=digest)]
        if canary is not None:
            plan = [Placed(digest=digest, weight=0.9), Placed(digest=canary, slot="canary", weight=0.1)]
        event = Deployment(
            service=service,
            action="deploy",
            plan=plan,
            after=after,
            reason="a swap",
            actor="ann",
            at=time.time(),
        )
        reader = self.log.reader()
        offset = reader.bounds(0)[1]
        reader.close()
        self.say(encode_deployment(event))
        return offset


def admission(directory: Path, entries: int, told: Told) -> Measured:
    """What a gateway asks at a load, with a long governance log."""
    told(f"writing {entries:,} signed statements")
    house = House(directory)
    digests = [each.digest for each in Memory(max(200, entries // 100), Random(7)).list()]
    write(house.log, statements(digests, entries, Random(7), start=1), house.key)
    digest = digests[0]
    house.approve(digest)
    rows: list[dict[str, Any]] = []
    for what in ("first look at the log", "look at the log at the next start"):
        told(what)
        asked = Admission(
            directory / "admission" / "0.json", directory / "root.json", house.log, lambda _: {"actor": "tim"}
        )
        plan = (PlanSettings(service="credit", digest=digest),)
        used, look = _timed(lambda asked=asked, plan=plan: _must(asked.admit(plan), plan))  # type: ignore[misc]
        asked.served(plan)
        rows.append({"what": what, "entries": entries, "s": round(look, 2), "cpu_s": round(used, 2)})
    told("asking at a load")
    took, cpu = [], []
    for number in range(20):
        house.approve(digests[number + 1])
        plan = (PlanSettings(service="credit", digest=digests[number + 1]),)
        used, seconds = _timed(lambda plan=plan: _must(asked.admit(plan), plan))  # type: ignore[misc]
        took.append(1000 * seconds)
        cpu.append(1000 * used)
    rows.append(
        {"what": "admission of a package at a load", "entries": entries,
         "p50_ms": round(statistics.median(took), 1), "max_ms": round(max(took), 1),
         "cpu_p50_ms": round(statistics.median(cpu), 1), "cpu_max_ms": round(max(cpu), 1)}
    )  # fmt: skip
    return rows, [Bar(f"admission at a load, {entries:,} entries, worst of 20 in ms", max(took), "<", 100.0)]


def _must(found: Any, plan: tuple[PlanSettings, ...]) -> None:
    if found.entries != plan:
        raise BenchError(f"not admitted: {found.refused}")


def _timed(action: Callable[[], Any]) -> tuple[float, float]:
    """Processor seconds, and seconds, that it took."""
    cpu, began = time.process_time(), time.perf_counter()
    action()
    return time.process_time() - cpu, time.perf_counter() - began
