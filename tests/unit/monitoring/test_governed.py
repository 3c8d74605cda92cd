"""Which limits hold, what answers and since when, and when approvals end: as the governance log says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitoring.governed import Governed, Ungoverned
from monitoring.panes import Of
from registry.deployment import Placed, Steps
from tests.components.controller import NOW, ONE, THREE, TWO, Town, plan_of, policy_of, put

DAY = 86_400.0
MS = 1000


def governed(town: Town, directory: Path, **plans: tuple[Placed, ...]) -> Governed:
    """A reader of what was written so far."""
    found = Governed(town.write(directory), town.root, lambda: plans, town.publisher, lambda: town.clock)
    found.read_on()
    return found


def test_what_answers_since_when(tmp_path: Path) -> None:
    """From the event by which it came into its place; a canary whose share grows is the same."""
    town = Town()
    town.approve(ONE, TWO)
    town.deploy(ONE)
    town.clock += 60
    town.deploy(plan_of(ONE, TWO), steps=Steps(shares=[0.5], seconds=1.0))
    since = int(town.clock * MS)
    found = governed(town, tmp_path / "one", other=(Placed(digest=THREE),), credit=(Placed(digest=THREE),))
    assert found.served == {
        Of("credit", ONE, "live"): int(NOW * MS), Of("credit", TWO, "canary"): since, Of("other", THREE, "live"): 0,
    }  # fmt: skip
    assert [each.digest for each in found.rollouts["credit"]] == [TWO]
    assert found.policy == town.policy
    town.clock += 60
    town.deploy(TWO, "promote")
    again = governed(town, tmp_path / "two")
    assert again.served == {Of("credit", TWO, "live"): int(town.clock * MS)}
    assert again.rollouts == {}
    town.deploy(plan_of(TWO, ONE))
    (alone,) = governed(town, tmp_path / "three").rollouts["credit"]
    assert (alone.digest, alone.left, alone.alone) == (ONE, (), True)  # compared, with no steps
    since = town.deploy(
        [
            *plan_of(TWO, ONE)[1:],
            Placed(digest=THREE, slot="canary", weight=0.5),
            Placed(digest=TWO, weight=0.25),
        ]
    )
    several = governed(town, tmp_path / "four").rollouts["credit"]
    assert [(each.digest, each.offset, each.alone) for each in several] == [
        (ONE, since, False),
        (THREE, since, False),
    ]


def test_who_asks_while_the_log_is_read_gets_what_was_read_before(tmp_path: Path) -> None:
    """A scrape is another thread: what it folded of entries that are being taken would be folded a second time."""
    town = Town()
    log = town.write(tmp_path)
    found = Governed(log, town.root, dict, town.publisher, lambda: town.clock)
    found.read_on()
    before, entries = town.policy, len(town.entries)
    town.set_policy(policy_of("{causes: [input]}"))
    put(log, town.entries[entries:])
    grounds = found._follower.read_on()  # taken by the thread that reads, and not folded yet
    assert (found.policy, grounds.ledger._index.end) == (before, entries)
    found.read_on()
    assert (found.policy, town.policy != before) == (town.policy, True)


def test_what_was_ever_named_may_have_answered(tmp_path: Path) -> None:
    """Also what has left; and nothing else: its records would be a forger's."""
    town = Town()
    town.deploy(ONE)
    town.deploy(TWO)
    found = governed(town, tmp_path, credit=(Placed(digest=THREE),))
    named = {("credit", each) for each in (ONE, TWO, THREE)}
    assert found.named([*named, ("other", ONE)]) == named


def test_the_log_is_read_once_for_all_that_nobody_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reading is a consumer of its own with a broker; and none is needed for what is known."""
    town = Town()
    town.deploy(ONE)
    found, read = governed(town, tmp_path), []
    monkeypatch.setattr(found, "read_on", lambda: read.append(1))
    assert found.named([("credit", ONE)]) == {("credit", ONE)}
    assert not read
    assert found.named([("credit", f"sha256:{each:064x}") for each in range(1000)]) == set()
    assert read == [1]


def test_when_approvals_end_is_told_of_what_answers(tmp_path: Path) -> None:
    """Ten days after they were signed; of what has no approval there is nothing to tell."""
    town = Town()
    town.approve(ONE)
    town.deploy(ONE)
    assert governed(town, tmp_path / "one").expires == {("credit", ONE): NOW + 10 * DAY}
    town.deploy(TWO)
    assert governed(town, tmp_path / "two").expires == {}


def test_where_nobody_governs_the_settings_do() -> None:
    """Since ever, and by a policy where there is one; both may become others."""
    policies, plans = [None, Town().policy], [{"credit": (Placed(digest=each),)} for each in (ONE, TWO)]
    found = Ungoverned(lambda: policies[0], lambda: plans[0])
    assert (found.served, found.policy) == ({Of("credit", ONE, "live"): 0}, None)
    del policies[0], plans[0]
    found.read_on()
    assert (found.served, found.policy) == ({Of("credit", TWO, "live"): 0}, Town().policy)


def test_a_plan_of_the_settings_is_followed_where_no_event_names_the_service(tmp_path: Path) -> None:
    """As gateways do it; what the plan of before named may have answered, and so is counted further on."""
    town = Town()
    town.deploy(ONE)
    plans = {"other": (Placed(digest=ONE),)}
    found = Governed(town.write(tmp_path), town.root, lambda: dict(plans), town.publisher, lambda: town.clock)
    found.read_on()
    plans |= {"other": (Placed(digest=TWO),), "credit": (Placed(digest=THREE),)}
    both = {("other", ONE), ("other", TWO)}
    assert found.named([*both, ("other", THREE)]) == both, "it is asked for before records are left out"
    assert found.served == {Of("credit", ONE, "live"): int(NOW * MS), Of("other", TWO, "live"): 0}
