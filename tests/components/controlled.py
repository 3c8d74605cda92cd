"""A controller as a process, with all that it needs: a governed service, two packages, a log with drifted traffic.

    site = Site.build(directory)             # FIRST was live, SECOND is, and what it is asked has drifted
    with site.monitor(), site.controller() as controller:
        controller.post(alarm)

The monitor is one page that serves evidence; what the evidence says, the controller counts by itself from the log.
"""

from __future__ import annotations

import atexit
import http.client
import json
import shutil
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self

from audit.config import Config, load
from audit.log import configured_governance_log, configured_log
from cli.controller_parts import again_under, publisher_of_store
from monitoring.controller.evidence import fetch
from monitoring.controller.ground import Follower
from monitoring.errors import EvidenceUnavailable
from monitoring.figures import Evidence
from registry.deployment import Deployed, Placed, Steps
from registry.policy import parse_policy
from registry.stores import LayoutStore, configured_store
from tests.components.controller import KEYS, Town, put
from tests.components.monitored import Traffic, append, local_log
from tests.components.packages import number_package
from tests.components.ports import free_port
from tests.components.process import Component, Process

POLICY = """
format: 1
change: {{roles: {{policy: 1}}}}
services:
  credit:
    gates: {{documentation: {{}}}}
    approvals: {{roles: {{legal: 1}}, valid_days: 10, publisher_may_approve: true}}
    drift:
      minimum_rows: 500
      rule: {{warn_delta: auto, page_delta: auto, window_rows: 1000}}
      retrain: true
      rollback: {rollback}
"""
ROLLBACK = "{causes: [prediction, input], cooldown_minutes: 0, maximum_per_day: 5}"
TOKEN = "controller-token-of-the-tests-0123456789"
PANE = 256
OURS: Final = (sys.executable, "-m", "cli.main")
"""`affiant`, with all that is installed here."""


@dataclass
class Site:
    """See the module."""

    directory: Path
    town: Town
    first: str
    second: str
    traffic: Traffic
    port: int = 0
    monitor_port: int = 0

    @classmethod
    @cache
    def built(cls) -> Self:
        """One that is made once a process, to be copied."""
        directory = Path(tempfile.mkdtemp(prefix="controlled-"))
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
        return cls.build(directory)

    @classmethod
    def build(cls, directory: Path, rollback: str = ROLLBACK) -> Self:
        """Packages in the store, people, a policy, deployments an hour ago, and 1,536 drifted records since."""
        directory.mkdir(parents=True, exist_ok=True)
        packages = [number_package("one"), number_package("two")]
        store = LayoutStore(directory / "data" / "store")
        for package in packages:
            store.push(package)
        first, second = (each.digest for each in packages)
        town = Town(parse_policy(POLICY.format(rollback=rollback).encode()))
        town.entries.clear()
        town.clock = time.time() - 3600
        town.set_policy(town.policy)
        town.approve(first, second)
        for digest in (first, second):
            town.deploy(digest)
            town.clock += 60
        site = cls(directory, town, first, second, Traffic(packages[1], service="credit"))
        site.port, site.monitor_port = free_port(), free_port()
        site.settle()
        town.write(directory / "data" / "log-governance", "affiant-governance")
        values = [site.traffic.value(site.traffic.rows(1) + 4) for _ in range(6 * PANE)]
        local_log(directory / "data" / "log", values)
        return site

    def say(self, **settings: Any) -> None:
        """More of the table [controller], for the controllers that are made after it."""
        file = self.directory / "affiant.toml"
        lines = "".join(f"{name} = {json.dumps(str(value))}\n" for name, value in settings.items())
        file.write_text(file.read_text().replace("[controller]\n", f"[controller]\n{lines}"))

    def copy(self, directory: Path) -> Self:
        """The same, elsewhere: what is done to it is not done to this one."""
        shutil.copytree(self.directory, directory)
        town, port, monitor_port = self.town.copy(), free_port(), free_port()
        found = replace(self, directory=directory, town=town, port=port, monitor_port=monitor_port)
        found.settle()
        return found

    def settle(self) -> None:
        """The files that the command reads."""
        (self.directory / "affiant.toml").write_text(
            f'[data]\ndirectory = "data"\n[governance]\nroot = "root.json"\n[controller]\nport = {self.port}\n'
            f"[monitor]\nmetrics_port = {self.monitor_port}\npane_records = {PANE}\n"
        )
        (self.directory / "root.json").write_bytes(self.town.root.envelope.encode())
        key, token = self.directory / "controller.key", self.directory / "controller.token"
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        key.write_bytes(
            KEYS["robot"].private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        token.write_text(TOKEN)
        for each in (key, token):
            each.chmod(0o600)

    @property
    def config(self) -> tuple[str, str]:
        """The option."""
        return "--config", str(self.directory / "affiant.toml")

    @property
    def loaded(self) -> Config:
        """The settings."""
        return load(self.directory / "affiant.toml")

    def follower(self) -> Follower:
        """Of the governance log."""
        publisher = publisher_of_store(configured_store(self.loaded))
        return Follower(configured_governance_log(self.loaded, create=False), self.town.root, publisher)

    def deployed(self) -> Deployed:
        """The service, as the log leaves it."""
        return self.follower().read_on().ground("credit", time.time()).deployed

    def live(self) -> str:
        """What is live."""
        last = self.deployed().last
        assert last is not None
        return last.content.live

    def put_canary(self, live: str, canary: str, steps: Steps, at: float) -> None:
        """Deployed at a time: the canary has a tenth, and steps before it.

        Args:
            live: the digest that has the rest.
            canary: the other one.
            steps: signed with it.
            at: seconds since 1970 UTC.
        """
        last = self.deployed().last
        assert last is not None
        plan = [Placed(digest=live, weight=0.9), Placed(digest=canary, slot="canary", weight=0.1)]
        self.town.entries.clear()
        self.town.clock = at
        self.town.deploy(plan, after=last.offset, steps=steps)
        put(configured_governance_log(self.loaded), self.town.entries)  # type: ignore[arg-type]

    def evidence(self, **changed: Any) -> Evidence:
        """What a monitor would say of the log's first six panes, by its own reading."""
        log = configured_log(self.loaded, create=False)
        asked: dict[str, Any] = {
            "topic": log.topic().id.hex(), "pane_records": PANE, "service": "credit", "digest": self.second,
            "slot": "live", "policy": self.town.policy.digest, "panes": [(0, number) for number in range(6)],
            "reached": {}, "columns": [], "rows": 0, "window_rows": 0,
        } | changed  # fmt: skip
        grounds = self.follower().read_on()
        again = again_under(self.loaded, configured_store(self.loaded), grounds)
        reader = log.reader()
        try:
            found: Evidence = again(grounds.ledger.policy, "credit")(Evidence(**asked), reader)
        finally:
            reader.close()
        return found

    def record(self, count: int, shift: float = 4.0) -> None:
        """More of it."""
        values = [self.traffic.value(self.traffic.rows(1) + shift) for _ in range(count)]
        append(configured_log(self.loaded), 0, values)  # type: ignore[arg-type]

    def alert(self, **labels: str) -> dict[str, Any]:
        """As Alertmanager sends it."""
        return {
            "status": "firing", "startsAt": "2026-11-26T04:00:00Z", "fingerprint": "c0ffee0123456789",
            "annotations": {"summary": "drift"},
            "labels": {
                "alertname": "AffiantScoreDrift", "service": "credit", "digest": self.second[7:19], "slot": "live",
                "severity": "page", "cause": "prediction",
            } | labels,
        }  # fmt: skip

    @contextmanager
    def monitor(self) -> Iterator[Page]:
        """A page with evidence, at first that of the log's first six panes."""
        page = Page(self.monitor_port)
        page.say(self.evidence())
        with page:
            yield page

    @contextmanager
    def real_monitor(self, program: Sequence[str] = OURS) -> Iterator[Process]:
        """`affiant monitor`, once it has evidence that pages."""
        program = [*program, "monitor", *self.config]
        process = Process(program, log=self.directory / "monitor.log", cwd=Path.cwd())

        def pages() -> bool:
            try:
                found = fetch(f"http://127.0.0.1:{self.monitor_port}", "credit", self.second[7:19], "live")
            except EvidenceUnavailable:
                return False
            return any(each.severity == "page" for each in found.columns)

        process.start()
        try:
            process.wait_until(pages, what="evidence", deadline_s=60.0)
            yield process
        finally:
            process.stop()

    def controller(self, port: int | None = None, program: Sequence[str] = OURS) -> Running:
        """The process."""
        return Running(self, port or self.port, program)


class Page:
    """Serves evidence, or whatever it is told to. `asked`: the paths."""

    def __init__(self, port: int) -> None:
        self.asked: list[str] = []
        self._body = b""
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page.asked.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(page._body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' name
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def say(self, evidence: Evidence | bytes) -> None:
        """From now on."""
        self._body = evidence if isinstance(evidence, bytes) else evidence.model_dump_json().encode()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Running(Component):
    """`affiant controller run`."""

    def __init__(self, site: Site, port: int, program: Sequence[str] = OURS) -> None:
        self.site, self.port = site, port
        self.tls: ssl.SSLContext | None = None
        """By which it is asked; None: in the clear."""
        settings = site.directory / f"affiant-{port}.toml"
        text = (site.directory / "affiant.toml").read_text()
        settings.write_text(text.replace(f"\nport = {site.port}\n", f"\nport = {port}\n"))
        program = [*program, "controller", "run", "--config", str(settings)]
        self.process = Process(program, log=site.directory / f"controller-{port}.log", cwd=Path.cwd())

    def start(self) -> Self:
        self.process.start()
        self.process.wait_until(self.ready, what="ready")
        return self

    def ready(self) -> bool:
        """Whether /readyz says so."""
        try:
            return self.ask("GET", "/readyz", token=None)[0] == 200
        except OSError:
            return False

    def ask(
        self, method: str, path: str, body: bytes | None = None, token: str | None = TOKEN
    ) -> tuple[int, bytes]:
        """Status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        if self.tls is not None:
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=self.tls)
        try:
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def post(self, *alerts: Mapping[str, Any], token: str | None = TOKEN) -> int:
        """A webhook; its status."""
        body = json.dumps({"version": "4", "status": "firing", "alerts": alerts}).encode()
        return self.ask("POST", "/alerts", body, token)[0]

    def decisions(self) -> list[dict[str, Any]]:
        """The last ones."""
        found: list[dict[str, Any]] = json.loads(self.ask("GET", "/decisions")[1])["decisions"]
        return found

    def wait_for(self, outcome: str, fingerprint: str | None = None) -> dict[str, Any]:
        """The newest decision (about that alert), once it is of that outcome. A rollback: whatever was decided about
        other columns' alerts since.
        """
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = [each for each in self.decisions() if fingerprint in (None, each["fingerprint"])]
            if outcome == "roll_back":
                found[:] = [each for each in found if each["outcome"] == outcome]
            return bool(found) and found[0]["outcome"] == outcome

        self.process.wait_until(there, what=f"a decision {outcome}", deadline_s=60.0)
        return found[0]

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def stop(self) -> None:
        """SIGTERM."""
        self.process.stop()
