"""A policy is read whole or refused with the place of what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audit.errors import ConfigError
from registry.approvals.slots import needs_of, unwritten, warnings
from registry.policy import GATES, Rollback, load_policy, parse_policy, schema

ROOT = Path(__file__).resolve().parents[4]
EXAMPLES = [ROOT / "examples/credit/policy.yaml", ROOT / "examples/policies/medical.yaml"]
SCHEMA = ROOT / "docs/policy.schema.json"
SMALL = """\
format: 1
change: {roles: {compliance: 1}}
services:
  credit:
    gates: {size: {megabytes: 5}}
    approvals: {roles: {legal: 1}}
"""


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_policies_and_survive_their_canonical_form(path: Path) -> None:
    """What is written to the log reads back as the same policy with the same digest."""
    policy = load_policy(path)
    again = parse_policy(policy.canonical())
    assert again == policy
    assert again.digest == policy.digest


def test_the_canonical_form_is_not_read_as_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large policy takes a second so, each time that somebody asks what is in force."""
    policy = load_policy(EXAMPLES[0])
    raw = policy.canonical()
    monkeypatch.setattr("registry.policy.load.yaml.load", lambda *_: pytest.fail("it was read as YAML"))
    assert parse_policy(raw) == policy


def test_json_with_a_key_twice_is_refused_as_yaml_is() -> None:
    """It is no canonical form: the later one would win without a word."""
    raw = parse_policy(SMALL.encode()).canonical()
    with pytest.raises(ConfigError, match="the key 'format' is there twice"):
        parse_policy(raw.replace(b'"format":1', b'"format":1,"format":1'))


def test_the_digest_is_of_the_rules_and_not_of_their_spelling() -> None:
    """Comments and defaults that are written out change nothing; a number does."""
    policy = parse_policy(SMALL.encode())
    spelled = SMALL.replace("roles: {legal: 1}", "valid_days: 365, roles: {legal: 1}") + "# a comment\n"
    assert parse_policy(spelled.encode()).digest == policy.digest
    assert parse_policy(SMALL.replace("megabytes: 5", "megabytes: 6").encode()).digest != policy.digest


def test_every_role_counts_in_the_digest() -> None:
    """One person fewer is another policy."""
    two = SMALL.replace("{legal: 1}", "{legal: 2}")
    assert parse_policy(two.encode()).digest != parse_policy(SMALL.encode()).digest


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("megabytes: 5", "megabyte: 5", "services.credit.gates.size.megabyte: unknown key; did you mean 'megabytes'?"),
        ("megabytes: 5", 'megabytes: "5"', "p.yaml:services.credit.gates.size.megabytes: Input should be"),
        ("megabytes: 5", "megabytes: .nan", "p.yaml: not a policy"),
        ("{size: {megabytes: 5}}", "{}", "p.yaml:services.credit: gates: at least one gate is needed"),
        ("legal: 1", "legal: 0", "p.yaml:services.credit.approvals.roles.legal: "),
        ("{legal: 1}", "{}", "p.yaml:services.credit.approvals.roles: "),
        ("format: 1", "format: 2", "p.yaml:format: "),
        ("format: 1", "format: 1\nformat: 1", "p.yaml:2: the key 'format' is there twice"),
        ("format: 1", "format: &a 1\nother: *a", "p.yaml:2: aliases are not read"),
        ("{roles: {legal: 1}}", "{roles: {legal: 1}}\n    canary: {gates: [fairness]}", "canary.gates: 'fairness'"),
        ("{roles: {legal: 1}}", "{roles: {legal: 1}}\n    canary: {roles: {legal: 2}}", "needs more people than live"),
        ("size: {megabytes: 5}", "quality: {metrics: {brier: {minimum: 0.1}}}", "brier has no minimum"),
        ("size: {megabytes: 5}", "quality: {metrics: {auc: {}}}", "a metric needs minimum"),
        ("size: {megabytes: 5}", "fairness: {attributes: [{column: age}]}", "fairness needs at least one limit"),
        ("services:", "services: [", "p.yaml:"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused_with_its_place(old: str, new: str, said: str) -> None:
    """File, key, what is wrong."""
    assert old in SMALL
    with pytest.raises(ConfigError) as caught:
        parse_policy(SMALL.replace(old, new).encode(), "p.yaml")
    assert said in str(caught.value)
    assert str(caught.value).startswith("p.yaml:")


def test_the_schema_names_every_gate_and_explains_each_key() -> None:
    """Editors show the same words that the code has."""
    made = schema()
    parts = made["$defs"]
    assert set(parts["GatesPolicy"]["properties"]) == set(GATES)
    silent = [
        f"{part}.{key}"
        for part, content in {**parts, "Policy": made}.items()
        for key, about in content.get("properties", {}).items()
        if "description" not in about
    ]
    assert silent == []


def test_the_schema_in_the_tree_is_the_one_that_is_printed() -> None:
    """`affiant policy schema > docs/policy.schema.json` after a change; the examples name it to editors."""
    assert json.loads(SCHEMA.read_text()) == schema()
    for path in EXAMPLES:
        first = path.read_text().partition("\n")[0]
        name = first.removeprefix("# yaml-language-server: $schema=")
        assert name != first
        assert (path.parent / name).resolve() == SCHEMA


def test_a_canary_that_does_not_say_what_it_needs_is_not_signed() -> None:
    """Absent, gates and roles are none: who adds a rollout takes nothing off unawares. What was signed before means
    what it meant, and has both written out.
    """
    for canary, absent in (
        ("{maximum_weight: 0.5, rollout: {}}", "gates and roles"),
        ("{roles: {legal: 1}}", "gates"),
        ("{gates: [size]}", "roles"),
    ):
        policy = parse_policy((SMALL + f"    canary: {canary}\n").encode())
        (why,) = unwritten(policy)
        assert why.startswith(
            f"services.credit.canary does not say {absent}, and would want none: live wants "
        )
        assert "gates: [size], roles: {legal: 1}" in why
        assert unwritten(parse_policy(policy.canonical())) == ()
    for canary in ("{gates: [], roles: {}}", "{gates: [size], roles: {legal: 1}, rollout: {}}"):
        assert unwritten(parse_policy((SMALL + f"    canary: {canary}\n").encode())) == ()
    assert unwritten(parse_policy(SMALL.encode())) == ()


def test_each_slots_needs_are_told_as_admission_has_them() -> None:
    """Of what is absent, live's; and a canary for which nobody signs is warned of, a shadow answers nobody."""
    told = {}
    for more in ("", "    canary: {gates: [], roles: {}}\n    shadow: {}\n"):
        policy = parse_policy((SMALL + more).encode())
        told[more] = [(each.slot, each.gates, dict(each.signers), each.share) for each in needs_of(policy)]
        assert ["canary" in each for each in warnings(policy)] == [True] * bool(more) + [False]
    live = (("size",), {"legal": 1}, None)
    assert list(told.values()) == [
        [("live", *live), ("canary", *live), ("shadow", *live)],
        [("live", *live), ("canary", (), {}, 0.1), ("shadow", (), {}, None)],
    ]


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    """Not a traceback."""
    with pytest.raises(ConfigError, match=r"cannot read .*none\.yaml"):
        load_policy(tmp_path / "none.yaml")


# Of format 1 as it was when the first policies were signed. It stands in gates' results and approvals.
SIGNED = "sha256:a4a92cf16d23e6f3a2c8e7ba0c04d76a4f2e8cfc9b0bd91a97e9de58e2b40b58"


def test_a_policy_that_was_signed_before_a_key_came_keeps_its_digest() -> None:
    """A new gate, section or key MUST be declared by `later()`: it must not make another policy of an old one."""
    text = SMALL + "    canary: {}\n    shadow: {}\n    break_glass: {roles: {legal: 1}}\n"
    assert parse_policy(text.encode()).digest == SIGNED


def test_a_key_that_came_later_is_in_the_digest_once_it_is_there() -> None:
    """It is signed like every other, and read back from the canonical form."""
    with_it = parse_policy((SMALL + "    drift: {rollback: {}}\n").encode())
    assert with_it.digest != parse_policy(SMALL.encode()).digest
    assert parse_policy(with_it.canonical()) == with_it
    (service,) = with_it.services.values()
    assert service.drift.rollback == Rollback()
