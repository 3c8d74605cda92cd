"""Two controllers as processes, and one that is killed: the log lets one event count, and nothing is done twice."""

from __future__ import annotations

import json
import multiprocessing
import time
from pathlib import Path

import pytest

from tests.components.controlled import Site
from tests.components.ports import free_port
from tests.fault.controller.race import Both, race

pytestmark = pytest.mark.fault
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A copy of one's own."""
    return Site.built().copy(tmp_path / "site")


def by_controllers(site: Site) -> list[str | None]:
    """Of each of their events, why it is void."""
    return [each.void for each in site.deployed().events if each.role == "controller"]


def test_two_processes_that_have_both_decided_append_two_events_and_one_counts(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits with its event until the other has decided, too."""
    race_of(site, monkeypatch, apart=0.001)
    first, second = by_controllers(site)
    assert first is None
    assert second is not None
    assert second.startswith("it follows that at offset")
    assert site.live() == site.first


def test_two_processes_that_decide_in_the_same_millisecond_say_the_same_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes that they sign are equal, and one statement said twice is one."""
    race_of(site, monkeypatch, apart=0.0)
    assert by_controllers(site) == [None]
    assert site.live() == site.first


def race_of(site: Site, monkeypatch: pytest.MonkeyPatch, *, apart: float) -> None:
    """Two controllers whose clocks are `apart` seconds from each other, until both have ended."""
    # They begin with this path; a test of a bench may have put that folder, which has an audit.py, before ours.
    monkeypatch.syspath_prepend(str(ROOT))
    context = multiprocessing.get_context("spawn")
    shared = Both(context.Barrier(2), context.Lock())
    message = json.dumps({"version": "4", "alerts": [site.alert()]}).encode()
    now = time.time()
    with site.monitor():
        both = [
            context.Process(target=race, args=(site.config[1], message, shared, now + number * apart))
            for number in range(2)
        ]
        for each in both:
            each.start()
        for each in both:
            each.join(120)
    assert [each.exitcode for each in both] == [0, 0]


def test_two_that_hear_the_same_and_one_that_is_killed(site: Site) -> None:
    """Whoever is left does it; who comes up again does nothing more."""
    with site.monitor() as page, site.controller() as one, site.controller(free_port()) as other:
        page.say(b"{}")
        for each in (one, other):
            assert each.post(site.alert()) == 202
            each.wait_for("wait")
        one.kill()
        page.say(site.evidence())
        other.wait_for("roll_back")
        one.start()
        assert one.post(site.alert()) == 202
        assert "is not live for credit now" in one.wait_for("pass")["why"]
        assert other.post(site.alert()) == 202
    assert by_controllers(site) == [None]
    assert site.live() == site.first
