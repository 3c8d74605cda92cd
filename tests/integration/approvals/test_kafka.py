"""The same commands where the governance log is a topic of a real broker; and what an insider produces into it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from audit.governance import Governance
from audit.log import configured_governance_log, governance_copy
from audit.log.base import Log
from audit.log.copy import contact_of
from audit.log.local import LocalLog
from audit.settings import LogSettings
from audit.show import walk
from cli.sidecar import governance_copied
from registry.package import Package
from registry.policy import load_policy
from registry.statement import APPROVAL, append, encode
from registry.stores import configured_store
from service.admitted import configured_admission
from service.settings import PlanSettings
from tests.components.approvals import House
from tests.components.packages import credit_package
from tests.components.process import wait_until
from tests.components.threads import running

pytestmark = pytest.mark.kafka


def test_a_package_is_approved_and_revoked_over_a_broker(
    tmp_path: Path, kafka: str, package: Package
) -> None:
    """Policy, gates, two people, a new root, a revocation."""
    house = House.build(tmp_path, [package], settings=settings(kafka))
    house.gates()
    assert house.sign("approve", "dan", "legal").json["missing"] == {"compliance": 1}
    assert house.sign("approve", "bob", "compliance").json["admitted"]
    house.ok("roles", "edit", house.file("root.json"), house.file("root2.json"), "--role", "legal=dan")
    for person in ("ann", "bob"):
        house.ok(
            "roles", "sign", house.file("root2.json"), "--key", house.key(person), "--yes", *house.config
        )
    house.ok("roles", "publish", house.file("root2.json"), "--key", house.key("ann"), "--yes", *house.config)
    assert house.status().code == 0
    assert house.sign("revoke", "ann").code == 0
    assert house.status().code == 1


def test_what_an_insider_produces_into_the_topic_admits_nothing_and_ends_nothing(
    tmp_path: Path, kafka: str, package: Package
) -> None:
    """By a plain producer: a stranger's approval, all that was said once more, garbage. The gateway reads its copy."""
    other = credit_package("other")
    house = House.build(tmp_path, [package, other], settings=settings(kafka))
    for digest in (package.digest, other.digest):
        house.gates(digest=digest)
        assert house.sign("approve", "bob", "compliance", digest=digest).code == 0
    assert house.sign("approve", "dan", "legal").json["admitted"]
    said = values(configured_governance_log(house.loaded))
    garbage = (b"", b"garbage", bytes(70_000), b"[" * 5000, None)
    produce(house, foreign_approval(house, other.digest), *said, *garbage)
    with copied(house) as refused:
        assert refused(package.digest) == ""
        assert "1 more of legal must approve" in refused(other.digest)
        assert (house.status().code, house.status(digest=other.digest).code) == (0, 1)
        assert house.sign("revoke", "ann").code == 0
        produce(house, *said)
        assert "revoked" in refused(package.digest)
        assert house.status().code == 1
        assert house.sign("approve", "dan", "legal", digest=other.digest).json["admitted"]
        assert refused(other.digest) == ""


def settings(kafka: str) -> str:
    """[log] of a house whose topics are its own."""
    name = uuid.uuid4().hex[:12]
    return (
        f'\n[log]\nbackend = "kafka"\nbootstrap = "{kafka}"\nreplication = 1\n'
        f'topic = "entries-{name}"\ngovernance_topic = "governance-{name}"\n'
    )


def values(log: Log) -> list[bytes]:
    """Every record of a log."""
    with closing(log.reader()) as reader:
        return [each.value or b"" for each in walk(reader, 0, 0, reader.bounds(0)[1])]


def foreign_approval(house: House, digest: str) -> bytes:
    """A record of an approval that is whole and signed, by a key that no root knows."""
    log = LocalLog(house.file("insider"), "governance")
    policy = load_policy(house.file("policy.yaml")).digest
    content = {"service": "credit", "role": "legal", "policy": policy, "at": time.time(), "rationale": "x"}
    append(Governance(log, house.signer("eve")), [encode(digest, APPROVAL, content)])
    (found,) = values(log)
    return found


def produce(house: House, *records: bytes | None) -> None:
    """Into the governance topic, as any client of the broker can."""
    from kafka import KafkaProducer

    log = house.loaded.section("log", LogSettings)
    producer = KafkaProducer(bootstrap_servers=log.bootstrap, acks="all")
    try:
        sent = [
            producer.send(log.governance_topic, each, key=b"k", headers=[("who", b"insider")])
            for each in records
        ]
        for each in sent:
            each.get(timeout=30)
    finally:
        producer.close()


@contextmanager
def copied(house: House) -> Iterator[Callable[[str], str]]:
    """A sidecar's copy of the governance log, and why a gateway beside it would not let a digest answer."""
    copy = governance_copied(house.loaded)
    assert copy is not None
    store = configured_store(house.loaded)
    admission = configured_admission(house.loaded, 0, lambda digest: store.pull(digest).lineage)
    assert admission is not None

    def refused(digest: str) -> str:
        end = len(values(configured_governance_log(house.loaded)))
        wait_until(
            lambda: copy.copied >= end and contact_of(governance_copy(house.loaded)) is not None,
            what=f"a copy of {end} entries",
            details=lambda: str(copy.problem),
        )
        return "; ".join(admission.admit((PlanSettings(service="credit", digest=digest),)).refused)

    with running(copy.run):
        yield refused
