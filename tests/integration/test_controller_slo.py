"""A package that breaks its objectives, rolled back by a controller that asks nobody but the log; and recomputed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from audit.governance import Governance
from audit.log import configured_governance_log
from monitoring.controller.act import appender
from monitoring.controller.said import BecauseSlo, because_of
from registry.deployment import encode_deployment
from tests.components.approvals import affiant
from tests.components.controlled import PANE, Site
from tests.components.controller import KEYS

POLICY = """{causes: [slo], cooldown_minutes: 0}
    slo: {p99_milliseconds: 100}"""
"""Of the made-up answers nine in ten take longer."""
ALERT = {"alertname": "AffiantObjectiveBurn", "cause": "slo", "objective": "latency", "window": "1h"}


@pytest.fixture(scope="module")
def rolled(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One that was rolled back without a monitor; tests read it, or copy it."""
    site = Site.build(tmp_path_factory.mktemp("slo") / "site", POLICY)
    with site.controller() as controller:
        assert controller.post(site.alert(**ALERT)) == 202
        told = controller.wait_for("roll_back")
        assert told["to"] == site.first
        assert told["why"] == f"{site.second} as live broke its objectives (slo: latency)"
        # The alert goes on for a while: that is no refusal.
        site_alert = site.alert(**ALERT) | {"fingerprint": "another"}
        assert controller.post(site_alert) == 202
        assert controller.wait_for("pass", "another")["why"].endswith("is not live for credit now")
    return site


def test_the_event_has_the_burn_rates_and_where_they_are_of(rolled: Site) -> None:
    """All of the time since the package was live."""
    event = rolled.deployed().counted[-1]
    because = because_of(event)
    assert isinstance(because, BecauseSlo)
    evidence = because.evidence
    assert [(each.partition, each.first, each.end) for each in evidence.ranges] == [(0, 0, 6 * PANE)]
    assert evidence.since == rolled.deployed().counted[-2].logged
    (burn,) = evidence.burns
    assert (burn.objective, burn.long, burn.short, burn.requests) == ("latency", 3600, 300, 6 * PANE)
    assert burn.bad > 0.8 * burn.requests


def test_an_auditor_finds_it_right(rolled: Site) -> None:
    """Burn rates and decision, the same again; as a table and as JSON."""
    done = affiant("audit", "recompute", "credit@latest", *rolled.config)
    assert done.code == 0, done
    assert "it was right" in done.out
    assert "latency" in done.out
    assert "0.144" in done.out
    told = affiant("audit", "recompute", "credit@latest", "--json", *rolled.config).json
    assert told["right"] is True
    assert told["signed"] == told["computed"]
    offset = str(told["offset"])
    done = affiant("drift", "report", "credit", "--event", offset, "--out", "never.html", *rolled.config)
    assert done.code == 2
    assert "it was for its objectives, not for drift" in done.err


@pytest.mark.parametrize(
    ("path", "value", "wrong"),
    [
        (("evidence", "burns", 0, "bad"), 1536, ["figures"]),
        (("evidence", "since"), 7, ["decided the same again"]),
        (("alert", "cause"), "prediction", ["it pages", "decided the same again"]),
        (("begun",), 1.0, ["times"]),
    ],
)
def test_an_auditor_finds_wrong_burn_rates(
    rolled: Site, tmp_path: Path, path: tuple[Any, ...], value: Any, wrong: list[str]
) -> None:
    """Whoever has the controller's key can sign them; nobody can make them right."""
    site = rolled.copy(tmp_path / "site")
    event = site.deployed().counted[-1].content
    evidence = json.loads(json.dumps(event.evidence))
    place = evidence
    for each in path[:-1]:
        place = place[each]
    place[path[-1]] = value
    said = event.model_copy(update={"evidence": evidence, "at": round(time.time(), 3)})
    appender(Governance(configured_governance_log(site.loaded), KEYS["robot"]))([encode_deployment(said)])
    done = affiant("audit", "recompute", site.deployed().events[-1].offset, "--json", *site.config)
    assert done.code == 1
    found = [each["what"] for each in done.json["checks"] if not each["holds"]]
    assert [each for each in found if each != "it counts"] == wrong
