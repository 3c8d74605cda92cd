"""What MLflow is told is what admission counts now, and no more: each thing that does not count has no tag."""

from __future__ import annotations

from typing import Any

import pytest

from registry.approvals.root import fold_roots
from registry.mlflow.standing import standings
from registry.policy import parse_policy
from registry.statement import REJECTION, REVOCATION

GOOD = "sha256:" + "ab" * 32
DAY = 86_400


def tags(world: Any, *, later: float = 0, publisher: str | None = "zoe") -> dict[str, str]:
    """Of the package, without what they all begin with."""
    said = world.said()
    found = standings(
        fold_roots(world.first, said), said, publisher=lambda _: publisher, now=world.clock + later
    )
    standing = found.get(GOOD)
    return (
        {}
        if standing is None
        else {key.removeprefix("affiant."): text for key, text in standing.tags.items()}
    )


def test_what_counts_is_told(approved: Any) -> None:
    """Else the tests below would show nothing."""
    found = tags(approved)
    assert found["gates.credit"] == "passed"
    assert found["approved.credit.legal"].startswith("dan, ")
    assert found["approved.credit.compliance"].startswith("bob, ")


@pytest.mark.parametrize(
    ("later", "publisher", "left"),
    [
        (11 * DAY, "zoe", set()),  # expired
        (0, "dan", {"approved.credit.compliance"}),  # by the publisher
        (0, None, set()),  # by nobody knows whom
    ],
)
def test_an_approval_that_does_not_count_is_no_tag(
    approved: Any, later: float, publisher: str | None, left: set[str]
) -> None:
    """However it reads in the log."""
    found = tags(approved, later=later, publisher=publisher)
    assert {key for key in found if key.startswith("approved")} == left


def test_nobody_is_told_twice_nor_for_a_role_that_nobody_asked(world: Any) -> None:
    """Ann has both roles: she is one person. And the officer's is the emergency's."""
    world.gates()
    world.approve("ann", "legal")
    world.approve("ann", "compliance")
    world.approve("dan", "officer")
    world.approve("dan", "legal", at=world.clock + DAY)
    assert {key for key in tags(world) if key.startswith("approved")} == {"approved.credit.legal"}


def test_gates_that_did_not_run_are_not_passed(world: Any) -> None:
    """Results of fewer gates than live needs."""
    world.policy = parse_policy(
        b"{format: 1, change: {roles: {policy: 1}}, services: {credit: {gates: {documentation: {}, size: "
        b"{megabytes: 5}}, approvals: {roles: {legal: 1}}}}}"
    )
    world.set_policy(version=2)
    world.gates()
    assert tags(world)["gates.credit"] == "failed: size (did not run)"
    assert tags(world)["gate.credit.documentation"] == "passed"


def test_gates_that_compared_with_another_model_are_not_passed(approved: Any) -> None:
    """As admission: what they name as live must have been live."""
    approved.policy = parse_policy(
        b"{format: 1, change: {roles: {policy: 1}}, services: {credit: {gates: {quality: {metrics: {auc: "
        b"{worse_than_live_by: 0.01}}}}, approvals: {roles: {legal: 1}}}}}"
    )
    approved.set_policy(version=2)
    approved.deploy(digest="sha256:" + "cd" * 32)
    approved.gates(results=[{"name": "quality", "verdict": "passed"}], live="sha256:" + "ef" * 32)
    assert "run them again" in tags(approved)["gates.credit"]


def test_what_may_not_answer_is_refused_and_not_in_production(world: Any) -> None:
    """Whatever a deployment says of it; an end of approvals lets it go on, where the policy does."""
    world.deploy()
    assert tags(world)["stage.credit"] == "refused"
    world.gates()
    world.approve("dan", "legal")
    world.approve("bob", "compliance")
    assert tags(world)["stage.credit"] == "production"
    assert tags(world, later=11 * DAY)["stage.credit"] == "production"
    world.approve("bob", "compliance", type_=REVOCATION, rationale="biased")
    found = tags(world)
    assert (found["stage.credit"], found["stage"]) == ("refused", "refused")
    assert found["revoked.credit"].startswith("bob, ")


def test_a_rejection_is_told_while_it_stands(approved: Any) -> None:
    """Of a role that is asked; an approval of before, which was kept back, does not take it away."""
    approved.approve("ann", "legal", type_=REJECTION, rationale="no data sheet")
    approved.approve("ann", "officer", type_=REJECTION, rationale="of no role that is asked")
    approved.approve("ann", "legal", at=approved.clock - 60)
    rejected = {key: text for key, text in tags(approved).items() if key.startswith("rejected")}
    assert rejected.keys() == {"rejected.credit.legal"}
    approved.approve("ann", "legal")
    assert not [key for key in tags(approved) if key.startswith("rejected")]


def test_an_emergency_is_told_while_it_lasts(world: Any) -> None:
    """With who signed as usual beside it."""
    world.gates()
    world.approve("ann", "legal")
    for who in ("dan", "bob"):
        world.approve(who, "officer", break_glass=True)
    found = tags(world)
    assert {key for key in found if key.startswith(("approved", "break-glass"))} == {
        "approved.credit.legal", "break-glass.credit.officer",
    }  # fmt: skip
    assert not [key for key in tags(world, later=7200) if key.startswith("break-glass")]
