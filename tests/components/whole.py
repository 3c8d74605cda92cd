"""The whole of Affiant on one machine, as processes, with a rollback behind it, scraped every second.

    with Whole(directory) as whole:
        whole.server.query("up")

A governed service whose newest package is asked what has drifted; `affiant up` runs gateway, sidecar (it copies to a
collector), notary, monitor and controller; the monitor tells the controller, which rolls back. Clients go on asking,
well and badly, and say what came of it; then what was left is a canary, with steps that are signed.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from audit.log import configured_log
from audit.notary.keys import generate
from monitoring.alerts.render import RULES_FILE, rules_yaml
from monitoring.alerts.rules import groups_of
from registry.deployment import Steps
from registry.policy import parse_policy
from tests.components.approvals import affiant
from tests.components.collector import Collector
from tests.components.controlled import POLICY as TEMPLATE
from tests.components.controlled import ROLLBACK, Site
from tests.components.monitored import append
from tests.components.ports import HOST, free_port
from tests.components.process import Process, wait_until
from tests.components.prometheus import Prometheus
from tests.components.webhook import Exporter

ROLLS_BACK: Final = f"""{ROLLBACK}
    slo: {{errors: 0.01, refusals: 0.05, p99_milliseconds: 40, confidence: {{at_least: 0.8, share: 0.5}}}}
    canary: {{maximum_weight: 0.2, rollout: {{}}}}
    performance:
      metrics: {{accuracy: {{minimum: 0.1}}}}
      minimum_labels: 5
      cohort_hours: 0.001
      coverage: 0.1
      coverage_after_hours: 0.0005
    live_fairness:
      attributes: [{{column: a, edges: [0.5]}}, {{column: nobody}}]
      minimum_group: 5"""
POLICY: Final = parse_policy(TEMPLATE.format(rollback=ROLLS_BACK).encode(), "policy.yaml")
"""The one in force."""
_NONE: Final[Mapping[str, str]] = {}
_PARTS: Final = ("gateway", "sidecar", "notary")
_PAUSE: Final = 0.05
"""Seconds between two requests: a trickle, so that counters move."""
_STEPS: Final = Steps(shares=[0.2], seconds=86_400.0)


class Whole:
    """Up between `with` and its end."""

    def __init__(self, directory: Path) -> None:
        self.site = Site.build(directory / "site", ROLLS_BACK)
        self._collector = Collector(directory / "collector")
        self.ports = {part: free_port() for part in _PARTS}
        with (self.site.directory / "affiant.toml").open("a") as settings:
            settings.write(f"[gateway]\nport = {self.ports['gateway']}\n")
            settings.write(f'[fluentd]\naddress = "{self._collector.address}"\n')
            settings.writelines(f"[{part}]\nmetrics_port = {self.ports[part]}\n" for part in _PARTS[1:])
        generate(self.site.directory / "notary.key", self.site.directory / "notary.pub", "affiant.local")
        program = [sys.executable, "-P", "-m", "cli.main", "up", *self.site.config]
        self.process = Process(program, log=directory / "up.txt", cwd=Path.cwd(), name="up")
        # A record that nobody can read: it is counted by its reason.
        append(configured_log(self.site.loaded), 0, [self.site.traffic.value(payload=b"poisoned")])  # type: ignore[arg-type]
        rules = directory / RULES_FILE
        rules.write_text(rules_yaml(groups_of(POLICY), digest=POLICY.digest))
        self._textfile = directory / "completeness.prom"
        self._audited = Exporter()
        addresses = {
            **self.ports, "monitor": self.site.monitor_port, "controller": self.site.port
        }  # fmt: skip
        self.targets = {f"affiant-{part}": [f"{HOST}:{port}"] for part, port in addresses.items()}
        self.targets["affiant-textfile"] = [self._audited.address]
        self.server = Prometheus(directory / "prometheus", targets=self.targets, rules=[rules])
        self._ended = threading.Event()
        self._client = threading.Thread(target=self._ask_on, daemon=True)
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opened:
            opened.enter_context(self._collector)
            self.process.start()
            opened.callback(self.process.stop)
            self.process.wait_until(
                lambda: "│ ready; " in self.process.log_text(), what="its greeting", deadline_s=90
            )
            self._client.start()
            opened.callback(self._client.join)
            opened.callback(self._ended.set)
            opened.enter_context(self._audited)
            opened.enter_context(self.server)
            self.process.wait_until(
                lambda: self.site.live() == self.site.first, what="a rollback", deadline_s=90
            )
            # What was rolled back, beside what is live: its share is too small for it to be judged while this runs.
            self.site.put_canary(self.site.first, self.site.second, _STEPS, time.time())
            self._look()
            self._open = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def ask(
        self, body: object, service: str = "credit", verb: str = "predict", headers: Mapping[str, str] = _NONE
    ) -> int:
        """One request; its status."""
        request = urllib.request.Request(
            f"http://{HOST}:{self.ports['gateway']}/v1/models/{service}:{verb}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", **headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                answer.read()
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def _ask_on(self) -> None:
        for number in range(1_000_000):
            if self._ended.wait(_PAUSE):
                return
            with contextlib.suppress(OSError):
                self._ask_once(number)

    def _ask_once(self, number: int) -> None:
        """A prediction; now and then a row that is none, a service that is not there, a label, a label that is none."""
        match number % 20:
            case 0:
                self.ask({"instances": [["no number", 0.5, 1.0]]})
            case 5:
                self.ask({"instances": [[0.5, 0.5, 1.0]]}, "nobody")
            case 10:
                self.ask({"request_id": "of nobody", "label": True}, verb="label")
            case 15:
                self.ask({"label": True}, verb="label")
            case place:
                one = f"order-{number}"
                self.ask({"instances": [[place / 20, 0.5, 1.0]]}, headers={"X-Request-Id": one})
                self.ask({"request_id": one, "label": place % 3 == 0}, verb="label")

    def _look(self) -> None:
        """`affiant audit completeness`, and its result where Prometheus finds it."""
        gateway = f"http://{HOST}:{self.ports['gateway']}"
        arguments = ("--gateway", gateway, "--textfile", self._textfile)
        done = affiant("audit", "completeness", *arguments, *self.site.config)
        assert self._textfile.exists(), done
        self._audited.text = self._textfile.read_text()


__all__ = ["Whole", "wait_until"]
