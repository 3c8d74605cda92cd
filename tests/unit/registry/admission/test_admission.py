"""What an insider could try: each is refused, and docs/threat-model-approvals.md has a row for it."""

from __future__ import annotations

from typing import Any

import pytest

from audit.proof.certificate_rules import publisher_of
from registry.admission import policy_in_force
from registry.approvals.board import Board
from registry.approvals.lifted import lifted
from registry.approvals.proposals import proposals_of
from registry.approvals.root import KeyModel, Root, fold_roots
from registry.lineage.publisher import actor_of
from registry.policy import parse_policy
from registry.statement import POLICY, PUBLISH, REJECTION, REVOCATION
from tests.unit.registry.admission.conftest import GOOD, NOW, OTHER, TEXT

DAY = 86_400


def test_the_right_people_admit_a_package(approved: Any) -> None:
    """And the verdict says who, and until when."""
    verdict = approved.verdict()
    assert verdict.admitted, verdict.reasons
    assert verdict.approved_by == (("compliance", "bob"), ("legal", "dan"))
    assert verdict.expires == approved.clock + 10 * DAY


def test_what_is_missing_is_told(world: Any) -> None:
    """Role by role."""
    world.gates()
    world.approve("dan", "legal")
    verdict = world.verdict()
    assert (verdict.admitted, verdict.missing) == (False, {"compliance": 1})
    assert verdict.reasons == ("1 more of compliance must approve",)


def test_changed_bytes_are_another_digest(approved: Any) -> None:
    """Nothing that was signed is about them."""
    assert not approved.verdict(OTHER).admitted


def test_an_approval_of_another_digest_does_not_count(approved: Any) -> None:
    """Sent again byte for byte, it is still about the digest that was signed."""
    approved.gates(subject=OTHER)
    approved.replay(0, len(approved.said()))
    assert approved.verdict(OTHER).missing == {"legal": 1, "compliance": 1}


def test_approvals_sent_again_after_a_revocation_do_not_count(approved: Any) -> None:
    """The same signed bytes count where they stood first."""
    before = len(approved.said())
    approved.approve("bob", "compliance", type_=REVOCATION)
    approved.replay(0, before)
    assert len(approved.said()) == 2 * before + 1
    assert approved.verdict().missing == {"legal": 1, "compliance": 1}


def test_what_was_kept_back_until_after_a_revocation_does_not_count(world: Any) -> None:
    """Signed before it and appended after it, one after the other: who can write to the broker chooses the order."""
    signed = {"at": world.clock}
    world.clock += DAY
    world.approve("bob", "compliance", type_=REVOCATION, rationale="biased")
    world.gates(made="2023-11-14T22:13:20.000+00:00")
    world.approve("dan", "legal", **signed)
    world.approve("bob", "compliance", **signed)
    verdict = world.verdict()
    assert verdict.missing == {"legal": 1, "compliance": 1}
    assert "there are no gate results under the policy in force" in verdict.reasons
    assert "what stands at offset 3 was signed before the revocation" in verdict.reasons
    world.approve("dan", "legal")
    world.approve("bob", "compliance")
    for made in ("2023-11-15T22:13:20", "today", 1_800_000_000, None, "2023-11-15T23:13:19+01:00"):
        world.gates(made=made)
        assert not world.verdict().admitted, made
    world.gates(made="2023-11-15T23:13:20+01:00")
    assert world.verdict().admitted


def test_a_revocation_that_was_kept_back_ends_what_was_signed_before_it(approved: Any) -> None:
    """Appended before an older one, it is none the less the newest that was said."""
    approved.approve("bob", "compliance", type_=REVOCATION, at=approved.clock + 60)
    approved.approve("dan", "legal", type_=REVOCATION)
    for again in (30, 60):
        approved.clock += 30
        approved.gates()
        approved.approve("dan", "legal")
        approved.approve("bob", "compliance")
        assert approved.verdict().admitted == (again == 60)


def test_a_revocation_without_a_time_is_final(approved: Any) -> None:
    """Nobody can say that anything was signed after it."""
    approved.approve("bob", "compliance", type_=REVOCATION, at=None)
    approved.clock += DAY
    approved.gates()
    approved.approve("dan", "legal")
    approved.approve("bob", "compliance")
    assert approved.verdict().missing == {"legal": 1, "compliance": 1}


def test_an_emergency_that_was_kept_back_does_not_count(world: Any) -> None:
    """Break-glass approvals are approvals."""
    signed = {"at": world.clock, "break_glass": True}
    world.clock += 60
    world.approve("dan", "officer", type_=REVOCATION)
    world.approve("ann", "officer", **signed)
    world.approve("bob", "officer", **signed)
    assert not world.verdict().admitted


def test_an_approval_that_was_kept_back_takes_no_rejection_back(approved: Any) -> None:
    """Ann approved, thought better of it, and somebody appended the first word last."""
    signed = approved.clock
    approved.clock += 60
    approved.approve("ann", "legal", type_=REJECTION, rationale="no data sheet")
    approved.approve("ann", "legal", at=signed)
    assert approved.verdict().reasons[0] == "rejected by ann (legal): no data sheet"
    approved.approve("ann", "legal")
    assert approved.verdict().admitted


def test_an_approval_for_another_service_does_not_count(world: Any) -> None:
    """Signed for the one, used for the other."""
    world.gates()
    world.approve("dan", "legal", service="cards")
    world.approve("bob", "compliance")
    verdict = world.verdict()
    assert verdict.missing == {"legal": 1}
    assert "it is for cards" in verdict.reasons[1]


def test_an_old_policy_is_not_taken_again(approved: Any) -> None:
    """Signed and sent once more, it does not replace the newer one; approvals under it do not count."""
    old = approved.policy
    approved.policy = parse_policy(old.canonical().replace(b'"valid_days":10', b'"valid_days":5'), "policy")
    assert approved.policy.digest != old.digest
    approved.set_policy(version=2)
    assert "another policy" in " ".join(approved.verdict().reasons)
    approved.set_policy(policy=old, version=1)
    said = approved.said()
    found = policy_in_force(fold_roots(approved.first, said), said)
    assert found is not None
    assert (found.digest, found.version) == (approved.policy.digest, 2)


def test_a_signature_on_a_policy_that_was_given_up_does_not_come_back(world: Any) -> None:
    """Sent again, byte for byte, after another policy is in force: it still needs everybody's."""
    content = world.policy.canonical().replace(
        b'"change":{"roles":{"policy":1}}', b'"change":{"roles":{"policy":1,"legal":1}}'
    )
    world.policy = two = parse_policy(content, "policy")
    world.set_policy(version=2)
    given_up = parse_policy(content.replace(b'"valid_days":10', b'"valid_days":3650'), "policy")
    world.set_policy(version=4, policy=given_up)
    before = len(world.said())
    text = parse_policy(content.replace(b'"valid_days":10', b'"valid_days":9'), "policy")
    world.set_policy(version=3, policy=text)
    world.say("dan", POLICY, {"version": 3, "role": "legal", "text": text.canonical().decode()}, text.digest)
    world.replay(before - 1, before)
    world.say(
        "dan", POLICY, {"version": 4, "role": "legal", "text": given_up.canonical().decode()}, given_up.digest
    )
    said = world.said()
    found = policy_in_force(fold_roots(world.first, said), said)
    assert found is not None
    assert (found.version, found.digest) == (3, text.digest)
    assert found.before is not None
    assert found.before.digest == two.digest


def test_who_leaves_takes_their_signature_on_a_policy_along(world: Any) -> None:
    """Signed and then removed: the other one's signature does not bring it into force, until a third has signed."""
    content = world.policy.canonical().replace(
        b'"change":{"roles":{"policy":1}}', b'"change":{"roles":{"policy":1,"legal":1}}'
    )
    world.set_policy(version=2, policy=parse_policy(content, "policy"))
    milder = parse_policy(content.replace(b'"valid_days":10', b'"valid_days":3650'), "policy")
    told = {"version": 3, "text": milder.canonical().decode()}
    world.say("dan", POLICY, told | {"role": "legal"}, milder.digest)
    roles = dict(world.content().roles)
    roles["legal"] = roles["legal"].model_copy(update={"keys": [world.keys["ann"].id]})
    world.change_root(world.root(version=2, previous=world.first.digest, roles=roles))
    for who, role, version in (("cyd", "policy", 2), ("ann", "legal", 3)):
        world.say(who, POLICY, told | {"role": role}, milder.digest)
        said = world.said()
        roots = fold_roots(world.first, said)
        found = policy_in_force(roots, said)
        assert found is not None
        assert found.version == version
        waiting = [(each.signed, each.missing) for each in proposals_of(roots, said, found)]
        assert waiting == ([({"cyd": "policy"}, {"legal": 1})] if version == 2 else [])


def test_a_policy_of_nobody_is_none(world: Any) -> None:
    """Neither of a stranger nor of somebody in another role."""
    for who in ("eve", "dan"):
        world.set_policy(who, version=9)
    said = world.said()
    found = policy_in_force(fold_roots(world.first, said), said)
    assert found is not None
    assert found.version == 1


def test_a_key_that_was_taken_out_counts_for_nothing(approved: Any) -> None:
    """Not even for what it signed before."""
    content = approved.content()
    gone = approved.keys["dan"].id
    roles = {
        name: role.model_copy(update={"keys": [each for each in role.keys if each != gone]})
        for name, role in content.roles.items()
    }
    keys = {name: key for name, key in content.keys.items() if name != gone}
    approved.change_root(
        approved.root("ann", "bob", version=2, previous=approved.first.digest, roles=roles, keys=keys)
    )
    assert approved.verdict().missing == {"legal": 1}
    approved.approve("dan", "legal")
    assert approved.verdict().missing == {"legal": 1}


def test_a_rotated_key_counts_where_it_signed_before(approved: Any) -> None:
    """An approval stands when its key is renewed in due course; a thief of the old key signs nothing new."""
    content, old = approved.content(), approved.keys["dan"].id
    keys = dict(content.keys)
    keys[old] = keys[old].model_copy(update={"until": len(approved.said())})
    new = approved.keys["ann-new"]
    keys[new.id] = KeyModel(public=new.public_key.hex(), person="dan")
    roles = dict(content.roles)
    roles["legal"] = roles["legal"].model_copy(update={"keys": [*roles["legal"].keys, new.id]})
    approved.change_root(
        approved.root("ann", "bob", version=2, previous=approved.first.digest, roles=roles, keys=keys)
    )
    assert approved.verdict().admitted
    approved.approve("bob", "compliance", type_=REVOCATION)
    approved.gates()
    approved.approve("bob", "compliance")
    approved.approve("dan", "legal")
    assert approved.verdict().missing == {"legal": 1}
    approved.approve("ann-new", "legal")
    assert approved.verdict().admitted


@pytest.mark.parametrize("signers", [("ann",), ("eve", "cyd"), ("ann", "ann")])
def test_a_root_without_its_threshold_changes_nothing(approved: Any, signers: tuple[str, ...]) -> None:
    """One of two, strangers, or one person twice."""
    roles = dict(approved.content().roles)
    roles["legal"] = roles["legal"].model_copy(update={"keys": []})
    approved.change_root(approved.root(*signers, version=2, previous=approved.first.digest, roles=roles))
    assert approved.verdict().admitted


def test_a_root_that_follows_another_changes_nothing(approved: Any) -> None:
    """Signed by all the right people, and of the wrong number, or after a root that is not the one in force."""
    roles = dict(approved.content().roles)
    roles["legal"] = roles["legal"].model_copy(update={"keys": []})
    for version, previous in ((3, approved.first.digest), (2, "sha256:" + "00" * 32)):
        approved.change_root(approved.root(version=version, previous=previous, roles=roles))
        assert approved.verdict().admitted


def test_what_somebody_else_signed_in_a_name_does_not_count(world: Any, make_key: Any) -> None:
    """The entry names dan as its author, and eve has signed it."""
    world.gates()
    world.approve("bob", "compliance")
    forged = make_key(world.people["eve"])
    forged.public_key = world.keys["dan"].public_key
    world.keys["forged"] = forged
    world.approve("forged", "legal")
    assert world.verdict().missing == {"legal": 1}
    world.approve("dan", "legal")
    assert world.verdict().admitted


def test_a_policy_signed_in_another_role_first_is_signed_all_the_same(world: Any) -> None:
    """What somebody says in a role that is not asked for neither counts nor stands in the way."""
    text = world.policy.canonical().decode()
    world.say("cyd", POLICY, {"version": 2, "role": "deploy", "text": text}, world.policy.digest)
    world.set_policy(version=2)
    said = world.said()
    found = policy_in_force(fold_roots(world.first, said), said)
    assert found is not None
    assert found.version == 2


def test_a_revocation_voids_what_was_signed_before(approved: Any) -> None:
    """Approvals again, and gates, after it admit the package again."""
    approved.approve("bob", "compliance", type_=REVOCATION, rationale="biased")
    assert approved.verdict().reasons[0] == "revoked: biased"
    approved.approve("dan", "legal")
    approved.approve("bob", "compliance")
    assert not approved.verdict().admitted
    approved.gates()
    assert approved.verdict().admitted


def test_a_revocation_outlasts_the_role_that_gave_it(approved: Any) -> None:
    """Approved under the next policy already, then revoked by a role that this policy no longer names."""
    following = parse_policy(
        b"{format: 1, change: {roles: {policy: 1}}, "
        b"services: {credit: {gates: {documentation: {}}, approvals: {roles: {compliance: 1}}}}}"
    )
    before, approved.policy = approved.policy, following
    approved.gates()
    approved.approve("bob", "compliance")
    approved.policy = before
    approved.approve("dan", "legal", type_=REVOCATION, rationale="biased")
    approved.policy = following
    approved.set_policy(version=2)
    assert approved.verdict().reasons[0] == "revoked: biased"
    approved.gates()
    approved.approve("bob", "compliance")
    assert approved.verdict().admitted


def test_a_stranger_revokes_nothing(approved: Any) -> None:
    """Nor does somebody for another service, or who has only other roles."""
    approved.approve("eve", "compliance", type_=REVOCATION)
    approved.approve("pipeline", "gates", type_=REVOCATION)
    approved.approve("cyd", "policy", type_=REVOCATION)
    approved.approve("bob", "compliance", type_=REVOCATION, service="cards")
    assert approved.verdict().admitted


def test_a_rejection_holds_until_that_person_approves(approved: Any) -> None:
    """Whatever others sign."""
    approved.approve("ann", "legal", type_=REJECTION, rationale="no data sheet")
    assert approved.verdict().reasons[0] == "rejected by ann (legal): no data sheet"
    approved.approve("dan", "legal")
    assert not approved.verdict().admitted
    approved.approve("ann", "legal")
    assert approved.verdict().admitted


@pytest.mark.parametrize("slot", ["live", "canary", "shadow"])
def test_who_signs_for_live_rejects_for_every_slot(approved: Any, slot: str) -> None:
    """The canary asks legal alone and the shadow nobody; compliance has something against it all the same."""
    assert approved.verdict(slot=slot).admitted
    approved.approve("bob", "compliance", type_=REJECTION, rationale="unfair")
    assert approved.verdict(slot=slot).reasons[0] == "rejected by bob (compliance): unfair"
    approved.approve("dan", "legal")
    assert not approved.verdict(slot=slot).admitted
    approved.approve("bob", "compliance")
    assert approved.verdict(slot=slot).admitted
    approved.approve("bob", "officer", type_=REJECTION, rationale="no role of a signer")
    assert approved.verdict(slot=slot).admitted


def test_a_newer_policy_that_cannot_be_read_is_not_passed_over(approved: Any) -> None:
    """Nothing is admitted until one follows that can be, signed by those whom the unread one names."""
    approved.set_unread(who="ann")
    approved.set_unread(who="bob", role="compliance")
    approved.set_unread(text="no policy")
    approved.set_unread(text="[]")
    approved.set_unread(version=1)
    assert approved.verdict().admitted, "by nobody who may, no policy, or an older one"
    text = approved.policy.canonical().decode().replace('"format":1', '"format":2')
    approved.set_unread(text=text.replace('"roles":{"policy":1}', '"roles":{"legal":1}', 1))
    (why,) = approved.verdict().reasons
    assert why.startswith("version 2 of the policy (sha256:")
    assert "before an upgrade" in why
    approved.set_policy(version=3)
    assert not approved.verdict().admitted, "cyd is nobody whom it names"
    content = {"version": 3, "role": "legal", "text": approved.policy.canonical().decode()}
    approved.say("dan", POLICY, content, approved.policy.digest)
    assert approved.verdict().admitted


def renewed(world: Any, *, old: bool = False, bob: bool = True, after: Root | None = None) -> Root:
    """A later root: bob's key is another one, and his old one is there no more; or bob is not."""
    content, gone, new = world.content(), world.keys["bob"].id, world.keys["eve"]
    keys = {name: key for name, key in content.keys.items() if name != gone or old}
    if bob:
        keys[new.id] = KeyModel(public=new.public_key.hex(), person="bob")
    else:
        keys[new.id] = KeyModel(public=new.public_key.hex(), person="eve")
    roles = {
        name: role.model_copy(
            update={
                "keys": [*(each for each in role.keys if each != gone or old), new.id]
                if gone in role.keys
                else role.keys
            }
        )
        for name, role in content.roles.items()
    }
    before = after or world.first
    return world.root(
        "ann", "bob", "eve", version=before.version + 1, previous=before.digest, keys=keys, roles=roles
    )


def test_a_rejection_does_not_go_with_its_key(approved: Any) -> None:
    """Bob has another key, the old one is taken out: he still is who rejected it, until he approves or has no role."""
    approved.approve("bob", "compliance", type_=REJECTION, rationale="biased")
    approved.approve("ann", "compliance")
    approved.change_root(renewed(approved))
    verdict = approved.verdict()
    assert (verdict.admitted, verdict.missing) == (False, {})
    assert verdict.reasons[0] == "rejected by bob (compliance): biased"
    approved.approve("bob", "compliance")  # with the old key, which is nobody's
    assert approved.verdict().reasons[0].startswith("rejected by bob")
    approved.approve("eve", "compliance")  # eve's is bob's new one
    assert approved.verdict().admitted


def test_a_rejection_goes_with_the_role_of_its_author(approved: Any) -> None:
    """Bob is not there any more; whoever publishes that root is told what it ends."""
    approved.approve("bob", "compliance", type_=REJECTION, rationale="biased")
    approved.approve("ann", "compliance")
    said = approved.said()
    roots = fold_roots(approved.first, said)
    board = Board(roots, policy_in_force(roots, said), tuple(said), len(said))
    assert lifted(board, renewed(approved)) == ()
    (told,) = lifted(board, renewed(approved, bob=False))
    assert told == f"credit: {GOOD} would no longer be rejected by bob (compliance): biased (offset 4)"
    approved.change_root(renewed(approved, bob=False))
    assert approved.verdict().admitted


def test_what_was_taken_back_stays_so_when_its_key_goes(approved: Any) -> None:
    """With the same key. What a key that is gone has approved takes back what no other has rejected."""
    approved.approve("bob", "compliance", type_=REJECTION, rationale="biased")
    approved.approve("bob", "compliance")
    approved.approve("ann", "compliance")
    with_both = renewed(approved, old=True)
    approved.change_root(with_both)
    approved.approve("eve", "compliance", OTHER, REJECTION, rationale="by the new key")
    approved.approve("bob", "compliance", OTHER)
    assert approved.verdict(OTHER).rejected == ()
    approved.change_root(renewed(approved, after=with_both))
    assert approved.verdict().admitted
    assert "rejected by bob (compliance): by the new key" in approved.verdict(OTHER).reasons


def test_a_revocation_takes_nobody_elses_rejection_back(approved: Any) -> None:
    """Bob rejects; dan revokes; everybody else signs anew. Bob's word stands until bob approves."""
    approved.approve("bob", "compliance", type_=REJECTION, rationale="biased")
    approved.approve("dan", "legal", type_=REVOCATION, rationale="make room")
    approved.gates()
    approved.approve("dan", "legal")
    approved.approve("ann", "compliance")
    verdict = approved.verdict()
    assert (verdict.admitted, verdict.missing) == (False, {})
    assert "rejected by bob (compliance): biased" in verdict.reasons
    approved.approve("bob", "compliance")
    assert approved.verdict().admitted


@pytest.mark.parametrize(
    "said",
    [{"break_glass": True}, {"policy": OTHER}, {"at": None}, {"at": NOW + 3600}, {"service": "cards"}],
)
def test_only_a_plain_approval_under_the_policy_takes_a_rejection_back(
    approved: Any, said: dict[str, Any]
) -> None:
    """What would not count as an approval does not say that the package is good after all."""
    approved.approve("ann", "legal", type_=REJECTION, rationale="no data sheet")
    approved.approve("ann", "legal", **said)
    assert approved.verdict().reasons[0] == "rejected by ann (legal): no data sheet"


def test_a_rejection_that_was_taken_back_does_not_come_back_with_the_next_policy(approved: Any) -> None:
    """It was taken back under the policy of that time, which was the one to speak under."""
    approved.approve("ann", "legal", type_=REJECTION, rationale="no data sheet")
    approved.approve("ann", "legal")
    approved.policy = parse_policy(TEXT.replace("valid_days: 10", "valid_days: 11").encode())
    approved.approve("bob", "compliance", OTHER, REJECTION)
    approved.approve("bob", "compliance", OTHER)
    assert approved.verdict(OTHER).reasons[0].startswith("rejected by bob"), "the policy is not in force yet"
    approved.set_policy(version=2)
    for digest in (GOOD, OTHER):
        approved.gates(subject=digest)
        approved.approve("dan", "legal", digest)
        approved.approve("bob", "compliance", digest)
        assert approved.verdict(digest).admitted


def given(world: Any, who: str, *roles: str) -> None:
    """A root in which somebody has these roles, too."""
    content, key = world.content(), world.keys[who]
    has = {
        name: role.model_copy(update={"keys": [*role.keys, key.id]}) if name in roles else role
        for name, role in content.roles.items()
    }
    keys = content.keys | {key.id: KeyModel(public=key.public_key.hex(), person=who)}
    world.change_root(world.root(version=2, previous=world.first.digest, roles=has, keys=keys))


@pytest.mark.parametrize("before", [True, False])
def test_a_role_that_is_given_later_makes_nothing_of_what_was_signed_before(world: Any, before: bool) -> None:
    """Gate results, an approval, an emergency, a publication: each by who had no such role then."""
    world.policy = parse_policy(
        TEXT.replace("valid_days: 10", "valid_days: 10, signed_publication: true").encode()
    )
    world.set_policy(version=2)
    roles = ("gates", "legal", "officer", "publish")
    if not before:
        given(world, "eve", *roles)
    world.approve("bob", "compliance")
    world.gates("eve")
    world.approve("eve", "legal")
    world.approve("ann", "officer", break_glass=True)
    world.approve("eve", "officer", break_glass=True)
    assert world.verdict().break_glass is not before
    world.say("eve", PUBLISH, {"at": world.clock}, OTHER)
    world.gates(subject=OTHER)
    world.approve("dan", "legal", OTHER)
    world.approve("bob", "compliance", OTHER)
    assert world.verdict(OTHER).admitted is not before
    if before:
        given(world, "eve", *roles)
    late = world.verdict()
    assert late.break_glass is not before
    assert world.verdict(OTHER).admitted is not before
    said = world.said()
    roots = fold_roots(world.first, said)
    board = Board(roots, policy_in_force(roots, said), tuple(said), len(said))
    assert (board.gates("credit", GOOD) is None) is before
    assert board.emergency("credit", GOOD, world.clock, "zoe") == {"ann": "officer"} | (
        {} if before else {"eve": "officer"}
    )
    if before:
        assert late.missing == {"legal": 1}
        assert "there are no gate results under the policy in force" in late.reasons
        assert (
            "nobody with the role publish has signed that they published it" in world.verdict(OTHER).reasons
        )


def test_a_slot_that_wants_nobody_comes_back_with_an_approval_for_live(approved: Any) -> None:
    """Gates run every night, and a person has revoked it: a person must have signed since, whoever may for live."""
    assert approved.verdict(slot="shadow").admitted
    approved.approve("dan", "legal", type_=REVOCATION, rationale="biased")
    approved.gates()
    assert approved.verdict(slot="shadow").reasons == (
        "revoked: biased",
        "nobody who may sign for live has approved it since",
    )
    approved.approve("cyd", "legal")  # has not the role
    assert not approved.verdict(slot="shadow").admitted
    approved.approve("bob", "compliance")
    assert approved.verdict(slot="shadow").admitted
    assert not approved.verdict().admitted


def test_the_publisher_is_no_half_of_an_emergency(world: Any) -> None:
    """By the lineage or by signature, unless the policy lets publishers approve; and nobody is who is not known."""
    for who in ("ann", "bob"):
        world.approve(who, "officer", break_glass=True)
    assert [world.verdict(publisher=each).break_glass for each in ("zoe", "ann", None)] == [
        True,
        False,
        False,
    ]
    world.say("dan", PUBLISH, {"at": world.clock})
    world.approve("dan", "officer", break_glass=True)
    assert not world.verdict(publisher="ann").break_glass
    world.policy = parse_policy(
        TEXT.replace("valid_days: 10", "valid_days: 10, publisher_may_approve: true").encode()
    )
    world.set_policy(version=2)
    for who in ("ann", "dan"):
        world.approve(who, "officer", break_glass=True)
    assert world.verdict(publisher="ann").break_glass


def test_the_publisher_does_not_approve(approved: Any) -> None:
    """Nor does anybody approve what nobody is known to have published."""
    assert approved.verdict(publisher="dan").missing == {"legal": 1}
    assert approved.verdict(publisher=None).missing == {"legal": 1, "compliance": 1}


@pytest.mark.parametrize("name", ["Dan", "dan ", "dan\u200b", " d\ufe0fAN", "\uff44\uff41\uff4e"])
def test_a_name_that_is_written_otherwise_is_the_same_persons(approved: Any, name: str) -> None:
    """The publisher's; and of two people of a root that differ only so, there is one."""
    assert approved.verdict(publisher=name).missing == {"legal": 1}
    assert approved.verdict(publisher="dän").admitted
    approved.say("dan", PUBLISH, {"at": approved.clock})
    assert approved.verdict().missing == {"legal": 1}
    content, eve = approved.content(), approved.keys["eve"]
    compliance = content.roles["compliance"]
    approved.change_root(
        approved.root(
            version=2,
            previous=approved.first.digest,
            keys=content.keys | {eve.id: KeyModel(public=eve.public_key.hex(), person=name)},
            roles=content.roles
            | {"compliance": compliance.model_copy(update={"keys": [*compliance.keys, eve.id]})},
        )
    )
    approved.gates(subject=OTHER)
    approved.approve("dan", "legal", OTHER)
    approved.approve("eve", "compliance", OTHER)
    assert approved.verdict(OTHER).missing == {"compliance": 1}


@pytest.mark.parametrize("actor", ["unknown", "Unknown ", "un\u200bknown", "", " ", None, 7])
def test_a_publisher_without_a_name_is_nobody(approved: Any, actor: object) -> None:
    """An account that the machine has no name for wrote `unknown`: who it was may be one of those who approve."""
    assert actor_of({"actor": actor}) is publisher_of(actor) is None
    assert actor_of({"actor": "dan"}) == publisher_of("dan") == "dan"
    verdict = approved.verdict(publisher=actor_of({"actor": actor}))
    assert "nobody knows who published the package" in " ".join(verdict.reasons)


def test_nobody_signs_twice(world: Any) -> None:
    """Ann has both roles and counts for the one that she signed first."""
    world.gates()
    world.approve("ann", "legal")
    world.approve("ann", "compliance")
    assert world.verdict().missing == {"compliance": 1}


def test_of_a_persons_approvals_the_one_that_ends_last_counts(approved: Any) -> None:
    """Renewed on day 5 of 10 by one, and then by both; what is sent again, or is older, renews nothing."""
    approved.clock += 5 * DAY
    approved.approve("dan", "legal")
    assert approved.verdict().expires == NOW + 10 * DAY
    assert approved.verdict().counted == (4, 3)
    approved.approve("bob", "compliance")
    approved.approve("bob", "compliance", at=NOW + DAY)
    verdict = approved.verdict()
    assert (verdict.expires, verdict.counted) == (NOW + 15 * DAY, (4, 5))
    assert approved.verdict(now=NOW + 15 * DAY - 1).admitted
    assert approved.verdict(now=NOW + 15 * DAY).expired
    approved.gates(passed=False)
    assert "signed already" not in " ".join(approved.verdict().reasons)


def test_a_role_that_somebody_does_not_have_is_not_theirs(world: Any) -> None:
    """Whatever they write into the predicate."""
    world.gates()
    world.approve("cyd", "legal")
    world.approve("eve", "legal")
    world.approve("bob", "compliance")
    assert world.verdict().missing == {"legal": 1}


def test_approvals_expire(approved: Any) -> None:
    """On the second; and the verdict tells expiry from what never was approved."""
    assert approved.verdict(now=approved.clock + 10 * DAY - 1).admitted
    verdict = approved.verdict(now=approved.clock + 10 * DAY)
    assert (verdict.admitted, verdict.expired) == (False, True)
    assert not approved.verdict(OTHER, now=approved.clock + 10 * DAY).expired


@pytest.mark.parametrize("at", [5e9, float("nan"), float("inf"), None, True, "2023-11-14", 10**400])
def test_an_approval_from_the_future_does_not_count(world: Any, at: object) -> None:
    """Nor one without a time: it would never expire."""
    world.gates()
    world.approve("bob", "compliance")
    if isinstance(at, float) and at != 5e9:
        with pytest.raises(Exception, match="not JSON"):
            world.approve("dan", "legal", at=at)
        return
    world.approve("dan", "legal", at=at)
    assert world.verdict().missing == {"legal": 1}


def test_a_clock_set_back_finds_approvals_of_the_future(approved: Any) -> None:
    """Before they were signed, nothing is approved."""
    assert not approved.verdict(now=approved.clock - DAY).admitted


@pytest.mark.parametrize(
    "change",
    [
        {"passed": False},
        {"who": "dan"},
        {"service": "cards"},
        {"policy": OTHER},
        {"results": []},
        {"results": [{"name": "documentation", "verdict": True}]},
        {"results": [{"name": "documentation", "verdict": each} for each in ("passed", "failed")]},
        {"results": [{"name": "documentation", "verdict": each} for each in ("failed", "passed")]},
        {"results": [{"name": "documentation", "verdict": each} for each in (None, "passed")]},
    ],
)
def test_gates_must_have_passed_by_the_word_of_the_pipeline(approved: Any, change: dict[str, Any]) -> None:
    """The newest result counts, under this policy, for this service; what others say is none."""
    approved.approve("bob", "compliance", type_=REVOCATION)
    approved.approve("dan", "legal")
    approved.approve("bob", "compliance")
    approved.gates(**change)
    assert "gate" in " ".join(approved.verdict().reasons)
    approved.gates()
    assert approved.verdict().admitted


def test_canary_and_shadow_have_their_own_rules(world: Any) -> None:
    """Milder ones; a slot that there is not admits nothing."""
    assert world.verdict(slot="shadow").admitted
    world.gates()
    assert not world.verdict(slot="canary").admitted
    world.approve("dan", "legal")
    assert world.verdict(slot="canary").admitted
    assert not world.verdict(slot="live").admitted
    assert not world.verdict(slot="other").admitted
    assert not world.verdict(service="cards").admitted
    world.approve("bob", "compliance", type_=REVOCATION)
    assert not world.verdict(slot="shadow").admitted


def test_break_glass_takes_its_own_signers_and_is_short(world: Any) -> None:
    """Without gates and approvals; the verdict says so. A plain approval in that role is none."""
    world.approve("ann", "officer", break_glass=True)
    world.approve("bob", "officer")
    assert not world.verdict().admitted
    world.approve("bob", "officer", break_glass=True)
    verdict = world.verdict()
    assert (verdict.admitted, verdict.break_glass, verdict.expires) == (True, True, world.clock + 3600)
    assert not world.verdict(now=world.clock + 3600).admitted
    world.approve("dan", "officer", type_=REVOCATION)
    assert not world.verdict().admitted
