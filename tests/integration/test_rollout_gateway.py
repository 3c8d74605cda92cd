"""A rollout from the gateway's answers to the gateway's answers: gateway, sidecar, monitor, controller, a local log."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.log import configured_governance_log
from cli.controller_parts import publisher_of_store
from monitoring.controller.ground import Follower
from registry.approvals.board import first_root_of
from registry.deployment import Deployed
from registry.package import Package
from registry.publish import Wanted, publish
from registry.stores import configured_store
from tests.components.approvals import House, affiant
from tests.components.asking import Asking
from tests.components.packages import MADE, number_package, number_table
from tests.components.ports import free_port
from tests.components.process import Process, wait_until

POLICY = """\
format: 1
change: {roles: {compliance: 1}}
services:
  credit:
    gates: {documentation: {}}
    approvals: {roles: {legal: 1}, valid_days: 10, publisher_may_approve: true}
    drift: {ks: 1.0}
    canary:
      maximum_weight: 0.5
      gates: [documentation]
      roles: {legal: 1}
      rollout: {errors_worse_by: 0.05, refusals_worse_by: 0.05, ks: 0.25, p99_slower_by: 10.0, slower_by: 3.0}
"""
SETTINGS = """
[gateway]
port = {gateway}
[sidecar]
metrics_port = {sidecar}
retry_seconds = 0.2
scan_seconds = 0.2
[monitor]
metrics_port = {monitor}
pane_records = 64
[controller]
port = {controller}
key_file = "pipeline.key"
"""


def blunt() -> Package:
    """A package that is never sure: one small tree."""
    import xgboost

    table = number_table()
    data = xgboost.DMatrix(table.frame[["a", "b", "c"]], table.frame["y"])
    settings = {"objective": "binary:logistic", "max_depth": 1, "nthread": 1, "eta": 0.1}
    return publish(
        bytes(xgboost.train(settings, data, 1).save_raw("ubj")), table, Wanted("blunt", "y"), now=lambda: MADE
    ).package


class Place:
    """All of it, on ports of its own."""

    def __init__(self, directory: Path, packages: list[Package]) -> None:
        self.ports = {name: free_port() for name in ("gateway", "sidecar", "monitor", "controller")}
        self.house = House.build(directory, packages, policy=POLICY)
        with self.house.file("affiant.toml").open("a") as file:
            file.write(SETTINGS.format(**self.ports))
        self.house.ok("controller", "token", *self.house.config)
        for each in packages:
            self.house.gates(digest=each.digest)
            assert self.house.sign("approve", "ann", "legal", digest=each.digest).code == 0
        rows = number_table().frame[["a", "b", "c"]].to_numpy()
        self.asking = Asking(
            self.ports["gateway"],
            "credit",
            [[None if math.isnan(each) else float(each) for each in row] for row in rows],
            rate=400.0,
            together=1,
        )

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """All processes; nothing is asked yet."""
        with contextlib.ExitStack() as opened:
            for name in self.ports:
                words = [name, "run"] if name == "controller" else [name]
                argv = [sys.executable, "-m", "cli.main", *words, *self.house.config]
                part = Process(argv, log=self.house.file(f"{name}.log"), cwd=Path.cwd(), name=name)
                opened.callback(part.kill)
                part.start()
            yield

    def deploy(self, digest: str, *words: object) -> None:
        """By who may."""
        self.house.ok(
            "deploy", "credit", digest, *words, "--reason", "the next one", "--key", self.house.key("dan"), "--yes",
            *self.house.config,
        )  # fmt: skip

    def deployed(self) -> Deployed:
        """As the log leaves it."""
        loaded = self.house.loaded
        governance = configured_governance_log(loaded, create=False)
        follower = Follower(governance, first_root_of(loaded), publisher_of_store(configured_store(loaded)))
        return follower.read_on().ground("credit", time.time()).deployed

    def wait(self, condition: object, what: str) -> None:
        """See `wait_until`; with what the controller said."""
        log = self.house.file("controller.log")
        wait_until(condition, what=what, deadline_s=120.0, details=lambda: log.read_text()[-4000:])  # type: ignore[arg-type]

    def last(self) -> str:
        """The newest action."""
        found = self.deployed().last
        return "" if found is None else found.content.action


@pytest.mark.long
def test_a_bad_canary_goes_back_and_a_good_one_comes_to_answer_all(tmp_path: Path) -> None:
    """No request fails meanwhile; each event is found right by an auditor."""
    first, bad, good = number_package("one"), blunt(), number_package("two")
    place = Place(tmp_path, [first, bad, good])
    steps = ("--canary", "25%", "--then", "50%", "--then", "100%", "--step", "1s")
    with place.running():
        place.deploy(first.digest)
        place.wait(lambda: _answers(place), "an answer")
        with place.asking:
            place.asking.go_on()
            place.deploy(bad.digest, *steps)
            place.wait(lambda: place.last() == "rollback", "the bad one to go back")
            assert [each.digest for each in place.deployed().plan] == [first.digest]
            place.deploy(good.digest, *steps)
            place.wait(lambda: place.deployed().plan[0].digest == good.digest, "the good one to be live")
            place.wait(lambda: place.asking.after(good.digest) > 200, "its answers alone")
        assert place.asking.failed == []
        assert bad.digest in place.asking.answered
        counted = place.deployed().counted
        assert [each.content.action for each in counted] == [
            "deploy", "deploy", "rollback", "deploy", "step", "step",
        ]  # fmt: skip
        for each in counted:
            if each.content.evidence is not None:
                done = affiant("audit", "recompute", each.offset, "--json", *place.house.config)
                assert done.code == 0, json.dumps(done.json["checks"], indent=1)


def _answers(place: Place) -> bool:
    """Whether the gateway has the first one."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{place.ports['gateway']}/v1/models/credit:predict",
        json.dumps({"instances": [[0.0, 0.0, None]]}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()
            return True
    except OSError:
        return False
