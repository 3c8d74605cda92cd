"""What the verifier makes of a certificate's statements is what admission makes of them, whatever was said."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from audit.proof import certificate_policy as policies
from audit.proof import certificate_rules as rules
from audit.proof import certificate_said as pure
from audit.proof.dsse import Envelope, key_id
from audit.proof.errors import FormatError, NotProved
from audit.proof.keys import form_of
from registry.admission import evaluate, policy_in_force
from registry.approvals.root import (
    ROOT_TYPE,
    KeyModel,
    RoleModel,
    Root,
    RootModel,
    fold_roots,
    parse_root,
    root_predicate,
    sign_root,
)
from registry.policy import parse_policy
from registry.statement import APPROVAL, GATES, POLICY, PUBLISH, REJECTION, REVOCATION, ROOT, Said

NOW: Final = 1_700_000_000.0
DIGEST: Final = "sha256:" + "ab" * 32
PEOPLE: Final = ("ann", "bob", "cyd")
ROLES: Final = ("legal", "compliance", "officer", "gates", "policy", "root", "publish")
HAS: Final = {
    "root": ["ann", "bob"], "policy": ["ann"], "gates": ["cyd"], "legal": ["ann", "bob"],
    "compliance": ["bob", "ann"], "officer": ["ann", "bob", "cyd"], "publish": ["bob", "cyd"],
}  # fmt: skip
TEXT: Final = """
format: 1
change: {roles: {legal: 1, compliance: 1}}
services:
  credit:
    gates: {documentation: {}}
    approvals: {roles: {legal: 1, compliance: 1}, valid_days: %d, publisher_may_approve: %s}
    break_glass: {roles: {officer: 2}, valid_hours: 1}
    canary: {gates: [], roles: {legal: 1}}
    shadow: {gates: [documentation]}
  cards:
    gates: {size: {megabytes: 5}}
    approvals: {roles: {officer: 1}}
"""
LATER: Final = TEXT.replace("    break_glass: {roles: {officer: 2}, valid_hours: 1}\n", "").replace(
    "legal: 1, compliance: 1}, valid", "legal: 1}, valid"
)
POLICIES: Final = tuple(
    parse_policy((text % (days, own)).encode())
    for text, days, own in ((TEXT, 10, "false"), (TEXT, 20, "true"), (LATER, 30, "false"))
)


class Key:
    def __init__(self, key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public_key = form_of(key.public_key())
        self.id = key_id(self.public_key)

    def sign(self, message: bytes) -> bytes:
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(message)
        return self._key.sign(message, ec.ECDSA(SHA256() if self._key.key_size == 256 else SHA384()))


# One of each kind.
KEYS: Final = {
    "ann": Key(ec.derive_private_key(1, ec.SECP256R1())),
    "bob": Key(Ed25519PrivateKey.from_private_bytes(bytes([2]) * 32)),
    "cyd": Key(ec.derive_private_key(3, ec.SECP384R1())),
}


def root(
    version: int, previous: Root | None, until: dict[str, int], *signers: str, gone: str = "", gains: str = ""
) -> Root:
    """A root in which these people's keys were rotated, one person has no role but `root`, and one has every other."""
    keys = {
        each.id: KeyModel(public=each.public_key.hex(), person=name, until=until.get(name))
        for name, each in KEYS.items()
    }
    roles = {
        role: RoleModel(
            keys=[
                each.id
                for name, each in KEYS.items()
                if (name in names and (role == "root" or name != gone)) or (role != "root" and name == gains)
            ],
            threshold=1,
        )
        for role, names in HAS.items()
    }
    content = RootModel(
        version=version, previous=previous.digest if previous else None, keys=keys, roles=roles
    )
    return sign_root(content, [KEYS[each] for each in signers])


FIRST: Final = root(1, None, {}, "ann")
SECOND: Final = {
    "follows": root(2, FIRST, {"bob": 4}, "ann"),
    "leaves": root(2, FIRST, {}, "bob", gone="bob"),
    "gains": root(2, FIRST, {}, "ann", gains="cyd"),
    "gives": root(2, FIRST, {}, "ann", gains="ann"),
    "unsigned": root(2, FIRST, {"bob": 4}, "cyd"),
    "leaps": root(3, FIRST, {"bob": 4}, "ann"),
}

# Most of what is drawn is what would count, so that whether the rest counts decides.
event = st.tuples(
    st.sampled_from(
        [APPROVAL] * 4 + [GATES] * 2 + [REJECTION] * 2 + [REVOCATION, PUBLISH, POLICY, ROOT, "again"]
    ),
    st.sampled_from(PEOPLE),
    st.sampled_from(["legal", "compliance", "legal", "compliance", "officer", *ROLES]),
    st.sampled_from(["credit"] * 5 + ["cards"]),
    st.sampled_from([0] * 5 + [1, 2]),
    st.sampled_from([False, False, True]),
    st.sampled_from(["passed"] * 5 + ["failed", ("passed", "failed"), ("failed", "passed"), 1]),
    st.sampled_from(
        [0] * 6 + [-11 * 86_400, -1800, -3600, 1000, float("nan"), float("inf"), True, "1", 10**400]
    ),
    st.sampled_from(list(SECOND)),
)
ADMITTED: Final = (
    (GATES, "cyd", "gates", "credit", 0, False, "passed", 0, ""),
    (APPROVAL, "ann", "legal", "credit", 0, False, "passed", 0, ""),
    (APPROVAL, "bob", "compliance", "credit", 0, False, "passed", 0, ""),
)
BOB: Final = (APPROVAL, "bob", "compliance", "credit", 0, False, "passed", 0, "")
"""What he says; the parts of it are changed by name."""
PARTS: Final = ("type", "who", "role", "service", "policy", "glass", "verdict", "ago", "second")


def says(**changed: Any) -> tuple[Any, ...]:
    """BOB, changed."""
    return tuple(changed.get(name, part) for name, part in zip(PARTS, BOB, strict=True))


REVOKED: Final = (says(type=REVOCATION, who="ann", role="legal"), *ADMITTED)
EMERGENCY: Final = tuple(says(who=who, role="officer", glass=True) for who in ("ann", "cyd"))
GIVEN: Final = (says(type=ROOT, who="ann", role="root", second="gains"),)
LATE: Final = (says(who="cyd", role="legal"), says(type=GATES, who="ann", role="gates"))
CYD: Final = says(who="cyd")
"""Has every role once the root of `gains` is there."""
REJECTED: Final = (*GIVEN, *ADMITTED, CYD, says(type=REJECTION))
"""Admitted, but for the rejection."""
# What chance seldom tells whole: each of these decides after one of the beginnings.
STORIES: Final = (
    (*REVOKED[:3], CYD), REVOKED[:2], (*REVOKED[:2], BOB), (says(type=REJECTION),), (says(glass=True),),
    (says(policy=1),), (says(ago=None),), EMERGENCY, (says(type=PUBLISH, who="cyd", role="publish"), *EMERGENCY),
    (*LATE, *GIVEN), (*GIVEN, *LATE),
)  # fmt: skip
BEGINNINGS: Final[tuple[tuple[Any, ...], ...]] = ((), ADMITTED, REJECTED, (*GIVEN, *ADMITTED[1:], CYD))
events = st.tuples(
    st.sampled_from(BEGINNINGS),
    st.lists(
        st.one_of(event.map(lambda one: (one,)), st.sampled_from([(one,) for one in ADMITTED])), max_size=9
    )
    | st.lists(st.sampled_from(STORIES), max_size=2),
).map(lambda drawn: [*drawn[0], *(one for story in drawn[1] for one in story)])


def made(at: object) -> object:
    """As gate results say it, of a time that has one."""
    usual = isinstance(at, float) and math.isfinite(at)
    return datetime.fromtimestamp(at, UTC).isoformat() if usual else at  # type: ignore[arg-type]


def told(drawn: list[tuple[Any, ...]]) -> list[Said]:
    """The log: a policy in force, and what was drawn after it."""
    drawn = [(POLICY, "ann", "policy", "credit", 0, False, 1, 0, ""), *drawn]
    found: list[Said] = []
    for type_, who, role, service, number, flag, verdict, ago, second in drawn:
        offset = len(found)
        logged = int((NOW + offset) * 1000)
        if type_ == "again":
            found.append(found[number % offset]._replace(offset=offset, logged=logged))
            continue
        at: Any = NOW + offset + ago if type(ago) is float or (type(ago) is int and ago < 10**9) else ago
        subject = DIGEST
        predicate: dict[str, Any] = {
            "service": service, "role": role, "policy": POLICIES[number].digest, "at": at, "break_glass": flag,
            "results": [
                *({"name": "documentation", "verdict": each} for each in _each(verdict)),
                {"name": "size", "verdict": "passed"},
            ],
            "made": made(at),
        }  # fmt: skip
        if type_ == POLICY:
            subject = POLICIES[number].digest
            predicate = {
                "version": number + 1,
                "role": role,
                "text": POLICIES[number].canonical().decode(),
            }
        if type_ == ROOT:
            new = second if isinstance(second, Root) else SECOND[second]
            subject, predicate = new.digest, root_predicate(new)
        raw = json.dumps([type_, predicate]).encode()
        found.append(
            Said(
                offset,
                logged,
                0,
                KEYS[who].id,
                verdict != 1 or type_ == POLICY,
                type_,
                (subject,),
                predicate,
                raw,
            )
        )
    return found


def _each(verdict: object) -> tuple[object, ...]:
    """What the results say of one gate: most say it once."""
    return verdict if isinstance(verdict, tuple) else (verdict,)


def as_pure(said: list[Said]) -> list[pure.Said]:
    """The same, as the verifier has it."""
    return [
        pure.Said(
            each.offset, each.logged, each.author, each.holds is True, each.type, each.subjects, each.predicate,
            each.raw,
        )
        for each in said
    ]  # fmt: skip


@settings(max_examples=200)
@given(
    events,
    st.sampled_from(["credit"] * 4 + ["cards", "loans"]),
    st.sampled_from(["live", "live", "canary", "shadow"]),
    st.sampled_from(["ann", "bob", "Bob ", "an\u200bn", "zoe", None]),
)
def test_the_two_sides_agree(drawn: list[Any], service: str, slot: str, publisher: str | None) -> None:
    """Roots, policy, verdict, who approved and until when, whatever stands in the log."""
    agree(drawn, service, slot, publisher)


@pytest.mark.parametrize("publisher", ["zoe", "ann"])
@pytest.mark.parametrize("slot", ["live", "canary", "shadow"])
def test_the_two_sides_agree_on_each_story(slot: str, publisher: str) -> None:
    """Each after each beginning: in lists that are drawn, few are all there and in their order."""
    told = {
        begin: [agree([*begin, *story], "credit", slot, publisher) for story in STORIES]
        for begin in BEGINNINGS
    }
    assert {True, False} == {admitted for each in told.values() for admitted in each}


slots = st.sampled_from(["live", "canary", "shadow"])


def rekeyed(before: Root, person: str) -> Root:
    """The root that follows, in which somebody has another key in the place of all that they had."""
    content, new = before.content, Key(ec.derive_private_key(99, ec.SECP256R1()))
    gone = {name for name, key in content.keys.items() if key.person == person}
    roles = {
        role: each.model_copy(
            update={
                "keys": [
                    *(one for one in each.keys if one not in gone),
                    *([new.id] if gone & set(each.keys) else []),
                ]
            }
        )
        for role, each in content.roles.items()
    }
    keys = {name: key for name, key in content.keys.items() if name not in gone}
    keys[new.id] = KeyModel(public=new.public_key.hex(), person=person)
    made = RootModel(version=before.version + 1, previous=before.digest, keys=keys, roles=roles)
    return sign_root(made, [KEYS["ann"], KEYS["bob"], new])


@settings(max_examples=60)
@given(events, slots, st.sampled_from(PEOPLE))
def test_a_rejection_is_heard_whatever_stands_before_it(drawn: list[Any], slot: str, person: str) -> None:
    """Of whoever signs for live, in every slot, and by whatever key they have the role later; on both sides.

    That the two agree does not say that they are right: this does.
    """
    said = told(drawn)
    roots = fold_roots(FIRST, said)
    policy = policy_in_force(roots, said)
    assert policy is not None
    signers = policy.policy.services["credit"].approvals.roles
    role = next((each for each in signers if roots.now.person(KEYS[person].id, each, len(said))), None)
    assume(role is not None)
    rejected = [*drawn, says(type=REJECTION, who=person, role=role)]
    for log in (rejected, [*rejected, says(type=ROOT, second=rekeyed(roots.now, person))]):
        judged = both(log, "credit", slot, "zoe")
        assert not judged.admitted or judged.break_glass


@settings(max_examples=60, suppress_health_check=[HealthCheck.filter_too_much])
@given(events, slots)
def test_what_everybody_renews_ends_later(drawn: list[Any], slot: str) -> None:
    """On both sides: the first end is that of the oldest renewal, of whoever has approved it, and of nothing before."""
    # From a package that is admitted: most of what is drawn alone admits nothing.
    drawn = [(*each[:7], -1800 if each[7] == 0 else each[7], *each[8:]) for each in (*ADMITTED, *drawn)]
    judged = both(drawn, "credit", slot, "zoe")
    assume(judged.admitted and not judged.break_glass and judged.expires is not None)
    said = told(drawn)
    policy = policy_in_force(fold_roots(FIRST, said), said)
    assert policy is not None
    assert judged.expires is not None
    number = next(at for at, each in enumerate(POLICIES) if each.digest == policy.digest)
    renewals = [says(who=who, role=role, policy=number) for role, who in judged.approved_by]
    days = policy.policy.services["credit"].approvals.valid_days
    later = both([*drawn, *renewals], "credit", slot, "zoe")
    assert later.admitted
    assert later.expires is not None
    assert later.expires >= NOW + len(said) + days * 86_400 > judged.expires - 300
    one = both([*drawn, *renewals[1:]], "credit", slot, "zoe")
    assert one.admitted
    assert one.expires is not None
    assert judged.expires <= one.expires <= later.expires


def test_a_renewal_moves_the_end_on_both_sides() -> None:
    """Signed half an hour before, and again; the older one, said later, takes nothing back."""
    old = [
        says(type=GATES, who="cyd", role="gates"),
        says(who="ann", role="legal", ago=-1800),
        says(ago=-1800),
    ]
    end = NOW + 10 * 86_400
    assert both(old, "credit", "live", "zoe").expires == end + 2 - 1800
    both_again = [*old, ADMITTED[1], BOB, says(ago=-1800)]
    assert both(both_again, "credit", "live", "zoe").expires == end + 4
    assert both(both_again, "credit", "live", "zoe").approvals == (2, 3), "the table names the first"


def test_a_rejection_does_not_go_with_its_key_on_either_side() -> None:
    """Bob has another key, and the old one is there no more; what it took back stays taken back."""
    root = says(type=ROOT, second=rekeyed(SECOND["gains"], "bob"))
    assert not agree([*REJECTED, root], "credit", "live", "zoe")
    assert agree([*REJECTED, BOB, root], "credit", "live", "zoe")
    assert not agree([*REJECTED, root, BOB], "credit", "live", "zoe"), "the old key is nobody's"
    leaves = says(type=ROOT, second=root_without(SECOND["gains"], "bob"))
    assert agree([*REJECTED, leaves], "credit", "live", "zoe")


def root_without(before: Root, person: str) -> Root:
    """The root that follows, in which somebody has no role but `root`."""
    content = before.content
    gone = {name for name, key in content.keys.items() if key.person == person}
    roles = {
        role: each.model_copy(
            update={"keys": [one for one in each.keys if one not in gone or role == "root"]}
        )
        for role, each in content.roles.items()
    }
    made = RootModel(version=before.version + 1, previous=before.digest, keys=content.keys, roles=roles)
    return sign_root(made, [KEYS["ann"]])


VALUES: Final[tuple[tuple[Any, ...], ...]] = (
    (APPROVAL, GATES, REJECTION, REVOCATION, PUBLISH, "again"), PEOPLE, ROLES, ("credit", "cards"), (0, 1),
    (False, True), ("passed", "failed", ("passed", "failed"), (None, "passed"), 1),
    (0, -11 * 86_400, 299, 302, 1000, float("nan"), True, 10**400), ("",),
)  # fmt: skip


def test_the_two_sides_agree_on_each_small_change_of_what_is_admitted() -> None:
    """Each field of each statement changed, and each such statement said besides, alone and before an approval."""
    verdicts = set()
    for place, one in enumerate(ADMITTED):
        for at, values in enumerate(VALUES):
            for value in values:
                changed = (*one[:at], value, *one[at + 1 :])
                for drawn in (
                    [*ADMITTED[:place], changed, *ADMITTED[place + 1 :]],
                    [*ADMITTED, changed],
                    [changed, *ADMITTED, ADMITTED[2]],
                    [*ADMITTED[:2], changed, (REJECTION, "bob", "legal", *ADMITTED[2][3:])],
                ):
                    verdicts.add(agree(drawn, "credit", "live", "zoe"))
                    agree([*drawn, (ROOT, "ann", "root", "credit", 0, False, "passed", 0, "follows")],
                          "credit", "canary", "ann")  # fmt: skip
    assert verdicts == {True, False}


def test_a_revocation_stays_when_a_later_policy_knows_its_role_no_more() -> None:
    """Of the officer, who may revoke by the policy of that time; by the policy of now that role may not."""
    before = [
        (GATES, "cyd", "gates", "credit", 2, False, "passed", 0, ""),
        (APPROVAL, "ann", "legal", "credit", 2, False, "passed", 0, ""),
    ]
    revoked = (REVOCATION, "cyd", "officer", "credit", 2, False, "passed", 0, "")
    change = [
        (POLICY, "ann", "legal", "credit", 2, False, 1, 0, ""),
        (POLICY, "bob", "compliance", "credit", 2, False, 1, 0, ""),
    ]
    assert agree([*before, *change], "credit", "live", "zoe")
    assert not agree([*before, revoked, *change], "credit", "live", "zoe")
    assert agree([*before, *change, revoked], "credit", "live", "zoe")


def test_what_was_kept_back_until_after_a_revocation_counts_on_neither_side() -> None:
    """Approvals, gates, a rejection taken back: signed an hour before and appended after."""
    revoked = (REVOCATION, "ann", "legal", "credit", 0, False, "passed", 0, "")
    kept = [(*each[:7], -3600, "") for each in ADMITTED]
    assert agree([*ADMITTED], "credit", "live", "zoe")
    assert not agree([revoked, *kept], "credit", "live", "zoe")
    assert agree([revoked, *ADMITTED], "credit", "live", "zoe")
    for place in range(len(kept)):
        told = [*ADMITTED[:place], kept[place], *ADMITTED[place + 1 :]]
        assert not agree([revoked, *told], "credit", "live", "zoe")
        assert agree(told, "credit", "live", "zoe")
    rejected = (REJECTION, *ADMITTED[1][1:])
    assert not agree([*ADMITTED, rejected, kept[1]], "credit", "live", "zoe")
    assert agree([*ADMITTED, rejected, ADMITTED[1]], "credit", "live", "zoe")


@pytest.mark.parametrize(
    ("told", "admitted"),
    [
        ((*REJECTED, *REVOKED[:3], CYD), False),  # revoked by ann, and bob's rejection stands
        ((*REJECTED, *REVOKED[:3], CYD, BOB), True),
        ((*REJECTED, says(glass=True)), False),
        ((*REJECTED, says(policy=1)), False),
        ((*REJECTED, says(ago=None)), False),
        ((*REJECTED, says(ago=302)), False),
        ((*REJECTED, says(service="cards")), False),
        ((*REJECTED, says(role="legal")), True),
    ],
)
def test_a_rejection_ends_with_its_authors_plain_approval_on_both_sides(told: Any, admitted: bool) -> None:
    """Nobody else's word ends it, and no other word of theirs; without it all would be there."""
    assert agree(list(told), "credit", "live", "zoe") is admitted
    assert agree([each for each in told if each[0] != REJECTION], "credit", "live", "zoe")


@pytest.mark.parametrize("slot", ["live", "canary", "shadow"])
def test_who_signs_for_live_rejects_for_every_slot_on_both_sides(slot: str) -> None:
    """The canary asks legal alone and the shadow nobody; a certificate says what was against it, taken back or not."""
    no = says(type=REJECTION)
    assert agree([*ADMITTED], "credit", slot, "zoe")
    assert not agree([*ADMITTED, no, ADMITTED[1]], "credit", slot, "zoe")
    assert agree([*ADMITTED, no, BOB], "credit", slot, "zoe")
    assert agree([*ADMITTED, says(type=REJECTION, role="officer")], "credit", slot, "zoe")
    assert words([*ADMITTED, no, BOB], slot) == (
        "bob (compliance) rejected it at offset 4 and approved it again at offset 5",
    )
    assert words([*ADMITTED, says(type=REJECTION, role="officer")], slot) == (
        "a rejection at offset 4 does not count: its key has no role that may reject",
    )
    assert words([*ADMITTED, no, *EMERGENCY], slot) == (
        "bob (compliance) rejected it at offset 4, which stands: the emergency goes without it",
    )


def words(drawn: list[Any], slot: str) -> tuple[str, ...]:
    """What the certificate of a package that may answer says of its rejections."""
    ours = as_pure(told(drawn))
    chain, _ = pure.fold_roots(pure.parse_root(FIRST.envelope.encode()), ours)
    judged = rules.judge(
        chain, policies.policy_in_force(chain, ours), ours, service="credit", digest=DIGEST, slot=slot,
        now=NOW + len(ours), publisher="zoe",
    )  # fmt: skip
    assert judged.admitted, judged.reasons
    return judged.rejected


def test_a_role_given_later_counts_for_nothing_before_on_both_sides() -> None:
    """Cyd approves as legal, ann speaks for the gates: counted once the root has said so, and not for before."""
    cyd, ann = LATE
    gives = says(type=ROOT, who="ann", role="root", second="gives")
    for root_of, said, rest in ((GIVEN[0], cyd, (ADMITTED[0], BOB)), (gives, ann, (ADMITTED[1], BOB))):
        assert agree([*rest, root_of, said], "credit", "live", "zoe")
        assert not agree([*rest, said, root_of], "credit", "live", "zoe")


def test_the_publisher_is_no_half_of_an_emergency_on_either_side() -> None:
    """By the package's word or by signature."""
    assert [agree([*EMERGENCY], "credit", "live", each) for each in ("zoe", "ann", "bob", None)] == [
        True,
        False,
        True,
        False,
    ]
    published = says(type=PUBLISH, who="cyd", role="publish")
    assert not agree([published, *EMERGENCY], "credit", "live", "zoe")


def test_a_name_that_is_written_otherwise_is_the_same_persons_on_both_sides() -> None:
    """The publisher's; one of an emergency; and of two people of a root that differ only so, there is one."""
    for name in ("Ann", "ann ", "an\u200bn", "\uff41\uff4e\uff4e"):
        assert not agree([*ADMITTED], "credit", "live", name)
        assert not agree([*EMERGENCY], "credit", "live", name)
        content = SECOND["gains"].content
        keys = {
            key: each.model_copy(update={"person": name}) if each.person == "bob" else each
            for key, each in content.keys.items()
        }
        made = RootModel(version=2, previous=FIRST.digest, keys=keys, roles=content.roles)
        twins = says(type=ROOT, second=sign_root(made, [KEYS["ann"]]))
        assert not agree([twins, *ADMITTED], "credit", "live", "zoe")
        assert agree([twins, *ADMITTED, CYD], "credit", "live", "zoe")


def test_a_gate_that_is_there_twice_has_passed_where_all_of_it_has_on_both_sides() -> None:
    """In whatever order."""
    for told, may in (
        (("passed", "passed"), True),
        (("passed", "failed"), False),
        (("failed", "passed"), False),
    ):
        gates = says(type=GATES, who="cyd", role="gates", verdict=told)
        assert agree([gates, *ADMITTED[1:]], "credit", "live", "zoe") is may


def test_a_slot_that_wants_nobody_comes_back_on_both_sides() -> None:
    """With gates and one approval for live after the revocation; without either it does not."""
    assert agree([ADMITTED[0]], "credit", "shadow", "zoe")
    assert not agree([*ADMITTED, *REVOKED[:2]], "credit", "shadow", "zoe")
    assert not agree([*ADMITTED, REVOKED[0], BOB], "credit", "shadow", "zoe")
    assert agree([*ADMITTED, *REVOKED[:2], BOB], "credit", "shadow", "zoe")


def test_who_leaves_takes_their_signature_on_a_policy_along_on_both_sides() -> None:
    """Bob signs and loses the role; ann's later signature is alone."""
    signed = [
        (POLICY, "bob", "compliance", "credit", 2, False, 1, 0, ""),
        (ROOT, "ann", "root", "credit", 0, False, "passed", 0, "leaves"),
        (POLICY, "ann", "legal", "credit", 2, False, 1, 0, ""),
    ]
    under = [(*each[:4], 2, *each[5:]) for each in ADMITTED[:2]]
    assert agree([signed[0], signed[2], *under], "credit", "live", "zoe")
    assert not agree([*signed, *under], "credit", "live", "zoe")


def agree(drawn: list[Any], service: str, slot: str, publisher: str | None) -> bool:
    """Hold one to the other; whether it is admitted."""
    return both(drawn, service, slot, publisher).admitted


def both(drawn: list[Any], service: str, slot: str, publisher: str | None) -> rules.Judged:
    """Hold one to the other; the verdict."""
    said = told(drawn)
    now = NOW + len(said)
    roots = fold_roots(FIRST, said)
    policy = policy_in_force(roots, said)
    verdict = evaluate(
        roots, policy, said, service=service, digest=DIGEST, slot=slot, now=now, publisher=publisher
    )
    ours = as_pure(said)
    chain, _ = pure.fold_roots(pure.parse_root(FIRST.envelope.encode()), ours)
    found = policies.policy_in_force(chain, ours)
    judged = rules.judge(
        chain, found, ours, service=service, digest=DIGEST, slot=slot, now=now, publisher=publisher
    )
    assert [(offset, each.digest) for offset, each in chain.chain] == [
        (offset, each.digest) for offset, each in roots.chain
    ]
    assert (found and (found.digest, found.version, found.offset)) == (
        policy and (policy.digest, policy.version, policy.offset)
    )
    assert judged.admitted == verdict.admitted, (judged, verdict)
    assert (judged.break_glass, judged.expires) == (verdict.break_glass, verdict.expires)
    if verdict.admitted:
        assert judged.approved_by == verdict.approved_by
    assert bool(judged.reasons) == bool(verdict.reasons)
    return judged


@pytest.mark.parametrize(
    "change",
    [
        {"version": 0}, {"version": True}, {"version": 1.0}, {"version": 2}, {"previous": "sha256:" + "0" * 64},
        {"format": 2}, {"format": True}, {"more": 1}, {"keys": []}, {"roles": {}}, {"keys": {}},
        {"roles": {"root": {"keys": [], "threshold": 1}}},
        {"roles": {"root": {"keys": [KEYS["ann"].id], "threshold": 2}}},
        {"roles": {"root": {"keys": [KEYS["ann"].id], "threshold": 0}}},
        {"roles": {"root": {"keys": [KEYS["ann"].id], "threshold": 1}, "a b": {"keys": [], "threshold": 1}}},
        {"roles": {"root": {"keys": ["00"], "threshold": 1}}},
        {"keys": {KEYS["ann"].id: {"public": "00" * 32, "person": "ann"}}},
        {"keys": {KEYS["ann"].id: {"public": KEYS["ann"].public_key.hex(), "person": "ann", "until": -1}}},
        {"keys": {KEYS["ann"].id: {"public": KEYS["ann"].public_key.hex(), "person": ""}}},
        {"keys": {KEYS["ann"].id: {"public": KEYS["ann"].public_key.hex(), "person": "a", "x": 1}}},
    ],
)  # fmt: skip
def test_both_sides_refuse_the_same_roots(change: dict[str, Any]) -> None:
    """What is no root for the registry is none for the verifier."""
    payload = json.dumps(json.loads(FIRST.envelope.payload) | change).encode()
    raw = Envelope(ROOT_TYPE, payload, FIRST.envelope.signatures).encode()
    for parse in (parse_root, pure.parse_root):
        with pytest.raises((FormatError, NotProved)):
            parse(raw)


def of_one_key(public: str) -> bytes:
    """A root whose only key that is, under its id."""
    try:
        name = key_id(bytes.fromhex(public))
    except ValueError:
        name = key_id(b"")
    content = {
        "format": 1, "version": 1, "previous": None, "keys": {name: {"public": public, "person": "ann"}},
        "roles": {"root": {"keys": [name], "threshold": 1}},
    }  # fmt: skip
    return Envelope(ROOT_TYPE, json.dumps(content).encode(), FIRST.envelope.signatures).encode()


POINT: Final = ec.derive_private_key(1, ec.SECP256R1()).public_key()


@pytest.mark.parametrize("key", KEYS.values(), ids=PEOPLE)
def test_both_sides_take_each_kind_of_key(key: Key) -> None:
    """In its one form."""
    raw = of_one_key(key.public_key.hex())
    assert parse_root(raw).public_keys() == [key.public_key]
    assert [each.public for each in pure.parse_root(raw).keys.values()] == [key.public_key]


@pytest.mark.parametrize(
    "public",
    [
        "", "0", "00" * 31, "00" * 33, "04" + "00" * 64, "04" + "11" * 64, "04" + "00" * 96,
        KEYS["ann"].public_key.hex()[2:], KEYS["ann"].public_key.hex() + "00",
        "06" + KEYS["ann"].public_key.hex()[2:], "07" + KEYS["ann"].public_key.hex()[2:],
        POINT.public_bytes(Encoding.X962, PublicFormat.CompressedPoint).hex(),
        POINT.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex(),
        ec.derive_private_key(1, ec.SECP521R1()).public_key()
        .public_bytes(Encoding.X962, PublicFormat.UncompressedPoint).hex(),
        KEYS["ann"].public_key.hex().upper(), KEYS["bob"].public_key.hex().upper(),
        KEYS["ann"].public_key.hex(" "), KEYS["ann"].public_key.hex() + "\n",
    ],
)  # fmt: skip
def test_both_sides_refuse_another_form_of_a_key(public: str) -> None:
    """A second spelling would be a second key of one person, and the same root with another digest."""
    raw = of_one_key(public)
    for parse in (parse_root, pure.parse_root):
        with pytest.raises(FormatError):
            parse(raw)


@pytest.mark.parametrize("twice", [True, False])
def test_two_keys_of_one_person_are_one_signature_on_both_sides(twice: bool) -> None:
    """An old key and one in an HSM, say: a threshold counts people. Nor is a key two, that a role names twice."""
    other = KEYS["cyd"]
    content = RootModel(
        version=1,
        keys={
            KEYS["ann"].id: KeyModel(public=KEYS["ann"].public_key.hex(), person="ann"),
            KEYS["bob"].id: KeyModel(public=KEYS["bob"].public_key.hex(), person="bob"),
            other.id: KeyModel(public=other.public_key.hex(), person="ann"),
        },
        roles={
            "root": RoleModel(
                keys=[KEYS["ann"].id, KEYS["bob"].id, KEYS["ann"].id if twice else other.id], threshold=2
            )
        },
    )
    for signers, people in ((("ann", "cyd", "ann"), {"ann"}), (("ann", "cyd", "bob"), {"ann", "bob"})):
        raw = sign_root(content, [KEYS[each] for each in signers]).envelope.encode()
        ours, theirs = parse_root(raw), pure.parse_root(raw)
        assert (ours.signers(ours), theirs.signers(theirs)) == (people, people)
        for check in (ours.check, theirs.check):
            if len(people) == 2:
                check(None)
            else:
                with pytest.raises(NotProved, match="by 1 of the 2 people"):
                    check(None)
