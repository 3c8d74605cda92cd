"""A drift report that somebody else makes again: the command that it names gives its very bytes."""

from __future__ import annotations

import re
import shlex
import shutil
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from monitoring.controller.act import event_of
from monitoring.controller.base import Decision, Shown
from monitoring.figures import Evidence
from registry.deployment import Placed, encode_deployment
from registry.policy import parse_policy
from tests.components.approvals import affiant
from tests.components.controlled import POLICY, ROLLBACK, Site
from tests.components.controller import Town, alarm_of

LATER = POLICY.format(rollback=ROLLBACK).replace("window_rows: 1000", "window_rows: 300")
"""A policy that comes between a decision and its event, with another window."""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Six panes of drifted requests; pages are written where it is."""
    found = Site.built().copy(tmp_path / "site")
    monkeypatch.chdir(tmp_path)
    return found


def named(page: Path) -> list[str]:
    """The words of the command that a page names, without the first."""
    (found,) = re.findall(r"byte for byte:<pre>(.*?)</pre>", page.read_text())
    first, *words = shlex.split(unescape(found))
    assert first == "affiant"
    return words


def test_the_command_that_a_page_names_makes_it_again(site: Site) -> None:
    """When the monitor is gone, the log has gone on, and another policy is in force."""
    page = Path("drift.html")
    with site.real_monitor():
        done = affiant("drift", "report", "credit", "--out", page, *site.config)
    assert done.code == 0, done.err
    site.record(500, shift=0.0)
    town = site.town
    town.clock += 60
    town.set_policy(parse_policy(LATER.encode()))
    rewrite(site, town)
    again = affiant(*named(page), *site.config)
    assert again.code == 0, again.err
    assert Path("again.html").read_bytes() == page.read_bytes()
    twice = affiant("drift", "report", "credit", "--again", "again.html", "--out", "twice.html", *site.config)
    assert twice.code == 0, twice.err
    assert Path("twice.html").read_bytes() == page.read_bytes()


def test_a_page_of_elsewhere_is_refused(site: Site) -> None:
    """Of another policy, of another service, or no page at all."""
    page = Path("drift.html")
    with site.real_monitor():
        affiant("drift", "report", "credit", "--out", page, *site.config)
    for old, new, told in (
        (site.town.policy.digest, "sha256:" + "ab" * 32, "was never in force here"),
        ("&quot;service&quot;:&quot;credit&quot;", "&quot;service&quot;:&quot;cards&quot;", "it is of cards"),
        ('class="kept"', "", "no page of"),
    ):
        Path("other.html").write_text(page.read_text().replace(old, new))
        done = affiant("drift", "report", "credit", "--again", "other.html", "--out", "no.html", *site.config)
        assert done.code == 2
        assert told in " ".join(done.err.split())
    done = affiant(
        "drift", "report", "credit", "--again", page, "--event", 1, "--out", "no.html", *site.config
    )
    assert done.code == 2
    assert not Path("no.html").exists()


def rewrite(site: Site, town: Town) -> None:
    """The governance log, with what the town has now."""
    shutil.rmtree(site.directory / "data" / "log-governance")
    town.write(site.directory / "data" / "log-governance", "affiant-governance")


def rolled_back(site: Site, town: Town, evidence: Evidence) -> int:
    """A rollback for that evidence, decided before the policy LATER came, and appended after it; its offset."""
    ground = town.ground()
    last = ground.deployed.last
    assert last is not None
    town.clock += 3600
    why: Any = ("roll_back", "it drifted", "credit", site.second, "live", "prediction")
    decision = Decision(*why, to=site.first, plan=(Placed(digest=site.first),), after=last.offset)
    shown = Shown(evidence, begun=town.clock, ended=town.clock, newest=town.clock, behind=0)
    event = event_of(decision, alarm_of(site.second), shown, ground, "robot", town.clock)
    town.set_policy(parse_policy(LATER.encode()))
    return town.append("robot", encode_deployment(event))


def test_a_rollback_s_page_is_by_the_policy_that_it_was_decided_by(site: Site) -> None:
    """And not by one that came while it was signed. The command that it names gives the same bytes."""
    town, signed = site.town, site.evidence()
    offset = rolled_back(site, town, signed)
    rewrite(site, town)
    page = Path("drift.html")
    done = affiant("drift", "report", "credit", "--event", offset, "--out", page, "--json", *site.config)
    assert done.code == 0, done.err
    assert Evidence.model_validate(done.json["evidence"]) == signed
    assert "names the policy" not in done.err
    kept = page.rename("kept.html")
    again = affiant(*named(kept), *site.config)
    assert again.code == 0, again.err
    assert page.read_bytes() == kept.read_bytes()


def test_a_rollback_that_names_another_policy_is_told_of(site: Site) -> None:
    """The page is by the one that was in force."""
    town = site.town
    signed = site.evidence()
    offset = rolled_back(site, town, signed.model_copy(update={"policy": "sha256:" + "ab" * 32}))
    rewrite(site, town)
    done = affiant("drift", "report", "credit", "--event", offset, "--out", "drift.html", *site.config)
    assert done.code == 0, done.err
    assert f"by the governance log {signed.policy} was in force" in " ".join(done.err.split())
