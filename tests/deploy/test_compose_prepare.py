"""What `prepare` makes of people and rules, over a local log: two sign root and policy, neither of them alone."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from audit.config import load
from tests.components.approvals import affiant
from tests.components.compose import COMPOSE

POLICY = COMPOSE.parents[1] / "examples" / "credit" / "drift-policy.yaml"


@pytest.fixture
def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with settings of its own."""
    (tmp_path / "affiant.toml").write_text('[data]\ndirectory = "data"\n\n[governance]\nroot = "root.json"\n')
    (tmp_path / "keys").mkdir()
    monkeypatch.setenv("AFFIANT_CONFIG", str(tmp_path / "affiant.toml"))
    spec = importlib.util.spec_from_file_location("prepare", COMPOSE / "work" / "prepare.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_who_has_not_signed_the_policy_signs_at_the_next_start(
    prepare: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It broke off between the two: one signature brings nothing, and is not given again."""
    asked = prepare.unsigned
    monkeypatch.setattr(prepare, "unsigned", lambda: ["lea"])
    prepare.constitute(load(), tmp_path / "keys", POLICY)
    told = affiant("policy", "show", "--json").json
    assert (told["in_force"], told["proposals"][0]["missing"]) == (None, {"policy": 1})
    monkeypatch.setattr(prepare, "unsigned", asked)
    for _ in range(2):
        prepare.constitute(load(), tmp_path / "keys", POLICY)
        told = affiant("policy", "show", "--json").json
        signed = [(each["person"], each["role"]) for each in told["in_force"]["signed"]]
        assert signed == [("lea", "policy"), ("omar", "policy")]
    assert asked() == []
    said = affiant("roles", "check", tmp_path / "root.json")
    assert (said.code, said.err) == (0, "")
