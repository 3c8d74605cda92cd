"""A policy by the command: signed into force by those who may change it, compared, shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.policy import load_policy, parse_policy
from tests.components.approvals import Done, House, affiant, swapped


def propose(house: House, person: str, role: str, file: str = "policy2.yaml", *more: object) -> Done:
    """Sign a policy."""
    return affiant(
        "policy", "propose", house.file(file), "--role", role, "--rationale", "a year is too long", "--key",
        house.key(person), "--yes", "--json", *more, *house.config,
    )  # fmt: skip


@pytest.fixture
def next_policy(house: House) -> Path:
    """Approvals count five days in place of ten."""
    path = house.file("policy2.yaml")
    path.write_text(swapped(house.file("policy.yaml").read_text(), ("valid_days: 10", "valid_days: 5")))
    return path


def test_a_policy_is_in_force_when_enough_have_signed_it(house: House, next_policy: Path) -> None:
    """Those whom the one before names; who is missing is told; nobody signs twice."""
    first = house.board().policy
    assert first is not None
    done = propose(house, "dan", "legal")
    assert (done.code, done.json["version"], done.json["missing"]) == (0, 2, {"compliance": 1})
    assert not done.json["in_force"]
    told = affiant("policy", "show", "--json", *house.config).json
    assert told["in_force"]["digest"] == first.digest
    assert told["in_force"]["signed"] == [{"person": "cyd", "role": "policy"}]
    assert [each["missing"] for each in told["proposals"]] == [{"compliance": 1}]
    assert "nobody signs twice" in propose(house, "dan", "legal").err
    done = propose(house, "bob", "compliance")
    assert (done.json["version"], done.json["in_force"], done.json["missing"]) == (2, True, {})
    told = affiant("policy", "show", "--json", *house.config).json
    assert told["in_force"]["digest"] == load_policy(next_policy).digest
    assert [each["role"] for each in told["in_force"]["signed"]] == ["legal", "compliance"]
    assert told["proposals"] == []


@pytest.mark.parametrize(
    ("person", "role", "file", "more", "why"),
    [
        ("cyd", "policy", "policy2.yaml", [], "is not asked of policy, but of compliance, legal"),
        ("cyd", "legal", "policy2.yaml", [], "has not the role legal"),
        ("eve", "legal", "policy2.yaml", [], "has not the role legal"),
        ("dan", "legal", "policy.yaml", [], "in force already, as version 1"),
        ("dan", "legal", "policy2.yaml", ["--version", "1"], "does not follow version 1"),
    ],
)
def test_a_signature_that_would_not_count_is_refused(
    house: House, next_policy: Path, person: str, role: str, file: str, more: list[str], why: str
) -> None:
    """With its reason; the log is as it was."""
    before = house.board().end
    done = propose(house, person, role, file, *more)
    assert (done.code, house.board().end) == (1, before)
    assert why in done.err


def test_approvals_under_the_policy_before_do_not_count(judged: House, next_policy: Path) -> None:
    """Nor the gate results: all is signed again, and status says why."""
    judged.sign("approve", "dan", "legal")
    judged.sign("approve", "bob", "compliance")
    assert judged.status().code == 0
    propose(judged, "dan", "legal")
    propose(judged, "bob", "compliance")
    assert judged.status().code == 1
    assert "no gate results under the policy in force" in judged.sign("approve", "dan", "legal").err
    assert "approval (other policy)" in affiant("status", judged.digest, *judged.config).out


def test_what_a_policy_changes_is_shown_key_by_key(house: House, next_policy: Path) -> None:
    """Of the one in force, or of another file; exit code 1 when something differs."""
    done = affiant("policy", "diff", next_policy, *house.config)
    assert done.code == 1
    assert done.out.splitlines()[1].split() == ["services.credit.approvals.valid_days", "10", "5"]
    done = affiant("policy", "diff", next_policy, "--against", next_policy, "--json")
    assert (done.code, done.json["changes"]) == (0, [])


def test_the_policy_in_force_is_shown_as_it_is(house: House) -> None:
    """Its text reads back to the same policy."""
    done = affiant("policy", "show", "--text", *house.config)
    assert parse_policy(done.out.encode()).digest == load_policy(house.file("policy.yaml")).digest
    assert "2 × officer" in affiant("policy", "show", *house.config).out


def test_without_a_policy_nothing_is_admitted(house: House) -> None:
    """And every command says so."""
    for each in (house.file("data") / "log-governance" / "0").iterdir():
        each.unlink()
    for words in (["policy", "show"], ["status", house.digest]):
        done = affiant(*words, *house.config)
        assert (done.code, "no policy is in force" in done.out) == (1, True)
    done = house.sign("approve", "dan", "legal")
    assert (done.code, "no policy is in force" in done.err) == (1, True)
    assert house.sign("revoke", "dan").code == 1


def test_a_root_without_the_role_policy_brings_none(house: House) -> None:
    """It says that the root has to name somebody."""
    log = house.file("data") / "log-governance" / "0"
    for each in log.iterdir():
        each.unlink()
    house.file("root.json").unlink()
    key = f"{house.key('ann')}.pub"
    for words in (
        ("init", house.file("root.json"), "--key", key, "--role", "root=ann"),
        ("sign", house.file("root.json"), "--key", house.key("ann"), "--yes"),
        ("check", house.file("root.json")),
    ):
        said = house.ok("roles", *words).err
        assert "nobody in the role policy: nobody can sign the first policy" in said
        assert "nobody in the role gates: no gate results will count" in said
    done = propose(house, "ann", "policy", "policy.yaml")
    assert (done.code, "the root has no role policy" in done.err) == (1, True)


def test_a_policy_that_the_root_cannot_meet_is_warned_of(house: House) -> None:
    """Whoever signs it knows that nothing could be live under it before the root changes."""
    text = house.file("policy.yaml").read_text()
    text = swapped(text, ("legal: 1, compliance: 1}, valid", "legal: 3, risk: 1}, valid"))
    house.file("policy2.yaml").write_text(text)
    done = propose(house, "dan", "legal")
    assert done.code == 0
    assert "credit: live asks for 3 × legal, and the root has 2" in done.err
    assert "credit: live asks for 1 × risk, and the root has 0" in done.err


def test_a_canary_that_would_need_nothing_is_refused_until_it_says_so(house: House) -> None:
    """The section that a refused rollout asks for, without what live wants: nobody signs it unawares."""
    canary = "canary: {gates: [documentation], roles: {legal: 1}, rollout: {}}"
    text = swapped(
        house.file("policy.yaml").read_text(), (canary, "canary: {maximum_weight: 0.5, rollout: {}}")
    )
    path, before = house.file("policy2.yaml"), house.board().end
    path.write_text(text)
    checked, done = affiant("policy", "check", path), propose(house, "dan", "legal")
    assert (checked.code, done.code, house.board().end) == (1, 1, before)
    for each in (checked, done):
        assert "refused: services.credit.canary does not say gates and roles" in each.err
        assert "gates: [documentation, size], roles: {legal: 1, compliance: 1}" in each.err
    assert "canary: gates none; signers nobody; at most 50.0% of the requests" in checked.out
    path.write_text(swapped(text, ("rollout: {}", "gates: [], roles: {}, rollout: {}")))
    assert "any package up to 50.0% of the requests" in affiant("policy", "check", path).err
    done = propose(house, "dan", "legal")
    assert (done.code, "credit: a canary needs no gate and nobody's signature" in done.err) == (0, True)
    propose(house, "bob", "compliance")
    shown = affiant("policy", "show", *house.config)
    assert "50.0%" in shown.out
    slots = affiant("policy", "show", "--json", *house.config).json["in_force"]["slots"]
    assert {"service": "credit", "slot": "canary", "gates": [], "signers": {}, "share": 0.5} in slots


def test_a_policy_changes_without_taking_off_what_is_live(judged: House, next_policy: Path) -> None:
    """Gates and people speak under the proposed policy; from its last signature on they count."""
    for person, role in (("dan", "legal"), ("bob", "compliance")):
        judged.sign("approve", person, role)
    digest = load_policy(next_policy).digest
    assert judged.sign("approve", "dan", "legal", "--policy", digest).code == 1  # nobody has proposed it
    propose(judged, "dan", "legal")
    assert judged.status("--policy", digest).code == 1
    judged.gates(policy=digest)
    for person, role in (("dan", "legal"), ("bob", "compliance")):
        done = judged.sign("approve", person, role, "--policy", digest)
        assert (done.code, done.json["policy_in_force"], done.json["admitted"]) == (0, False, False), done
    assert "nobody signs twice" in judged.sign("approve", "dan", "legal", "--policy", digest).err
    assert judged.status("--policy", digest).code == 0
    assert judged.status().code == 0
    assert propose(judged, "bob", "compliance").json["in_force"]
    assert judged.status().code == 0
    assert judged.status("--policy", "sha256:" + "00" * 32).code == 2
