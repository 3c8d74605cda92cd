"""Prometheus and Alertmanager, each second, by the rendered files of a policy: between monitors and controllers.

manager, server = watching(directory, policy, monitors=["127.0.0.1:9466"], controllers=[url], token_file=path)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monitoring.alerts.render import RULES_FILE, rules_yaml
from monitoring.alerts.routes import Receivers, routes_data
from monitoring.alerts.rules import groups_of
from registry.policy import Policy
from tests.components.alertmanager import Alertmanager
from tests.components.prometheus import Prometheus


def watching(
    directory: Path,
    policy: Policy,
    *,
    monitors: Sequence[str],
    controllers: Sequence[str],
    token_file: Path,
    repeat: str | None = None,
) -> tuple[Alertmanager, Prometheus]:
    """Nothing runs yet.

    Args:
        directory: where both keep what they have.
        policy: whose rules are rendered.
        monitors: host:port of each.
        controllers: each one's webhook; all of them are told.
        token_file: of the webhooks.
        repeat: how often the controllers are told again of what fires on; as it is rendered when None.
    """
    rules = directory / RULES_FILE
    rules.write_text(rules_yaml(groups_of(policy), digest=policy.digest))
    routes = routes_data(Receivers(controllers[0], token_file))
    told: dict[str, Any] = next(each for each in routes["receivers"] if each["name"] == "controller")
    (one,) = told["webhook_configs"]
    told["webhook_configs"] = [one | {"url": url} for url in controllers]
    if repeat is not None:
        routes["route"]["routes"][0]["repeat_interval"] = repeat
    manager = Alertmanager(directory / "alertmanager", routes)
    server = Prometheus(
        directory / "prometheus", targets={"affiant-monitor": monitors}, rules=[rules],
        alertmanagers=[manager.address],
    )  # fmt: skip
    return manager, server
