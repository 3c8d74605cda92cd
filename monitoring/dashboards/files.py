"""The files that a Grafana reads: its data source, where its dashboards lie, and each dashboard.

    provisioning/datasources/affiant.yaml    Prometheus, by an address that is given
    provisioning/dashboards/affiant.yaml     "read the folder beside"
    dashboards/<uid>.json                    one each

Grafana reads the first two from /etc/grafana/provisioning and expects the last in FOLDER.
"""

from __future__ import annotations

import json
from typing import Any, Final

from .boards import boards
from .form import Ground

FOLDER: Final = "/etc/grafana/affiant"
"""Where Grafana finds the dashboards, unless another folder is named."""
SOURCE: Final = "affiant-prometheus"
"""The data source's uid: for ever, as that of a dashboard."""
PROMETHEUS: Final = "http://127.0.0.1:9090"
INTERVAL: Final = "15s"
"""How often Prometheus scrapes, when nobody says: Grafana's windows of rates follow from it."""


def rendered(
    ground: Ground | None = None,
    *,
    prometheus: str = PROMETHEUS,
    interval: str = INTERVAL,
    folder: str = FOLDER,
) -> dict[str, str]:
    """Path → text; the same arguments give the same bytes.

    Args:
        ground: what thresholds are taken from.
        prometheus: its address, as Grafana reaches it.
        interval: how often it scrapes.
        folder: where Grafana finds the dashboards.

    Raises:
        ModuleNotFoundError: the extra `dashboards` is not installed.
    """
    from .draw import drawn

    given = Ground() if ground is None else ground
    found = {
        "provisioning/datasources/affiant.yaml": _yaml(_source(prometheus, interval)),
        "provisioning/dashboards/affiant.yaml": _yaml(_provider(folder)),
    }
    for board in boards(given):
        found[f"dashboards/{board.uid}.json"] = _json(drawn(board, given))
    return found


def _json(found: dict[str, Any]) -> str:
    """A panel a line: a change of one is a change of its line."""
    panels = ",\n".join(f"  {json.dumps(each)}" for each in found["panels"])
    rest = json.dumps({key: value for key, value in found.items() if key != "panels"}, indent=1)
    return f'{rest[:-2]},\n "panels": [\n{panels}\n ]\n}}\n'


def _yaml(data: object) -> str:
    """JSON is YAML, and quotes everything that must be quoted."""
    return f"# Made by `affiant dashboards render`.\n{json.dumps(data, indent=2)}\n"


def _source(prometheus: str, interval: str) -> object:
    source = {
        "name": "Affiant's Prometheus",
        "uid": SOURCE,
        "type": "prometheus",
        "access": "proxy",
        "url": prometheus,
        "jsonData": {"timeInterval": interval, "httpMethod": "POST"},
    }
    return {"apiVersion": 1, "datasources": [source]}


def _provider(folder: str) -> object:
    provider = {
        "name": "affiant",
        "folder": "Affiant",
        "folderUid": "affiant",
        "type": "file",
        "allowUiUpdates": False,
        "options": {"path": folder},
    }
    return {"apiVersion": 1, "providers": [provider]}
