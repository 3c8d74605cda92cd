"""Admission and the verifier agree on what an approval is of, on what its signer had read, and on who published."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from audit.proof import certificate_policy as policies
from audit.proof import certificate_rules as rules
from audit.proof import certificate_said as pure
from registry.admission import evaluate, policy_in_force
from registry.approvals.root import KeyModel, RoleModel, RootModel, fold_roots, sign_root
from registry.policy import parse_policy
from registry.statement import APPROVAL, GATES, POLICY, PUBLISH, REJECTION, REVOCATION, Said
from tests.property.test_certificate_rules import DIGEST, KEYS, NOW, as_pure

_HAS: Final = {
    "root": ["ann"],
    "policy": ["ann"],
    "gates": ["cyd"],
    "legal": ["ann", "bob"],
    "publish": ["bob", "cyd"],
}
_ROOT: Final = sign_root(
    RootModel(
        version=1,
        keys={each.id: KeyModel(public=each.public_key.hex(), person=name) for name, each in KEYS.items()},
        roles={
            role: RoleModel(keys=[KEYS[each].id for each in who], threshold=1) for role, who in _HAS.items()
        },
    ),
    [KEYS["ann"]],
)
_POLICIES: Final = tuple(
    parse_policy(
        f"""
format: 1
change: {{roles: {{legal: 1}}}}
services:
  credit:
    gates: {{documentation: {{}}, size: {{megabytes: 5}}}}
    approvals: {{roles: {{legal: 1}}{bound}{signed}}}
    canary: {{gates: [size], roles: {{legal: 1}}}}
    shadow: {{}}
""".encode()
    )
    for bound in ("", ", bound: true", ", bound: false")
    for signed in ("", ", signed_publication: true")
)
event = st.tuples(
    st.sampled_from([APPROVAL, APPROVAL, APPROVAL, GATES, GATES, GATES, PUBLISH, REJECTION, REVOCATION]),
    st.sampled_from(["ann", "bob", "cyd"]),
    # how far it was read: to the end, not so far, beyond; what is no offset; not said
    st.sampled_from(["end"] * 4 + ["none", 0, 1, 2, 10**9, -1, True, "3", None]),
    # the results that it names: the newest, the first, none, made up
    st.sampled_from(["newest"] * 3 + ["first", None, "sha256:" + "0" * 64, 5]),
    st.sampled_from([{"holdout": "a"}, {"holdout": "a"}, {"holdout": "b"}, {"holdout": 5}, [], None]),
    st.sampled_from(["passed", "passed", "failed"]),
    st.sampled_from([0, 0, 0, -3600, 200]),
)


def told(drawn: list[tuple[Any, ...]], number: int) -> list[Said]:
    """The log: a policy in force, and what was drawn after it."""
    policy = _POLICIES[number]
    content = {"version": 1, "role": "policy", "text": policy.canonical().decode()}
    found = [_said(0, "ann", POLICY, policy.digest, content)]
    for type_, who, seen, names, data, verdict, ago in drawn:
        offset, gates = len(found), [each for each in found if each.type == GATES]
        predicate: dict[str, Any] = {
            "service": "credit", "role": "legal", "policy": policy.digest, "at": NOW + offset + ago, "number": offset,
        }  # fmt: skip
        if seen != "none":
            predicate["seen"] = offset if seen == "end" else seen
        if type_ == GATES:
            predicate |= {
                "data": data, "made": "2030-01-01T00:00:00+00:00",
                "results": [{"name": "documentation", "verdict": verdict}, {"name": "size", "verdict": "passed"}],
            }  # fmt: skip
        elif names in ("newest", "first"):
            chosen = gates[-1 if names == "newest" else 0] if gates else None
            predicate["gates"] = None if chosen is None else f"sha256:{sha256(chosen.raw).hexdigest()}"
        elif names is not None:
            predicate["gates"] = names
        found.append(_said(offset, who, type_, DIGEST, predicate))
    return found


def _said(offset: int, who: str, type_: str, subject: str, predicate: dict[str, Any]) -> Said:
    raw = json.dumps([type_, predicate]).encode()
    logged = int((NOW + offset) * 1000)
    return Said(offset, logged, 0, KEYS[who].id, True, type_, (subject,), predicate, raw)


USUAL: Final = [
    (GATES, "cyd", "end", None, {"holdout": "a"}, "passed", 0),
    (PUBLISH, "cyd", "end", None, None, "passed", 0),
    (APPROVAL, "ann", "end", "newest", None, "passed", 0),
]


@settings(max_examples=150)
@given(
    st.lists(st.one_of(event, st.sampled_from(USUAL)), max_size=9),
    st.integers(0, len(_POLICIES) - 1),
    st.sampled_from(["live", "live", "canary", "shadow"]),
)
def test_the_two_sides_agree(drawn: list[Any], number: int, slot: str) -> None:
    """Whatever stands in the log, after what is usually there or without it."""
    for events in (drawn, [*USUAL, *drawn]):
        agree(events, number, slot)


def test_the_usual_is_admitted_and_each_rule_can_refuse() -> None:
    """Else the two would agree on nothing."""
    for number in range(len(_POLICIES)):
        assert agree(USUAL, number, "live")
    other = (GATES, "cyd", "end", None, {"holdout": "b"}, "passed", 0)
    assert [agree([*USUAL, other], number, "live") for number in range(6)] == [
        True,
        True,
        False,
        False,
        True,
        True,
    ]
    assert [agree([USUAL[0], USUAL[2]], number, "live") for number in range(6)] == [True, False] * 3
    revoked = (REVOCATION, "bob", "end", None, None, "passed", 0)
    late = [(*each[:2], 3, *each[3:]) for each in USUAL]
    assert not agree([*USUAL, revoked, *late], 0, "live")
    assert agree([*USUAL, revoked, *USUAL], 0, "live")


def agree(drawn: list[Any], number: int, slot: str) -> bool:
    """Hold one to the other; whether it is admitted."""
    said = told(drawn, number)
    now, roots = NOW + len(said), fold_roots(_ROOT, said)
    asked: dict[str, Any] = {
        "service": "credit", "digest": DIGEST, "slot": slot, "now": now, "publisher": "zoe",
    }  # fmt: skip
    verdict = evaluate(roots, policy_in_force(roots, said), said, **asked)
    ours = as_pure(said)
    chain, _ = pure.fold_roots(pure.parse_root(_ROOT.envelope.encode()), ours)
    judged = rules.judge(chain, policies.policy_in_force(chain, ours), ours, **asked)
    assert judged.admitted == verdict.admitted, (judged, verdict)
    if verdict.admitted:
        assert judged.approved_by == verdict.approved_by
    return judged.admitted
