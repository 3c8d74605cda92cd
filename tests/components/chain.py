"""From an answer to a rollback, as processes that can be killed: gateway, sidecar, Kafka, two monitors, Prometheus,
Alertmanager, two controllers, each of which asks the monitor beside it. Clients ask on.

    with Chain(directory, broker) as chain:
        chain.deploy(chain.versions[1])
        chain.parts["monitor-1"].kill()
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self

from audit.config import Config, load
from audit.errors import LogUnavailable
from audit.log import configured_governance_log
from cli.controller_parts import publisher_of_store
from monitoring.controller.ground import Follower
from registry.approvals.board import first_root_of
from registry.deployment import Deployed, Event
from registry.policy import parse_policy
from registry.stores import configured_store
from tests.components.approvals import Done, House, affiant
from tests.components.asking import Asking, Row
from tests.components.clock import Clock
from tests.components.kafka import KafkaBroker, brokers_known_to
from tests.components.packages import number_package, number_table
from tests.components.ports import HOST, free_port
from tests.components.process import Process, wait_until
from tests.components.watching import watching

POLICY: Final = """\
format: 1
change: {roles: {compliance: 1}}
services:
  credit:
    gates: {documentation: {}, size: {megabytes: 50}}
    approvals: {roles: {legal: 1}, valid_days: 10, publisher_may_approve: true}
    drift:
      minimum_rows: 500
      rule: {warn_delta: auto, page_delta: auto, window_rows: 1000}
      retrain: true
      rollback: {causes: [prediction, input], cooldown_minutes: 0, maximum_per_day: 1000}
"""
PANE: Final = 64
PARTITIONS: Final = 2
PAIR: Final = (1, 2)
_PATIENCE: Final = 120.0


class Chain:
    """See the module. The broker is the caller's; it runs already."""

    def __init__(
        self,
        directory: Path,
        broker: KafkaBroker,
        *,
        versions: int = 2,
        workers: int = 2,
        repeat: str | None = None,
    ) -> None:
        """Nothing but the topics and who may what is there yet.

        Args:
            directory: empty.
            broker: to be killed with the others.
            versions: packages that may answer; the first is the one to come back to.
            workers: of the gateway, each with a journal.
            repeat: see `watching`.
        """
        self.directory: Final = directory
        packages = [number_package(f"number {at}") for at in range(versions)]
        self.versions: Final = [each.digest for each in packages]
        self._ports: Final = {
            name: free_port() for name in ("gateway", "sidecar", *_names("monitor", "controller"))
        }
        name = uuid.uuid4().hex[:12]
        directory.mkdir(parents=True, exist_ok=True)
        self.house: Final = House.build(
            directory, packages, settings=self._settings(broker.bootstrap, name, workers), policy=POLICY
        )
        self.house.ok("controller", "token", *self.house.config)
        self.clocks: Final[dict[str, Clock]] = {}
        self._broker: Final = broker
        self.manager, self.server = watching(
            directory,
            parse_policy(POLICY.encode()),
            monitors=[f"{HOST}:{self._ports[each]}" for each in _names("monitor")],
            controllers=[f"http://{HOST}:{self._ports[each]}/alerts" for each in _names("controller")],
            token_file=self.house.file("controller.token"),
            repeat=repeat,
        )
        self.parts: Final[dict[str, Process]] = dict(self._processes())
        self.asking: Final = Asking(self._ports["gateway"], "credit", _rows())
        self._open = contextlib.ExitStack()

    @property
    def loaded(self) -> Config:
        """The settings that all share."""
        return load(self.house.file("affiant.toml"))

    def _settings(self, bootstrap: str, name: str, workers: int) -> str:
        tables: dict[str, dict[str, object]] = {
            "log": {
                "backend": "kafka", "bootstrap": bootstrap, "topic": f"entries-{name}", "replication": 1,
                "governance_topic": f"governance-{name}", "partitions": PARTITIONS,
            },
            "gateway": {"port": self._ports["gateway"], "workers": workers},
            "journal": {
                "segment_bytes": 1 << 20, "max_bytes": 256 << 20, "heartbeat_seconds": 3600,
                "free_after": "acknowledged",
            },
            "sidecar": {
                "metrics_port": self._ports["sidecar"], "retry_seconds": 0.2, "scan_seconds": 0.2,
            },
        }  # fmt: skip
        text, first = _toml(tables), ""
        for number in PAIR:
            own: dict[str, dict[str, object]] = {
                "monitor": {
                    "metrics_port": self._ports[f"monitor-{number}"], "pane_records": PANE, "evaluate": False,
                    "state_topic": f"panes-{name}", "group": f"monitors-{name}",
                },
                "controller": {"port": self._ports[f"controller-{number}"], "key_file": "pipeline.key"},
            }  # fmt: skip
            whole = text + _toml(own)
            first = first or whole
            (self.directory / f"pair-{number}.toml").write_text(
                f'[data]\ndirectory = "data"\n\n[governance]\nroot = "root.json"\n{whole}'
            )
        return first

    def _processes(self) -> Iterator[tuple[str, Process]]:
        yield "broker", self._broker.process
        for name in ("gateway", "sidecar"):
            argv = [sys.executable, "-P", "-m", "cli.main", name, *self.house.config]
            yield name, Process(argv, log=self.directory / f"{name}.log", cwd=self.directory, name=name)
        for name in _names("monitor", "controller"):
            what, _, number = name.partition("-")
            file = self.directory / f"{name}.clock"
            self.clocks[name] = Clock(file)
            command = [what] if what == "monitor" else [what, "run"]
            argv = [
                sys.executable, "-m", "tests.components.clock", str(file), "cli.main", *command,
                "--config", str(self.directory / f"pair-{number}.toml"),
            ]  # fmt: skip
            yield name, Process(argv, log=self.directory / f"{name}.log", cwd=Path.cwd(), name=name)
        yield "prometheus", self.server.process
        yield "alertmanager", self.manager.process

    def __enter__(self) -> Self:
        """All run, nothing is asked yet, and the first version is to answer."""
        with contextlib.ExitStack() as opened:
            for name, part in self.parts.items():
                if name != "broker":
                    opened.callback(part.kill)
                    # What a thread has started ends with it: all of it is started by who goes on to the end.
                    if name not in ("prometheus", "alertmanager"):
                        part.start()
            for digest in self.versions:
                self.house.gates(digest=digest)
                assert self.house.sign("approve", "ann", "legal", digest=digest).code == 0
            self.manager.start()
            self.server.start()
            self.deploy(self.versions[0])
            opened.enter_context(self.asking)
            self._open = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def deploy(self, digest: str) -> None:
        """Signed by who may; returns when it answers."""
        self.house.ok(
            "deploy", "credit", digest, "--reason", "the next one", "--key", self.house.key("dan"), "--yes",
            *self.house.config,
        )  # fmt: skip
        self.wait(lambda: self._asked_once() == digest, what=f"an answer of {digest}")

    def _asked_once(self) -> str | None:
        """Who answers one request now; None: nobody."""
        request = urllib.request.Request(
            f"http://{HOST}:{self._ports['gateway']}/v1/models/credit:predict",
            json.dumps({"instances": [[0.0, 0.0, None]]}).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                answer.read()
                return str(answer.headers["affiant-model"])
        except OSError:
            return None

    def events(self) -> tuple[Event, ...]:
        """All of the service, in the log's order; waits for the broker."""
        found: list[tuple[Event, ...]] = []

        def read() -> bool:
            # Asked first because kafka-python leaves a socket unclosed for each attempt that is refused.
            if brokers_known_to(self._broker.bootstrap):
                with contextlib.suppress(LogUnavailable):
                    found.append(self._deployed().events)
            return bool(found)

        self.wait(read, what="the governance log")
        return found[0]

    def _deployed(self) -> Deployed:
        loaded = self.loaded
        governance = configured_governance_log(loaded, create=False)
        follower = Follower(governance, first_root_of(loaded), publisher_of_store(configured_store(loaded)))
        return follower.read_on().ground("credit", time.time()).deployed

    def leader(self) -> str | None:
        """The monitor that judges; None: none says that it does."""
        for name in _names("monitor"):
            if "\naffiant_monitor_leader 1.0" in self.page(name, "/metrics"):
                return name
        return None

    def page(self, name: str, path: str) -> str:
        """Of a part's server; empty while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self._ports[name]}{path}", timeout=5) as answer:
                text: str = answer.read().decode()
                return text
        except OSError:
            return ""

    def figures(self) -> dict[str, Any] | None:
        """What the monitor that judges says of what is live; None: it says nothing yet."""
        leader = self.leader()
        found = json.loads((leader and self.page(leader, "/figures")) or "[]")
        return next((each for each in found if each["slot"] == "live"), None)

    def ready(self) -> bool:
        """Whether each monitor and each controller says that it can do its work: a process that lives may not."""
        return all(self.page(each, "/readyz") for each in _names("monitor", "controller"))

    def shipped(self) -> bool:
        """Whether the sidecar says that no record of any journal is missing in the log."""
        lines = self.page("sidecar", "/metrics").splitlines()
        behind = [
            line.rpartition(" ")[2] for line in lines if line.startswith("affiant_sidecar_lag_records{")
        ]
        return bool(behind) and all(float(each) == 0 for each in behind)

    def recompute(self, offset: int) -> Done:
        """`affiant audit recompute`, of the event at that offset."""
        return affiant("audit", "recompute", offset, "--json", *self.house.config)

    def wait(self, condition: Any, *, what: str, deadline_s: float = _PATIENCE) -> None:
        """See `wait_until`; with the ends of all logs."""
        wait_until(condition, what=what, deadline_s=deadline_s, interval_s=0.1, details=self.tail)

    def tail(self) -> str:
        """The ends of all logs."""
        return "\n".join(f"---- {name}\n{part.log_tail(8)}" for name, part in self.parts.items())


def _names(*whats: str) -> list[str]:
    return [f"{what}-{number}" for what in whats for number in PAIR]


def _toml(tables: dict[str, dict[str, object]]) -> str:
    """Strings and numbers are written as JSON has them."""
    lines = []
    for name, table in tables.items():
        lines.append(
            f"\n[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
        )
    return "".join(lines)


def _rows() -> list[Row]:
    """Of what the packages were trained on."""
    frame = number_table().frame[["a", "b", "c"]]
    return [[None if math.isnan(each) else float(each) for each in row] for row in frame.to_numpy()]
