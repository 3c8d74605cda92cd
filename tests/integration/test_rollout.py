"""Rollouts by processes: what a monitor counts of a real log, a controller steps by, and an auditor computes again."""

from __future__ import annotations

import json
import math
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.governance import Governance
from audit.log import configured_governance_log, configured_log
from audit.proof.entry import Key
from cli.audit_recompute_rollout import counting
from cli.controller_parts import publisher_of_store
from monitoring.close import TOLERANCE
from monitoring.controller.act import appender
from monitoring.controller.ground import Grounds, entries_of
from monitoring.rollout import review
from monitoring.rollout.mover import fetched
from monitoring.rollout.questions import Levels, distance
from registry.deployment import Placed, Steps, encode_deployment
from registry.policy import parse_policy
from registry.stores import LayoutStore, configured_store
from tests.components.approvals import affiant
from tests.components.controlled import PANE, Site
from tests.components.controller import KEYS, Town
from tests.components.monitored import Traffic, append, local_log
from tests.components.packages import number_package
from tests.components.ports import free_port
from tests.components.process import Process
from tests.components.receded import Receded

POLICY = b"""
format: 1
change: {roles: {policy: 1}}
services:
  credit:
    gates: {documentation: {}}
    approvals: {roles: {legal: 1}, valid_days: 10, publisher_may_approve: true}
    drift: {ks: 1.0}
    canary:
      maximum_weight: 0.5
      rollout: {errors_worse_by: 0.05, refusals_worse_by: 0.05, ks: 0.35, minimum_requests: 500}
"""
ANSWERED = 1920
"""Requests of each slot, for a step: fifteen panes of both."""


class Stage(Site):
    """The first package is live, the second a canary at 25 %, with a step to 50 % and one to all, a second apart."""

    @classmethod
    def begun(
        cls, directory: Path, *, steps: bool = True, several: bool = False, policy: bytes = POLICY
    ) -> Stage:
        """As people leave it; without `steps`, the canary stays at its share; of `several`, there is a second one."""
        directory.mkdir(parents=True)
        packages = [number_package(name) for name in ("one", "two", "three")[: 3 if several else 2]]
        store = LayoutStore(directory / "data" / "store")
        for package in packages:
            store.push(package)
        first, second, *third = digests = [each.digest for each in packages]
        town = Town(parse_policy(policy))
        town.entries.clear()
        town.clock = time.time() - 60
        town.set_policy(town.policy)
        town.approve(*digests)
        town.deploy(first)
        canaries = [Placed(digest=each, slot="canary", weight=0.25) for each in (second, *third)]
        plan = [Placed(digest=first, weight=1 - 0.25 * len(canaries)), *canaries]
        town.deploy(plan, steps=Steps(shares=[0.5, 1.0], seconds=1.0) if steps else None)
        traffic = Traffic(packages[1], service="credit", journal=b"c" * 16, seed=2)
        site = cls(directory, town, first, second, traffic, free_port(), free_port())
        site.beside = Traffic(packages[0], service="credit", journal=b"l" * 16, seed=1)
        if several:
            site.third = Traffic(packages[2], service="credit", journal=b"t" * 16, seed=3)
        site.settle()
        town.write(directory / "data" / "log-governance", "affiant-governance")
        local_log(directory / "data" / "log", [])
        return site

    beside: Traffic
    """Live's."""
    third: Traffic | None = None
    """That of a second canary, which fails at nothing."""

    def asked(self, *, shift: float = 0.0, failed: int = 0) -> None:
        """Both slots answer; of the canary's inputs each number is larger by `shift`, and some requests failed."""
        values = []
        for number in range(ANSWERED):
            values.append(self.beside.value())
            slot = {Key.SLOT: 1}
            if self.third is not None:
                values.append(self.third.value(fields=slot))
            values.append(
                self.traffic.refusal(500, slot)
                if number < failed
                else self.traffic.value(self.traffic.rows(1) + shift, fields=slot)
            )
        append(configured_log(self.loaded), 0, values)  # type: ignore[arg-type]

    @contextmanager
    def processes(self) -> Iterator[Process]:
        """A monitor and a controller; the controller."""
        monitor = Process(
            [sys.executable, "-m", "cli.main", "monitor", *self.config],
            log=self.directory / "monitor.log", cwd=Path.cwd(),
        )  # fmt: skip
        monitor.start()
        try:
            with self.controller() as controller:
                yield controller.process
        finally:
            monitor.stop()

    def known(self) -> bool:
        """Whether the monitor counts for the step that is under way: what it has judged before is not compared."""
        found, canary = (
            fetched(f"http://127.0.0.1:{self.monitor_port}")("credit", None),
            self.deployed().canary,
        )
        return found is not None and canary is not None and found["moved"] == canary.moved

    def shares(self) -> list[tuple[str, str, float]]:
        """What answers."""
        return [(each.digest, each.slot, each.weight) for each in self.deployed().plan]

    def moved(self, action: str) -> int:
        """The offset of the newest event, once it is of this action."""
        last = self.deployed().last
        assert last is not None
        return last.offset if last.content.action == action else 0


@pytest.fixture(scope="module")
def through(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """A good canary, when it is live; tests read it, or copy it."""
    site = Stage.begun(tmp_path_factory.mktemp("through") / "site")
    site.asked()
    with site.processes() as controller:
        controller.wait_until(
            lambda: len(site.deployed().counted) == 3, what="the first step", deadline_s=60.0
        )
        assert [share for _, _, share in site.shares()] == [0.5, 0.5]
        controller.wait_until(site.known, what="the monitor to know of it")
        site.asked()
        controller.wait_until(
            lambda: len(site.deployed().counted) == 4, what="the last step", deadline_s=60.0
        )
    return site


def test_a_good_canary_becomes_live_step_by_step(through: Stage) -> None:
    """Each step by the requests since the one before, of which the event says where they stand."""
    assert through.shares() == [(through.second, "live", 1.0)]
    one, other = through.deployed().counted[-2:]
    assert [each.content.action for each in (one, other)] == ["step", "step"]
    ranges = [(each.content.evidence or {})["comparison"]["ranges"] for each in (one, other)]
    assert ranges == [[[0, 0, 2 * ANSWERED]], [[0, 2 * ANSWERED, 4 * ANSWERED]]]
    for each in (one, other):
        done = affiant("audit", "recompute", each.offset, *through.config)
        assert done.code == 0, done
        assert "moved on at offset" in done.out
        assert "it was right" in done.out
        assert "share of failed requests" in done.out
    told = affiant("audit", "recompute", other.offset, "--json", *through.config).json
    assert (told["right"], told["signed"]) == (True, told["computed"])


def told_of(site: Stage, offset: int, *options: str) -> tuple[int, bool, list[str], list[Any]]:
    """What an auditor finds of an event."""
    done = affiant("audit", "recompute", offset, "--json", *options, *site.config)
    wrong = [each["what"] for each in done.json["checks"] if not each["holds"]]
    return done.code, done.json["right"], wrong, done.json["computed"]


def test_steps_are_computed_again_of_the_archive(through: Stage, tmp_path: Path) -> None:
    """Of what the log has not any more; of all, the record before the ranges too; and nothing of what none has."""
    site = through.copy(tmp_path / "site")
    one, other = site.deployed().counted[-2:]
    log = Receded(site.loaded, site.directory)
    log.begin(2 * ANSWERED + 700)
    signed = (other.content.evidence or {})["questions"]
    assert told_of(site, other.offset) == (0, True, [], signed)
    log.lose()
    assert affiant("audit", "recompute", other.offset, *site.config).code == 3
    assert told_of(site, other.offset, "--archive") == (0, True, [], signed)
    done = affiant("audit", "recompute", one.offset, "--archive", *site.config)
    assert (done.code, "it was right" in done.out) == (0, True), done
    files = sorted(each for each in (site.directory / "data").rglob("*.parquet") if "entries" in str(each))
    files[0].unlink()
    done = affiant("audit", "recompute", one.offset, "--archive", *site.config)
    assert (done.code, done.out) == (1, ""), done
    assert "has the offsets 600 to before" in done.err.replace("\n", " ")


def retold(site: Stage, path: str, value: Any) -> int:
    """The last event, said otherwise and signed by the controller's key; its offset."""
    event = site.deployed().counted[-1].content
    evidence = json.loads(json.dumps(event.evidence))
    place, way = evidence, path.split(".")
    for each in way[:-1]:
        place = place[int(each) if each.isdigit() else each]
    place[way[-1]] = value
    said = event.model_copy(update={"evidence": evidence, "at": round(time.time(), 3)})
    append_ = appender(Governance(configured_governance_log(site.loaded), KEYS["robot"]))
    append_([encode_deployment(said)])
    return site.deployed().events[-1].offset


def unheld(site: Stage, change: Callable[[dict[str, Any]], None]) -> list[str]:
    """What does not hold of the last step with its questions said otherwise."""

    def each_of(evidence: dict[str, Any]) -> None:
        for each in evidence["questions"]:
            change(each)

    return [each.what for each in held_to(site, each_of).checks if not each.holds]


def held_to(site: Stage, change: Callable[[dict[str, Any]], None], **content: Any) -> review.Reviewed:
    """The last event reviewed with its evidence said otherwise, and what else is given."""
    governance = configured_governance_log(site.loaded, create=False)
    store, entries = configured_store(site.loaded), list(entries_of(governance, 0, None))
    publisher = publisher_of_store(store)
    grounds = Grounds(site.town.root, publisher)
    grounds.take(entries)
    event = site.deployed().counted[-1]
    evidence = json.loads(json.dumps(event.content.evidence))
    change(evidence)
    event = replace(event, content=event.content.model_copy(update={"evidence": evidence} | content))
    log = configured_log(site.loaded, create=False)
    reader = log.reader()
    try:
        given = (entries, site.town.root, publisher, event, log.topic(), reader)
        return review.review(*given, *counting(site.loaded, store, grounds))
    finally:
        reader.close()


def moved_by(by: Callable[[float], float]) -> Callable[[dict[str, Any]], None]:
    """Each number of a question."""
    return lambda each: each.update({key: by(n) for key, n in each.items() if isinstance(n, float)})


def test_figures_of_another_processor_are_right(through: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the last bit, or a billionth; by more they are others. At a tolerance what was decided stands."""
    assert unheld(through, moved_by(lambda n: math.nextafter(n, math.inf))) == []
    assert unheld(through, moved_by(lambda n: n * (1 - 1e-9))) == []
    assert unheld(through, moved_by(lambda n: (n + 1) * (1 + 2 * TOLERANCE) - 1)) == ["figures"]
    # As if the policy let it be refused just so much more as is shown at most: computed again it would wait.
    known = (through.deployed().counted[-1].content.evidence or {})["questions"]
    (most,) = [each["at_most"] for each in known if each["what"] == "share of refused requests"]
    limits_of = review.limits_of
    for away, wrong in ((1e-9, []), (10 * TOLERANCE, ["figures", "decided the same again"])):
        limit = most - away
        monkeypatch.setattr(
            review, "limits_of", lambda ground, limit=limit: replace(limits_of(ground), refusals=limit)
        )

        def at_it(each: dict[str, Any], limit: float = limit) -> None:
            if each["what"] == "share of refused requests":
                each.update(at_most=limit, allowed=limit, shown=limit)

        assert unheld(through, at_it) == wrong


def by_cuts(evidence: dict[str, Any]) -> None:
    """As a controller of before compares: at the cuts alone."""
    live, canary = (
        np.array(evidence["comparison"]["sides"][slot]["scores"][0]) for slot in ("live", "canary")
    )
    levels = Levels(0.01 / 17 / 6 / 2, 0.05 / 17 / 2)
    found = distance(canary, live, evidence["comparison"]["effect"], levels, 1)
    (asked,) = (each for each in evidence["questions"] if each.pop("within", False))
    asked.update(at_least=found.at_least, at_most=found.at_most)


def test_a_step_of_before_is_computed_again_as_it_was_signed(
    through: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a controller of before beside a monitor of now; and of a monitor of before, with scores in twenty parts."""
    told = held_to(through, by_cuts)
    assert [each.what for each in told.checks if not each.holds] == []
    assert told.signed == told.computed
    counted, again = review._counted, []

    def remembered(*given: Any) -> Any:
        again.append(counted(*given))
        return again[-1]

    monkeypatch.setattr(review, "_counted", remembered)
    held_to(through, lambda evidence: evidence["comparison"].pop("single"))
    sides = {slot: again[0].side(slot).written() for slot in ("canary", "live")}
    assert all("begins" not in side and len(side["scores"][0]) <= 20 for side in sides.values())

    def coarse(evidence: dict[str, Any]) -> None:
        evidence["comparison"].pop("single")
        evidence["comparison"]["sides"] = sides
        by_cuts(evidence)

    told = held_to(through, coarse)
    assert [each.what for each in told.checks if not each.holds] == []
    assert told.signed == told.computed


@pytest.mark.parametrize(
    ("path", "value", "wrong"),
    [
        ("comparison.single", [[1]], ["counts"]),
        ("comparison.sides.canary.rows", 1, ["counts"]),
        ("comparison.newest", 1, ["counts", "decided the same again"]),
        (
            "comparison.ranges",
            [[0, 2 * ANSWERED + PANE, 4 * ANSWERED]],
            ["of the whole step", "counts", "figures"],
        ),
        ("comparison.moved", 1, ["of this step"]),
        ("comparison.effect", 50.0, ["figures", "decided the same again"]),
        ("comparison.pages", ["a"], ["decided the same again"]),
        ("questions", [], ["figures"]),
        ("policy", "sha256:" + "00" * 32, ["policy of that time"]),
    ],
)
def test_an_auditor_finds_what_is_wrong(
    through: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, value: Any, wrong: list[str]
) -> None:
    """A monitor that lied, or whoever has the controller's key: what is not in the log does not come out of it."""
    monkeypatch.setattr(review, "LATE", 0.0)
    site = through.copy(tmp_path / "site")
    offset = retold(site, path, value)
    done = affiant("audit", "recompute", offset, "--json", *site.config)
    assert (done.code, done.json["right"]) == (1, False), done
    found = [each["what"] for each in done.json["checks"] if not each["holds"]]
    # It follows an event that is not the newest; its time, and the age of its newest pane, are later ones.
    assert [each for each in found if each != "it counts"] == wrong


@pytest.mark.parametrize(
    ("path", "value", "code", "told"),
    [
        ("comparison.topic", "00" * 16, 1, "the evidence is of the topic"),
        ("comparison.ranges", [[0, 1, PANE]], 1, "are no panes"),
        ("comparison.ranges", [[0, 0, 80 * ANSWERED * PANE]], 3, "has the offsets 0 to before"),
        ("comparison.sides", {}, 1, "there is no 'canary'"),
    ],
)
def test_evidence_of_something_else_is_refused(
    through: Stage, tmp_path: Path, path: str, value: Any, code: int, told: str
) -> None:
    """With the reason, and nothing computed."""
    site = through.copy(tmp_path / "site")
    done = affiant("audit", "recompute", retold(site, path, value), *site.config)
    assert (done.code, done.out) == (code, ""), done
    assert told in done.err.replace("\n", " ")


def test_a_canary_without_steps_that_fails_is_taken_back(tmp_path: Path) -> None:
    """`affiant deploy --canary 25%`: it moves no further by itself, and is compared as long as it stands."""
    site = Stage.begun(tmp_path / "site", steps=False)
    site.asked(failed=ANSWERED // 4)
    with site.processes() as controller:
        controller.wait_until(lambda: site.moved("rollback"), what="the way back", deadline_s=60.0)
    assert site.shares() == [(site.first, "live", 1.0)]
    done = affiant("audit", "recompute", site.moved("rollback"), *site.config)
    assert done.code == 0, done
    assert "taken back at offset" in done.out
    Receded(site.loaded, site.directory).lose()
    assert told_of(site, site.moved("rollback"), "--archive")[:3] == (0, True, [])


def test_of_several_canaries_the_one_that_fails_is_taken_back(tmp_path: Path) -> None:
    """By its own requests: the other one stays, with its share, and anybody finds that it was right."""
    site = Stage.begun(tmp_path / "site", steps=False, several=True)
    assert site.third is not None
    site.asked(failed=ANSWERED // 4)
    with site.processes() as controller:
        controller.wait_until(lambda: site.moved("rollback"), what="the way back", deadline_s=60.0)
    kept = f"sha256:{site.third.digest.hex()}"
    assert site.shares() == [(site.first, "live", 0.75), (kept, "canary", 0.25)]
    event = site.deployed().counted[-1]
    told = (event.content.evidence or {})["comparison"]
    assert (told["digest"], told["sides"]["canary"]["statuses"]["500"]) == (site.second, ANSWERED // 4)
    assert told_of(site, event.offset)[:3] == (0, True, [])
    code, right, wrong, _ = told_of(site, retold(site, "comparison.digest", kept))
    assert (code, right, {"counts", "decided the same again"} <= set(wrong)) == (1, False, True)
    done = affiant("audit", "recompute", retold(site, "comparison.digest", site.first), *site.config)
    assert (done.code, done.out) == (1, "")
    assert "no such canary stood beside live then" in done.err.replace("\n", " ")


def test_a_step_that_was_given_up_is_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was shown, and the time was over: neither a way back for a worse canary, nor too soon, nor a step."""
    policy = POLICY.replace(b"minimum_requests: 500", b"minimum_requests: 5000, give_up_after_hours: 0.001")
    assert policy != POLICY
    site = Stage.begun(tmp_path / "site", policy=policy)
    site.asked()
    with site.processes() as controller:
        controller.wait_until(lambda: site.moved("rollback"), what="the way back", deadline_s=60.0)
    assert site.shares() == [(site.first, "live", 1.0)]
    event = site.deployed().counted[-1]
    assert "given up 0.001 h after its step's time: " in event.content.reason
    assert f"{ANSWERED} requests of the canary were seen; 5000 are needed" in event.content.reason
    signed = (event.content.evidence or {})["questions"]
    assert told_of(site, event.offset) == (0, True, [], signed)
    done = affiant("audit", "recompute", event.offset, *site.config)
    assert re.search(r"decided the same again +give up: ", done.out), done

    def wrong(change: Callable[[dict[str, Any]], Any], **content: Any) -> list[str]:
        return [each.what for each in held_to(site, change, **content).checks if not each.holds]

    assert wrong(lambda evidence: evidence.pop("given_up")) == ["decided the same again"]
    half = [Placed(digest=site.first, weight=0.5), Placed(digest=site.second, slot="canary", weight=0.5)]
    assert wrong(lambda _: None, action="step", plan=half) == ["decided the same again"]
    limits_of = review.limits_of
    monkeypatch.setattr(review, "limits_of", lambda ground: replace(limits_of(ground), give_up=3600.0))
    assert wrong(lambda _: None) == ["decided the same again"]
