"""What one person may do alone is told to who signs; what two must do, and what is not asked, is not."""

from __future__ import annotations

import pytest

from registry.approvals.alone import RESERVED, of_policy, of_root
from registry.approvals.draft import first_root
from registry.approvals.keys import PublicKeyFile
from registry.approvals.root import RootModel
from registry.approvals.slots import warnings
from registry.deployment import CONTROLLER_ROLE, DEPLOY_ROLE
from registry.policy import Policy, parse_policy

PEOPLE = ("ann", "bob", "ci")


def root_of(**roles: str) -> RootModel:
    """`root="2:ann bob"`: as --role says it."""
    keys = [
        PublicKeyFile(person=person, public=bytes([place]).hex() * 32) for place, person in enumerate(PEOPLE)
    ]
    given = {}
    for role, text in roles.items():
        count, _, people = text.rpartition(":")
        given[role] = people.split(), int(count or 1)
    return first_root(keys, given)


def policy_of(
    change: str = "{legal: 1, risk: 1}", live: str = "{legal: 1, risk: 1}", more: str = ""
) -> Policy:
    """Of a service, and of another that wants two people of one role."""
    return parse_policy(
        f"""\
format: 1
change: {{roles: {change}}}
services:
  cards:
    gates: {{size: {{megabytes: 5}}}}
    approvals: {{roles: {{legal: 2}}}}
  credit:
    gates: {{size: {{megabytes: 5}}}}
    approvals: {{roles: {live}}}
{more}""".encode()
    )


def test_a_house_of_two_hears_nothing() -> None:
    """Two people of one role, or one each of two; a canary for which one of them signs."""
    canary = "    canary: {gates: [size], roles: {legal: 1}}\n    break_glass: {roles: {officer: 2}}\n    shadow: {}\n"
    assert warnings(policy_of(more=canary)) == ()
    assert of_root(root_of(root="2:ann bob", policy="2:ann bob", gates="ci"), first_policy=True) == ()


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (policy_of(change="{legal: 1}"), "change the policy (legal)"),
        (policy_of(live="{legal: 1}"), "approve what is live for credit (legal)"),
        (
            policy_of(more="    break_glass: {roles: {officer: 1}}\n"),
            "let anything answer, by break-glass, for credit (officer)",
        ),
    ],
)  # fmt: skip
def test_what_a_policy_leaves_to_one_person_is_one_sentence(policy: Policy, said: str) -> None:
    """It names what, for which service and in which role; the other service is not in it."""
    assert of_policy(policy) == (
        f"one person alone may {said}; two people, or two roles, would be a second look",
    )


def test_all_that_one_person_may_do_is_said_at_once() -> None:
    """One warning, however much it is: more would be passed over."""
    (said,) = of_policy(
        policy_of("{risk: 1}", "{risk: 1}", more="    break_glass: {roles: {risk: 1}, valid_hours: 720}\n")
    )
    assert said.count("(risk)") == 3


@pytest.mark.parametrize("role", RESERVED)
def test_a_role_with_a_work_of_its_own_does_not_approve_packages_unheard(role: str) -> None:
    """For live, and by break-glass, whoever else signs; to change a policy is no approval of a package."""
    both = f"{{legal: 1, {role}: 1}}"
    live, glass = of_policy(policy_of(both, both, f"    break_glass: {{roles: {both}}}\n"))
    assert live.startswith(f"credit: live asks for {role}, the role that {RESERVED[role]}")
    assert glass.startswith(f"credit: break-glass asks for {role}, ")
    assert {DEPLOY_ROLE, CONTROLLER_ROLE} < set(RESERVED)


def test_a_canary_for_which_nobody_signs_is_warned_of_with_its_gates() -> None:
    """All of the traffic may go to it."""
    (said,) = warnings(policy_of(more="    canary: {gates: [size], roles: {}, maximum_weight: 1.0}\n"))
    assert said == (
        "credit: a canary needs nobody's signature: whoever deploys may give what has passed size up to 100.0% of the "
        "requests"
    )


@pytest.mark.parametrize(
    ("roles", "first", "said"),
    [
        ({"root": "ann bob"}, True, ["sign the next root, and with it all roles (ann or bob)"]),
        ({"policy": "ann"}, True, ["sign the first policy (ann)"]),
        ({"policy": "ann"}, False, []),
        (
            {"root": "ann", "policy": "bob"},
            True,
            ["sign the next root, and with it all roles (ann); sign the first policy (bob)"],
        ),
    ],
)  # fmt: skip
def test_what_a_root_leaves_to_one_person_is_one_sentence(
    roles: dict[str, str], first: bool, said: list[str]
) -> None:
    """With the people who could; the role `policy` is for the first policy alone."""
    root = root_of(**({"root": "2:ann bob", "policy": "2:ann bob", "gates": "ci"} | roles))
    found = of_root(root, first_policy=first)
    wanted = [
        f"one person alone may {each}; a threshold of 2 (`--role root=2:…`) would be a second look"
        for each in said
    ]
    assert list(found) == wanted


def test_what_a_root_lacks_is_said() -> None:
    """Without `gates` nothing is ever admitted; without `policy` there is never a policy."""
    bare = root_of(root="2:ann bob")
    assert [each.partition(":")[0] for each in of_root(bare, first_policy=True)] == [
        "the root has nobody in the role policy", "the root has nobody in the role gates",
    ]  # fmt: skip
    assert [each.partition(":")[0] for each in of_root(bare, first_policy=False)] == [
        "the root has nobody in the role gates"
    ]
