"""When approvals end, as a gauge, and what becomes of the alert."""

from __future__ import annotations

import time

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from audit.governance import PARTITION
from audit.log import configured_governance_log
from audit.show import walk
from monitoring.alerts.expiry import Expiry, expiries
from registry.approvals.board import first_root_of
from registry.ledger import Ledger
from tests.components.approvals import House

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
