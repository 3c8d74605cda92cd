"""One person who becomes the whole chain is told at each step, on the error output and in JSON; the doctor has it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.components.approvals import Done, House, affiant, swapped

ALONE = """\
format: 1
change: {roles: {policy: 1}}
services:
  credit:
    gates: {size: {megabytes: 50}}
    approvals: {roles: {gates: 1}}
    break_glass: {roles: {policy: 1}, valid_hours: 720}
    canary: {gates: [size], roles: {}, maximum_weight: 1.0}
"""
WORDS = (
    "one person alone may change the policy (policy); approve what is live for credit (gates); let anything answer, by",
    "by break-glass, for credit (policy); two people, or two roles, would be a second look",
    "a canary needs nobody's signature",
    "live asks for gates",
    "break-glass asks for policy",
)
ROOT = "one person alone may sign the next root, and with it all roles (ann); sign the first policy (ann)"


def told(done: Done, *words: str) -> None:
    """It ended well, and each is a warning on the error output and in JSON."""
    assert done.code == 0, done
    for each in words:
        assert each in done.err, (each, done.err)
        assert any(each in warning for warning in done.json["warnings"]), (each, done.json)
    assert done.err.count("warning: ") == len(done.json["warnings"])


@pytest.fixture
def alone(tmp_path: Path) -> House:
    """Ann has two keys' worth of roles, and nobody else is asked."""
    house = House(tmp_path)
    house.file("affiant.toml").write_text('[data]\ndirectory = "data"\n\n[governance]\nroot = "root.json"\n')
    house.file("policy.yaml").write_text(ALONE)
    house.ok("roles", "keygen", house.key("ann"), "--person", "ann")
    return house


def doctor(house: House) -> list[dict[str, object]]:
    """Its remarks of that code; none of them is grave."""
    told = affiant("doctor", "--only", "gateway", "--json", *house.config).json
    found = [each for each in told["findings"] if each["code"] == "one-person"]
    assert not any(each["grave"] for each in found)
    return found


def test_one_person_becomes_the_whole_chain_and_hears_so_at_each_step(alone: House) -> None:
    """`init`, `sign`, `check`, `policy check`, `propose`; then it is in force, and the doctor says it."""
    root, key = alone.file("root.json"), ("--key", alone.key("ann"), "--yes", "--json")
    roles = [word for role in ("root", "policy", "gates") for word in ("--role", f"{role}=ann")]
    told(affiant("roles", "init", root, "--key", f"{alone.key('ann')}.pub", *roles, "--json"), ROOT)
    told(affiant("roles", "sign", root, *key), ROOT)
    told(affiant("roles", "check", root, "--json"), ROOT)
    assert [each["where"] for each in doctor(alone)] == ["the first root"]
    told(affiant("policy", "check", alone.file("policy.yaml"), "--json"), *WORDS)
    words = ("--role", "policy", "--rationale", "all is mine", *key, *alone.config)
    done = affiant("policy", "propose", alone.file("policy.yaml"), *words)
    told(done, ROOT, *WORDS)
    assert done.json["in_force"]
    found = doctor(alone)
    assert [each["where"] for each in found] == ["root, version 1"] + ["policy, version 1"] * 4
    # Who signs the first policy is no question any more.
    assert "sign the first policy" not in str(found[0]["what"])
    alone.file("policy2.yaml").write_text(swapped(ALONE, ("megabytes: 50", "megabytes: 51")))
    done = affiant("policy", "propose", alone.file("policy2.yaml"), *words)
    told(done, *WORDS)
    assert "next root" not in done.err


def test_a_later_root_of_one_person_is_warned_of_where_it_comes_into_force(house: House) -> None:
    """`roles publish` has read the log: there is a policy, and the role `policy` is asked no more."""
    house.ok("roles", "edit", house.file("root.json"), house.file("root2.json"), "--role", "root=ann")
    for person in ("ann", "bob"):
        house.ok("roles", "sign", house.file("root2.json"), "--key", house.key(person), "--yes")
    done = affiant(
        "roles",
        "publish",
        house.file("root2.json"),
        "--key",
        house.key("ann"),
        "--yes",
        "--json",
        *house.config,
    )
    told(done, "one person alone may sign the next root, and with it all roles (ann)")
    assert "first policy" not in done.err


def test_the_doctor_says_that_a_root_does_not_hold(house: House) -> None:
    """Signed by nobody who counts: grave, since no gateway starts with it."""
    root = json.loads(house.file("root.json").read_text())
    root["signatures"] = root["signatures"][:1]
    house.file("root.json").write_text(json.dumps(root))
    done = affiant("doctor", "--only", "gateway", "--json", *house.config)
    (found,) = (each for each in done.json["findings"] if each["code"] == "governance-unread")
    assert (done.code, found["grave"], found["where"]) == (1, True, str(house.file("root.json")))
    assert "signed by 1 of the 2 people" in found["what"]
