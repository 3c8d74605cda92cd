"""What an approval is of, what its signer had read, and who signed that they published: where the policy asks."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from registry.approvals.root import fold_roots
from registry.lineage.publication import encode_publication, publications_of, refusal
from registry.policy import parse_policy
from registry.statement import APPROVAL, GATES, PUBLISH, REJECTION, REVOCATION, Said, encode
from tests.unit.registry.admission.conftest import GOOD, NOW, OTHER, TEXT

DATA = {"holdout": "sha256:" + "1d" * 32}
BOUND = TEXT.replace("valid_days: 10", "valid_days: 10, bound: true")
SIGNED = TEXT.replace("valid_days: 10", "valid_days: 10, signed_publication: true")


def results(world: Any) -> str:
    """The hash of the newest gate results."""
    newest = [each for each in world.said() if each.type == GATES][-1]
    return f"sha256:{sha256(newest.raw).hexdigest()}"


def approve(world: Any, who: str, role: str, **changed: Any) -> None:
    """As the command does: what was seen stands in it."""
    world.approve(who, role, **({"gates": results(world), "seen": len(world.said())} | changed))


@pytest.fixture
def bound(world: Any) -> Any:
    """A policy that binds approvals; gates and both people have spoken."""
    world.policy = parse_policy(BOUND.encode())
    world.set_policy(version=2)
    world.gates(data=DATA)
    approve(world, "dan", "legal")
    approve(world, "bob", "compliance")
    assert world.verdict().admitted
    return world


def test_approvals_end_with_newer_gate_results_of_other_data(bound: Any) -> None:
    """Another hold-out passes: nobody has seen what it says. What is live goes on as after an expiry."""
    bound.gates(data={"holdout": "sha256:" + "2d" * 32})
    verdict = bound.verdict()
    assert (verdict.admitted, verdict.expired, dict(verdict.missing)) == (
        False,
        True,
        {"legal": 1, "compliance": 1},
    )
    assert "newer gate results are of other data than its signer saw" in verdict.reasons[-1]
    approve(bound, "dan", "legal")
    approve(bound, "bob", "compliance")
    assert bound.verdict().admitted


def test_gates_that_say_the_same_of_the_same_data_end_nothing(bound: Any) -> None:
    """Every night, with other milliseconds."""
    bound.clock += 60
    bound.gates(data=DATA, made="2023-11-15T00:00:00.000+00:00")
    assert bound.verdict().admitted


def test_a_verdict_that_is_another_one_ends_approvals(world: Any) -> None:
    """Signed while a gate had failed, for the canary; when it passes, nobody has seen that."""
    world.policy = parse_policy(BOUND.encode())
    world.set_policy(version=2)
    world.gates(data=DATA, passed=False)
    approve(world, "dan", "legal")
    approve(world, "bob", "compliance")
    world.gates(data=DATA)
    assert "say otherwise than its signer saw: documentation" in " ".join(world.verdict().reasons)
    assert not world.verdict().admitted


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"gates": "sha256:" + "00" * 32}, "it names none of the gate results that are there"),
        ({"gates": None}, "it names none of the gate results that are there"),
    ],
)
def test_an_approval_that_names_no_results_that_are_there_does_not_count(
    bound: Any, changed: dict[str, Any], why: str
) -> None:
    """Made up, or of before a revocation."""
    bound.approve("bob", "compliance", type_=REVOCATION, rationale="again")
    bound.gates(data=DATA)
    approve(bound, "dan", "legal", **changed)
    approve(bound, "bob", "compliance")
    assert any(why in each for each in bound.verdict().reasons)


def test_an_approval_that_does_not_say_what_was_read_is_none_where_they_are_bound(world: Any) -> None:
    """One of an older command; without `bound` it counts as it did."""
    world.policy = parse_policy(BOUND.encode())
    world.set_policy(version=2)
    world.gates(data=DATA)
    world.approve("dan", "legal", gates=results(world))
    approve(world, "bob", "compliance")
    assert "it does not say how far its signer had read the log" in world.verdict().reasons[-1]


def test_a_break_glass_is_bound_to_nothing(bound: Any) -> None:
    """It goes without gates."""
    bound.gates(data={}, passed=False)
    for who in ("ann", "bob"):
        bound.approve(who, "officer", break_glass=True)
    assert bound.verdict().break_glass


def kept_back(world: Any, type_: str, who: str, role: str | None, **more: Any) -> bytes:
    """Signed now by a clock that is a day ahead, and not appended."""
    predicate = {"service": "credit", "policy": world.policy.digest, "rationale": "fine", "at": NOW + 86_400}
    return encode(GOOD, type_, predicate | ({} if role is None else {"role": role}) | more)


@pytest.mark.parametrize("told", [True, False])
def test_a_clock_that_was_once_ahead_undoes_no_revocation(approved: Any, told: bool) -> None:
    """An approval and results kept back, appended when the log has come to their times: by those they are newer than
    the revocation. What their signers had read says that they are not.
    """
    from audit.governance import Governance
    from registry.statement import append

    seen = {"seen": len(approved.said())} if told else {}
    made = "2023-11-15T22:13:20.000+00:00"  # a day ahead
    kept = {
        "dan": kept_back(approved, APPROVAL, "dan", "legal", **seen),
        "bob": kept_back(approved, APPROVAL, "bob", "compliance", **seen),
        "pipeline": kept_back(
            approved,
            GATES,
            "pipeline",
            None,
            made=made,
            results=[{"name": "documentation", "verdict": "passed"}],
            **seen,
        ),
    }
    approved.clock += 3600
    approved.approve("bob", "compliance", type_=REVOCATION, rationale="biased")
    approved.clock = NOW + 86_500
    for who, body in kept.items():
        append(Governance(approved.log, approved.keys[who]), [body])
    # Those of older commands do not say it: docs/approvals-threats.md, "What is not stopped".
    assert approved.verdict(now=NOW + 86_500).admitted is not told


def test_a_clock_that_was_once_ahead_takes_no_rejection_back(approved: Any) -> None:
    """The same, of a rejection."""
    from audit.governance import Governance
    from registry.statement import append

    body = kept_back(approved, APPROVAL, "ann", "legal", seen=len(approved.said()))
    approved.clock += 3600
    approved.approve("ann", "legal", type_=REJECTION, rationale="no data sheet")
    approved.clock = NOW + 86_500
    append(Governance(approved.log, approved.keys["ann"]), [body])
    assert approved.verdict(now=NOW + 86_500).reasons[0].startswith("rejected by ann")
    approved.approve("ann", "legal", seen=len(approved.said()))
    assert approved.verdict(now=NOW + 86_500).admitted


@pytest.mark.parametrize("seen", [-1, "9", True, 1.5, None])
def test_what_is_no_offset_has_seen_nothing(approved: Any, seen: object) -> None:
    """Only what is not there is not said."""
    approved.approve("bob", "compliance", type_=REVOCATION, rationale="biased")
    approved.gates(seen=seen)
    approved.approve("dan", "legal")
    approved.approve("bob", "compliance")
    assert not approved.verdict().admitted


def publish(world: Any, who: str, digest: str = GOOD) -> None:
    world.say(who, PUBLISH, {"format": 1, "at": world.clock, "rationale": "the release"}, digest)


@pytest.fixture
def signed(world: Any) -> Any:
    """A policy that wants a signature of who published; all else is there."""
    world.policy = parse_policy(SIGNED.encode())
    world.set_policy(version=2)
    world.gates()
    world.approve("ann", "legal")
    world.approve("bob", "compliance")
    return world


def test_who_published_must_have_signed_it_where_the_policy_asks(signed: Any) -> None:
    """By a key with the role; of this digest."""
    why = "nobody with the role publish has signed that they published it"
    assert why in signed.verdict().reasons
    publish(signed, "bob")
    publish(signed, "eve")
    publish(signed, "cyd", OTHER)
    assert why in signed.verdict().reasons
    publish(signed, "cyd")
    assert signed.verdict().admitted


def test_a_key_that_lost_the_role_has_published_nothing(signed: Any) -> None:
    """Another of the role must say so."""
    publish(signed, "cyd")
    roles = dict(signed.content().roles)
    roles["publish"] = roles["publish"].model_copy(update={"keys": [signed.keys["dan"].id]})
    signed.change_root(signed.root(version=2, previous=signed.first.digest, roles=roles))
    assert not signed.verdict().admitted
    publish(signed, "dan")
    assert signed.verdict().admitted


def test_who_signed_that_they_published_does_not_approve(approved: Any) -> None:
    """Whatever the lineage says, and whether or not the policy asks for the signature; also who has left since."""
    publish(approved, "dan")
    verdict = approved.verdict()
    assert verdict.admitted is False
    assert any("dan published the package" in each for each in verdict.reasons)
    approved.approve("ann", "legal")
    assert approved.verdict().admitted


def test_publications_are_told_with_who_and_when(signed: Any) -> None:
    """Those of strangers to the role as such."""
    publish(signed, "cyd")
    publish(signed, "bob")
    said: list[Said] = signed.said()
    roots = fold_roots(signed.first, said)
    found = publications_of(roots, said, GOOD)
    assert [(each.person, each.may, each.at, each.rationale) for each in found] == [
        ("cyd", True, signed.clock, "the release"), ("bob", False, signed.clock, "the release")
    ]  # fmt: skip
    assert refusal(roots, signed.keys["cyd"].id, 99) is None
    assert "has not the role publish" in str(refusal(roots, signed.keys["bob"].id, 99))
    assert b'"seen":7' in encode_publication(GOOD, 1.0, "x", 7)


def test_policies_without_these_keys_keep_their_digest() -> None:
    """They came later."""
    canonical = parse_policy(TEXT.encode()).canonical()
    assert b"bound" not in canonical
    assert b"signed_publication" not in canonical
