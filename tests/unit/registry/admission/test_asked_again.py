"""A gateway asks again each time the log has grown: it is told what is so now, and nothing is judged twice for that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.show import walk
from registry.admission import Verdict
from registry.ledger import Ledger
from registry.policy import parse_policy
from registry.statement import REVOCATION
from service.admitted import Admission
from service.settings import PlanSettings
from service.way import PAUSE_SECONDS, STEP_SECONDS, GiveWay

GOOD, OTHER = "sha256:" + "ab" * 32, "sha256:" + "cd" * 32
DAY = 86_400
Ask = Callable[..., Verdict]


def read_on(ledger: Ledger, world: Any, start: int = 0) -> int:
    """Take what the log has from there on; where it ends."""
    reader = world.log.reader()
    end: int = reader.bounds(0)[1]
    ledger.take(walk(reader, 0, start, end))
    reader.close()
    return end


def asked_of(ledger: Ledger, world: Any, **changed: Any) -> Verdict:
    """Of GOOD as live, now."""
    asked: dict[str, Any] = {
        "service": "credit",
        "digest": GOOD,
        "slot": "live",
        "publisher": "zoe",
    } | changed
    return ledger.verdict(**{"now": world.clock} | asked)


@pytest.fixture
def ask(approved: Any) -> Ask:
    """One ledger, read on before each question; its answer is that of one which has never been asked."""
    kept = Ledger(approved.first)
    end = 0

    def asked(**changed: Any) -> Verdict:
        nonlocal end
        end = read_on(kept, approved, end)
        fresh = Ledger(approved.first)
        read_on(fresh, approved)
        found = asked_of(kept, approved, **changed)
        assert found == asked_of(fresh, approved, **changed)
        return found

    return asked


def test_what_did_not_change_is_not_judged_again(approved: Any, ask: Ask) -> None:
    """While the log grows by what others said of others, and time goes by."""
    before = ask()
    approved.gates(subject=OTHER)
    approved.approve("dan", "legal", OTHER)
    approved.deploy("dan", OTHER)
    approved.clock += 1800
    assert ask() is before
    approved.gates()
    assert ask() is not before


def test_each_question_has_its_own_answer(ask: Ask) -> None:
    """By service, slot, publisher and digest."""
    assert ask().admitted
    assert ask(slot="canary").approved_by == (("legal", "dan"),)
    assert not ask(service="cards").admitted
    assert not ask(publisher="dan").admitted
    assert not ask(publisher=None).admitted
    assert not ask(digest=OTHER).admitted


def test_what_is_said_of_it_counts_at_once(approved: Any, ask: Ask) -> None:
    """A revocation takes it off; who signs again brings it back."""
    assert ask().admitted
    approved.approve("bob", "compliance", type_=REVOCATION)
    assert not ask().admitted
    approved.clock += 1
    approved.gates()
    approved.approve("dan", "legal")
    approved.approve("bob", "compliance")
    assert ask().admitted


def test_another_policy_counts_at_once(approved: Any, ask: Ask) -> None:
    """What was signed under the one before is not under it; and under one that cannot be read nothing new is let in."""
    assert ask().admitted
    approved.set_unread()
    assert not ask().admitted
    assert ask(serves=True).admitted
    approved.set_policy(
        version=3,
        policy=parse_policy(approved.policy.canonical().replace(b'"valid_days":10', b'"valid_days":9')),
    )
    assert not ask(serves=True).admitted


def test_another_root_counts_at_once(approved: Any, ask: Ask) -> None:
    """Who has left has not signed."""
    assert ask().admitted
    content = approved.content(version=2, previous=approved.first.digest)
    roles = {**content.roles, "compliance": content.roles["officer"].model_copy(
        update={"keys": [approved.keys["ann"].id], "threshold": 1})}  # fmt: skip
    approved.change_root(approved.root(version=2, previous=approved.first.digest, roles=roles))
    assert not ask().admitted


def test_an_approval_ends_without_a_word(approved: Any, ask: Ask) -> None:
    """After ten days, though the log has not grown."""
    assert ask().admitted
    approved.clock += 10 * DAY - 2
    before = ask()
    approved.clock += 1
    assert ask() is before
    approved.clock += 1
    assert ask().expired
    approved.clock -= 1
    assert ask().admitted


def test_a_break_glass_ends_without_a_word(approved: Any, ask: Ask) -> None:
    """After an hour."""
    approved.approve("bob", "compliance", type_=REVOCATION)
    approved.clock += 1
    for who in ("ann", "bob"):
        approved.approve(who, "officer", break_glass=True)
    assert ask().break_glass
    approved.clock += 3599
    assert ask().break_glass
    approved.clock += 1
    assert not ask().admitted


def test_what_is_dated_ahead_begins_to_count_without_a_word(approved: Any, ask: Ask) -> None:
    """The log's clock is ahead of the gateway's; it comes there."""
    approved.approve("bob", "compliance", type_=REVOCATION)
    approved.clock += 1000
    approved.gates()
    approved.approve("dan", "legal")
    approved.approve("bob", "compliance")
    approved.clock -= 1000
    assert not ask().admitted
    approved.clock += 1000
    assert ask().admitted


def test_long_work_rests_between_two_steps() -> None:
    """A little, when the last rest was a step ago; not at each call."""
    now, slept = [0.0], list[float]()
    way = GiveWay(lambda: now[0], slept.append)
    way()
    assert slept == []
    now[0] += STEP_SECONDS
    way()
    way()
    assert slept == [PAUSE_SECONDS]


def test_a_look_gives_way_at_each_signature_and_each_question(
    approved: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event loop waits for one of them at most."""
    rests: list[int] = []
    monkeypatch.setattr("service.seen.GiveWay", lambda: lambda: rests.append(1))
    (tmp_path / "root.json").write_bytes(approved.first.envelope.encode())
    gateway = Admission(
        tmp_path / "admission" / "0.json", tmp_path / "root.json", approved.log, lambda _: approved.lineage,
        lambda: approved.clock,
    )  # fmt: skip
    plan = (PlanSettings(service="credit", digest=GOOD),)
    assert gateway.admit(plan).entries == plan
    signatures = 4  # of the policy, the gates and two approvals
    assert len(rests) == signatures + 1
    assert gateway.admit(plan).entries == plan
    assert len(rests) == signatures + 2
