"""What people are shown of the governance log is what admission makes of it, whatever was said in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audit.proof.dsse import key_id
from registry.admission import policy_in_force
from registry.approvals.board import Board
from registry.approvals.foresee import Intent, refusals
from registry.approvals.proposals import missing
from registry.approvals.root import KeyModel, RoleModel, RootModel, Roots, fold_roots, sign_root
from registry.approvals.status import status_of, waiting
from registry.policy import Policy, parse_policy
from registry.statement import APPROVAL, GATES, POLICY, REJECTION, REVOCATION, Said
from registry.statement import ROOT as ROOT_STATEMENT

NOW: Final = 1_700_000_000.0
DIGEST: Final = "sha256:" + "ab" * 32
PEOPLE: Final = ("ann", "bob", "cyd")
HAS: Final = {
    "root": ["ann", "bob"], "policy": ["ann", "bob"], "gates": ["cyd"], "legal": ["ann", "bob"],
    "compliance": ["bob", "ann"], "officer": ["ann", "bob", "cyd"],
}  # fmt: skip
TEXT: Final = """
format: 1
change: {roles: {legal: 1, compliance: 1}}
services:
  credit:
    gates: {documentation: {}}
    approvals: {roles: {legal: 1, compliance: 1}, valid_days: %d}
    break_glass: {roles: {officer: 2}, valid_hours: 1}
    canary: {gates: [], roles: {legal: 1}}
"""


class Key:
    def __init__(self, seed: int) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.public_key = self._key.public_key().public_bytes_raw()
        self.id = key_id(self.public_key)

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


KEYS: Final = {name: Key(number) for number, name in enumerate(PEOPLE, 1)}
ROOT: Final = sign_root(
    RootModel(
        version=1,
        keys={each.id: KeyModel(public=each.public_key.hex(), person=name) for name, each in KEYS.items()},
        roles={
            role: RoleModel(keys=[KEYS[each].id for each in names], threshold=1)
            for role, names in HAS.items()
        },
    ),
    [KEYS["ann"]],
)
ROOTS: Final = Roots(((-1, ROOT),))
POLICIES: Final = tuple(parse_policy((TEXT % days).encode()) for days in (10, 20, 30))


def said(offset: int, who: str, type_: str, subject: str, predicate: dict[str, Any]) -> Said:
    """One statement, at that offset and second."""
    raw = json.dumps([type_, predicate]).encode()
    logged = int((NOW + offset) * 1000)
    return Said(offset, logged, logged * 1_000_000, KEYS[who].id, True, type_, (subject,), predicate, raw)


def policy_said(offset: int, who: str, role: str, policy: Policy, version: int) -> Said:
    """A signature on a policy."""
    text = policy.canonical().decode()
    return said(offset, who, POLICY, policy.digest, {"version": version, "role": role, "text": text})


def board_of(statements: list[Said]) -> Board:
    """As `read_board` makes it."""
    return Board(ROOTS, policy_in_force(ROOTS, statements), tuple(statements), len(statements))


events = st.lists(
    st.tuples(
        st.sampled_from([APPROVAL, APPROVAL, APPROVAL, REJECTION, REVOCATION, GATES]),
        st.sampled_from(PEOPLE),
        st.sampled_from(["legal", "compliance", "officer", "gates"]),
        st.sampled_from(["credit", "credit", "credit", "cards"]),
        st.sampled_from([0, 0, 0, 1]),
        st.booleans(),
        st.sampled_from(["passed", "failed"]),
        st.sampled_from([0, 0, -11 * 86_400, -1800, -3600, 1000, float("nan"), float("inf")]),
    ),
    max_size=12,
)


def board_with(told: list[tuple[str, str, str, str, int, bool, str, float]]) -> Board:
    """A policy in force, and what was said after it."""
    statements = [policy_said(0, "ann", "policy", POLICIES[0], 1)]
    for type_, who, role, service, policy, glass, verdict, ago in told:
        offset = len(statements)
        predicate = {
            "service": service, "role": role, "policy": POLICIES[policy].digest, "at": NOW + offset + ago,
            "break_glass": glass, "results": [{"name": "documentation", "verdict": verdict}],
            "made": datetime.fromtimestamp(NOW + offset + (ago if isfinite(ago) else 0), UTC).isoformat(),
        }  # fmt: skip
        statements.append(said(offset, who, type_, DIGEST, predicate))
    return board_of(statements)


@given(events, st.sampled_from(["zoe", "ann", None]))
@example([(APPROVAL, who, "officer", "credit", 0, True, "passed", 0) for who in ("ann", "bob")], "ann")
def test_gate_results_and_emergencies_that_are_shown_are_those_that_count(
    told: list[Any], publisher: str | None
) -> None:
    """No results, other results, or break-glass: as admission says."""
    board = board_with(told)
    now = NOW + board.end
    verdict = board.verdict("credit", DIGEST, "live", now, publisher)
    rules = board.rules("credit", "live")
    assert rules is not None
    glass = not missing(rules.break_glass, board.emergency("credit", DIGEST, now, publisher))
    assert glass == verdict.break_glass
    if not verdict.admitted:
        results = board.gates("credit", DIGEST)
        reasons = " ".join(verdict.reasons)
        assert ("there are no gate results" in reasons) == (results is None)
        failed = results is not None and results.predicate["results"][0]["verdict"] == "failed"
        assert ("gates that did not pass" in reasons) == failed
        assert ("revoked: " in reasons) == (board.revoked("credit", DIGEST) is not None)


@given(
    events,
    st.sampled_from(PEOPLE),
    st.sampled_from(["legal", "compliance"]),
    st.sampled_from(["ann", "zoe", None]),
)
@example([(REVOCATION, "ann", "legal", "credit", 0, False, "passed", 1000)], "ann", "compliance", "zoe")
def test_what_is_refused_would_not_count_and_the_rest_does(
    told: list[Any], who: str, role: str, publisher: str | None
) -> None:
    """Signed all the same, it adds nobody (gates aside, which are asked for before people are)."""
    board = board_with(told)
    intent = Intent(APPROVAL, "credit", DIGEST, KEYS[who].id, "because", NOW + board.end, role)
    why = refusals(board, intent, publisher=publisher, stored=True)
    more = said(board.end, who, APPROVAL, DIGEST, intent.predicate(board))
    plain = Board(
        board.roots, board.policy,
        tuple(
            each for each in board.said if each.type != APPROVAL or each.predicate.get("break_glass") is not True
        ),
        board.end,
    )  # fmt: skip
    slots = ("live", "canary", "shadow")
    before = [plain.verdict("credit", DIGEST, slot, intent.at, publisher) for slot in slots]
    after = [plain.verdict("credit", DIGEST, slot, intent.at, publisher, [more]) for slot in slots]
    # Who has signed for live in one role does not sign for canary in another.
    signed = {person for verdict in before for _, person in verdict.approved_by}
    counts = who not in signed and any((role, who) in verdict.approved_by for verdict in after)
    assert counts == (not [each for each in why if not each.startswith(("there are no gate", "gates that"))])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(PEOPLE),
            st.sampled_from(["policy", "legal", "compliance"]),
            st.sampled_from(POLICIES),
            st.integers(0, 4),
        ),
        max_size=8,
    )
)
@settings(max_examples=30)  # a policy is YAML, and is read at every step
def test_a_proposal_that_misses_nobody_is_in_force(signed: list[tuple[str, str, Policy, int]]) -> None:
    """At every length of the log; and who signed the one in force is said."""
    statements: list[Said] = []
    for who, role, policy, version in signed:
        statements.append(policy_said(len(statements), who, role, policy, version))
        board = board_of(statements)
        assert all(each.missing for each in board.proposals())
        passed = board.passed()
        assert (passed is None) == (board.policy is None)
        if passed is not None and board.policy is not None:
            assert (passed.policy.digest, passed.version) == (board.policy.digest, board.policy.version)
            assert passed.missing == {}


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["legal", "credit", "passed", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "verdict", "x"]), inner)
    ),
    max_leaves=6,
)
predicates = st.fixed_dictionaries(
    {},
    optional={
        name: json_values | st.sampled_from([usual, usual])
        for name, usual in {
            "service": "credit", "role": "legal", "policy": POLICIES[0].digest, "at": NOW, "rationale": "x",
            "break_glass": False, "version": 2, "text": "{", "results": [{"name": "documentation"}], "envelope": {},
        }.items()
    },
)  # fmt: skip


@given(
    st.lists(
        st.tuples(
            st.sampled_from([APPROVAL, REJECTION, REVOCATION, GATES, POLICY, ROOT_STATEMENT]),
            st.sampled_from(PEOPLE),
            predicates,
        ),
        max_size=6,
    )
)
def test_whatever_people_of_the_root_say_is_shown(told: list[Any]) -> None:
    """Predicates of any JSON, rightly signed: nothing raises, and nothing of it is no JSON."""
    statements = [policy_said(0, "ann", "policy", POLICIES[0], 1)]
    for type_, who, predicate in told:
        statements.append(said(len(statements), who, type_, DIGEST, predicate))
    board = board_of(statements)
    for status in waiting(board, lambda _: "zoe", NOW + 60):
        json.dumps(status.told(), allow_nan=False)
    json.dumps(status_of(board, "credit", DIGEST, now=NOW + 60, publisher=None).told(), allow_nan=False)
    board.proposals()
    board.passed()
    fold_roots(ROOT, board.said)
    for type_ in (APPROVAL, REJECTION, REVOCATION):
        intent = Intent(type_, "credit", DIGEST, KEYS["bob"].id, "because", NOW + 60, "compliance")
        refusals(board, intent, publisher="zoe", stored=True)
