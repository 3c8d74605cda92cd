"""A file of the settings that is followed, and what the monitor follows: plans and a policy."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from audit.config import load
from audit.errors import ConfigError
from cli.followed import Followed
from cli.monitor import configured_governing
from monitoring.panes import Of
from tests.components.controller import ONE, TWO, Town

PLAN = '[[plan]]\nservice = "credit"\ndigest = "{}"\n'


def put(path: Path, text: str) -> None:
    """As an editor, or a cluster, does: another file in its place."""
    new = path.with_name("new")
    new.write_text(text)
    new.replace(path)


def test_a_file_is_read_when_it_is_another_one(tmp_path: Path) -> None:
    """What is none leaves what was good last, is said once, and is tried again."""
    path, read = tmp_path / "file", []

    def number() -> int:
        read.append(1)
        try:
            return int(path.read_text())
        except (OSError, ValueError) as error:
            raise ConfigError("no number") from error

    with pytest.raises(ConfigError):
        Followed("monitor", "a number", path, number)
    put(path, "1")
    followed, read[:] = Followed("monitor", "a number", path, number), []
    with capture_logs() as logs:
        assert [followed(), followed()] == [1, 1]
        assert not read
        put(path, "22")
        assert [followed(), followed()] == [22, 22]
        assert len(read) == 1
        put(path, "none")
        assert [followed(), followed()] == [22, 22]
        path.unlink()
        assert followed() == 22
        put(path, "333")
        assert followed() == 333
    assert [each["log_level"] for each in logs] == ["info", "warning", "info"]


def test_a_plan_and_a_policy_of_the_settings_are_followed(tmp_path: Path) -> None:
    """As gateways follow the plan: else what is new stands in no figure, and what is old is judged for ever."""
    settings, policy = tmp_path / "affiant.toml", tmp_path / "policy.yaml"
    head = '[monitor]\npolicy = "policy.yaml"\n'
    town = Town()
    policy.write_bytes(town.policy.canonical())
    settings.write_text(head + PLAN.format(ONE))
    governing = configured_governing(load(settings))
    assert governing.served == {Of("credit", ONE, "live"): 0}
    put(settings, head + PLAN.format(TWO))
    put(policy, town.policy.canonical().decode().replace('"credit"', '"other"'))
    assert governing.served == {Of("credit", ONE, "live"): 0}, "who asks gets what `read_on` left"
    governing.read_on()
    assert governing.served == {Of("credit", TWO, "live"): 0}
    assert governing.policy is not None
    assert set(governing.policy.services) == {"other"}
    put(settings, head + PLAN.format("sha256:none"))
    put(policy, "none")
    governing.read_on()
    assert governing.served == {Of("credit", TWO, "live"): 0}
    assert set(governing.policy.services) == {"other"}
    with pytest.raises(ConfigError):
        configured_governing(load(settings))
