"""Alerts of a governed house: the rules of the policy in force, and when approvals end."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from audit.governance import PARTITION
from audit.log import configured_governance_log
from audit.show import walk
from monitoring.alerts.expiry import Expiry, expiries
from registry.approvals.board import first_root_of
from registry.ledger import Ledger
from registry.policy import load_policy
from tests.components.approvals import House, affiant

DAY = 86_400


def ledger_of(house: House) -> Ledger:
    """The governance log now."""
    ledger = Ledger(first_root_of(house.loaded))
    reader = configured_governance_log(house.loaded, create=False).reader()
    try:
        ledger.take(walk(reader, PARTITION, *reader.bounds(PARTITION), name="governance log"))
    finally:
        reader.close()
    return ledger


def test_the_first_approval_that_ends_is_told_of_what_answers(judged: House) -> None:
    """After ten days, as the policy has it; 0 once it has ended; nothing of what nobody deployed, or may not answer."""
    before = time.time()
    for person, role in (("dan", "legal"), ("bob", "compliance")):
        assert judged.sign("approve", person, role).code == 0
    assert expiries(ledger_of(judged), lambda _: "zoe", time.time()) == {}
    judged.ok(
        "deploy", "credit", judged.digest, "--reason", "it is good", "--key", judged.key("dan"), "--yes",
        *judged.config,
    )  # fmt: skip
    ledger = ledger_of(judged)
    found = expiries(ledger, lambda _: "zoe", time.time())
    assert list(found) == [("credit", judged.digest)]
    assert found["credit", judged.digest] == pytest.approx(before + 10 * DAY, abs=600)
    assert expiries(ledger, lambda _: "zoe", time.time() + 11 * DAY) == {("credit", judged.digest): 0.0}
    assert expiries(ledger, lambda _: None, time.time()) == {}
    gauge, registry = Expiry(), CollectorRegistry()
    registry.register(gauge)
    gauge.now = found
    short = judged.digest.removeprefix("sha256:")[:12]
    line = f'affiant_approval_expires_timestamp_seconds{{digest="{short}",service="credit"}}'
    assert line in generate_latest(registry).decode()


def test_without_a_policy_s_file_the_rules_are_those_in_force(house: House, tmp_path: Path) -> None:
    """Of the governance log; a file of another policy is seen."""
    assert house.ok("alerts", "render", "--out", tmp_path, *house.config)
    rules = tmp_path / "affiant-rules.yml"
    assert f"# Of the policy {load_policy(house.file('policy.yaml')).digest}\n" in rules.read_text()
    house.ok("alerts", "check", rules, *house.config)
    other = tmp_path / "other.yaml"
    other.write_text(house.file("policy.yaml").read_text().replace("  cards:", "  cars:"))
    done = affiant("alerts", "check", rules, "--policy", other)
    assert done.code == 1
    assert "affiant-cars: AffiantScoreDrift is not there" in done.out
