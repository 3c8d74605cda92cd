"""Prometheus, Alertmanager and their tools, as the other tests find them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.components.alertmanager import Alertmanager, amtool
from tests.components.process import ComponentError
from tests.components.prometheus import Prometheus, Sample, promtool
from tests.components.webhook import Exporter, Receiver

pytestmark = pytest.mark.prometheus

_RULES = {"groups": [{"name": "g", "rules": [{"alert": "Zero", "expr": "affiant_test == 0"}]}]}


def test_a_metric_goes_all_the_way_to_a_webhook(tmp_path: Path) -> None:
    """Scraped, evaluated, told with its token; told again when it is over, though Alertmanager was killed between."""
    rules, token = tmp_path / "rules.yml", tmp_path / "token"
    rules.write_text(json.dumps(_RULES))
    token.write_text("secret")
    with Receiver("secret") as hook, Exporter("affiant_test 1\n") as page:
        authorization = {"authorization": {"credentials_file": str(token)}}
        receiver = {"name": "hook", "webhook_configs": [{"url": hook.url, "http_config": authorization}]}
        route = {"receiver": "hook", "group_wait": "0s", "group_interval": "1s"}
        manager = Alertmanager(tmp_path / "am", {"route": route, "receivers": [receiver]})
        with (
            manager,
            Prometheus(
                tmp_path / "p", targets=[page.address], rules=[rules], alertmanagers=[manager.address]
            ) as server,
        ):
            assert server.query("affiant_test == bool 1") == [
                Sample({"instance": page.address, "job": "test"}, 1.0)
            ]
            assert server.alerts() == []
            page.text = "affiant_test 0\n"
            hook.wait_for(1, status="firing")
            assert [each["labels"]["alertname"] for each in manager.alerts()] == ["Zero"]
            manager.kill()
            manager.start()
            hook.wait_for(2, status="firing")  # killed, it has forgotten that it had told it
            page.text = "affiant_test 1\n"
            hook.wait_for(1, status="resolved")
        assert not hook.refused


def test_a_missing_tool_names_the_command_that_fetches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left out: what is not there fails."""
    monkeypatch.setenv("AFFIANT_CACHE", str(tmp_path))
    with pytest.raises(ComponentError, match="scripts/tools promtool"):
        promtool("--version")


def test_the_checkers_see_what_is_wrong(tmp_path: Path) -> None:
    """Both promtools and amtool fail on a file that is not what it should be."""
    file = tmp_path / "wrong.yml"
    file.write_text('{"groups": [{"name": "g", "rules": [{"alert": "A", "expr": "rate(("}]}]}')
    for debian in (False, True):
        assert promtool("check", "rules", file, debian=debian).returncode != 0
    assert amtool("check-config", file).returncode != 0
