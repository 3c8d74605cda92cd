"""The same commands where the governance log is a topic of a real broker."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from registry.package import Package
from tests.components.approvals import House

pytestmark = pytest.mark.kafka


def test_a_package_is_approved_and_revoked_over_a_broker(
    tmp_path: Path, kafka: str, package: Package
) -> None:
    """Policy, gates, two people, a new root, a revocation."""
    name = uuid.uuid4().hex[:12]
    settings = (
        f'\n[log]\nbackend = "kafka"\nbootstrap = "{kafka}"\nreplication = 1\n'
        f'topic = "entries-{name}"\ngovernance_topic = "governance-{name}"\n'
    )
    house = House.build(tmp_path, [package], settings=settings)
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
