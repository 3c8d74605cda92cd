"""What is deployed must be able to be watched as the policy wants."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli import deploy_open
from cli.deploy import deploy, share, span, steps_of
from cli.deploy_open import Asked, Scene, too_small
from registry.deployment import Deployed, Placed, Rollout, Steps
from registry.deployment.state import halted, unmoved
from registry.policy import load_policy, parse_policy
from registry.stores import LayoutStore
from tests.components.packages import number_package


def test_the_example_of_the_help_is_one_that_the_example_policy_takes() -> None:
    """Its canary is no larger than the credit example allows, and its shares ascend."""
    text = str(deploy.__doc__).partition("Example: affiant deploy")[2].split()
    first = share(text[text.index("--canary") + 1])
    then = [share(text[at + 1]) for at, word in enumerate(text) if word == "--then"]
    policy = load_policy(Path(__file__).resolve().parents[3] / "examples/credit/policy.yaml")
    canary = policy.services["credit"].canary
    assert canary is not None
    assert canary.maximum_weight is not None
    steps = steps_of(first, then, span(text[text.index("--step") + 1]))
    assert steps is not None
    assert [each for each in (first, *then[:-1]) if each > canary.maximum_weight] == []
    assert then[-1] == 1


@pytest.mark.parametrize(
    ("canary", "steps", "told"),
    [
        ("canary: {rollout: {}}", True, None),
        ("canary: {}", False, None),
        ("canary: {}", True, "write `rollout: {}` under services.credit.canary"),
        (
            "",
            True,
            "gates: [size], roles: {legal: 1}, rollout: {}}` under services.credit",
        ),
    ],
)
def test_steps_that_nobody_would_take_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, canary: str, steps: bool, told: str | None
) -> None:
    """With what to write into the policy; and the history of one that was signed before says so."""
    found, digest = scene(tmp_path, "auto", canary)
    monkeypatch.setattr(Scene, "admitted", lambda *_: ())
    monkeypatch.setattr("registry.deployment.state.may_deploy", lambda *_, **__: "dan")
    later = Steps(shares=[0.1], seconds=60.0) if steps else None
    asked = Asked("deploy", "credit", tmp_path / "key", "because", yes=True, as_json=True, steps=later)
    _, why = deploy_open._refusals(found, asked, [Placed(digest=digest)], "key")
    assert [told in each for each in why if told] == ([True] if told else [])
    assert len(why) == bool(told)
    policy: Any = found.board.policy
    under_way = Deployed("credit", (), rollout=Rollout(digest, (0.1,), 60.0, 0, 0, 0))
    assert bool(halted(policy, under_way)) == ("rollout" not in canary)
    assert halted(policy, Deployed("credit", ())) is None


def test_without_a_policy_of_the_service_nobody_takes_steps(tmp_path: Path) -> None:
    """It is not told what to write into one that is not there."""
    policy: Any = scene(tmp_path, "auto")[0].board.policy
    assert "no policy of other is in force" in str(unmoved(policy, "other"))
    assert "no policy of credit is in force" in str(unmoved(None, "credit"))


POLICY = """
format: 1
change: {{roles: {{legal: 1}}}}
services:
  credit:
    gates: {{size: {{megabytes: 5}}}}
    approvals: {{roles: {{legal: 1}}}}
    drift: {{rule: {{warn_delta: {delta}, page_delta: auto}}}}
    {canary}
"""


def scene(directory: Path, delta: str, canary: str = "") -> tuple[Scene, str]:
    """A package, and a policy that wants differences of that size to be told from chance."""
    store = LayoutStore(directory / "store")
    digest = store.push(number_package())
    policy = parse_policy(POLICY.format(delta=delta, canary=canary).encode())
    board: Any = SimpleNamespace(policy=SimpleNamespace(policy=policy), roots=None, end=0)
    return Scene(board, store, Deployed("credit", ())), digest


def test_a_reference_that_is_too_small_is_said_with_the_rows_that_it_takes(tmp_path: Path) -> None:
    """Before anything is signed; a package that the store does not have is somebody else's to refuse."""
    found, digest = scene(tmp_path, "0.001")
    (why,) = too_small(found, {digest, "sha256:" + "0" * 64})
    assert why.startswith(f"{digest}: delta 0.001 is less than the reference knows")
    assert "it takes a training table of 3,800,452 rows" in why


def test_auto_takes_what_there_is(tmp_path: Path) -> None:
    """Nothing is refused."""
    found, digest = scene(tmp_path, "auto")
    assert too_small(found, {digest}) == []


@pytest.mark.parametrize(("action", "refused"), [("deploy", True), ("rollback", False)])
def test_a_deployment_asks_and_a_rollback_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: Any, refused: bool
) -> None:
    """What answered before must be able to answer again, whatever the policy has become."""
    found, digest = scene(tmp_path, "0.001")
    monkeypatch.setattr(Scene, "admitted", lambda *_: ())
    monkeypatch.setattr("registry.deployment.state.may_deploy", lambda *_, **__: "dan")
    monkeypatch.setattr("registry.deployment.state.too_much", lambda *_: None)
    asked = Asked(action, "credit", tmp_path / "key", "because", yes=True, as_json=True)
    _, why = deploy_open._refusals(found, asked, [Placed(digest=digest)], "key")
    assert bool(why) is refused
