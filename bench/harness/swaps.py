"""Deployments under load: how long until a gateway answers by one, and whether anybody was turned away meanwhile.

The governance log is a directory that the gateway reads, or a topic of a real broker: then the sidecar copies it for
the gateway, which speaks to no broker.
"""

from __future__ import annotations

import http.client
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from harness.broker import broker
from harness.governed import House, Measured, Told
from harness.ours import ROOT, OurSidecar, tool
from harness.packages import body_of_credit, package_of
from harness.ports import free_ports
from harness.processes import BenchError, Process
from harness.report import Bar

if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from audit.config import load
from audit.log import configured_governance_log
from audit.log.base import Log
from registry.stores import LayoutStore

THREADS = 4
OVER_KAFKA = "over Kafka and the sidecar's copy"


@dataclass(slots=True)
class Elsewhere(House):
    """Its log is on a broker, as the settings file of its directory says, which MUST be there."""

    @property
    def log(self) -> Log:
        """Its governance log."""
        return configured_governance_log(load(self.directory / "affiant.toml"), create=False)


def swaps(directory: Path, count: int, told: Told) -> Measured:
    """On a log in a directory."""
    told("starting a governed gateway")
    port = _settings(directory)
    return _swaps(House(directory), port, count, told, "")


def swaps_over_kafka(directory: Path, count: int, core: int, told: Told) -> Measured:
    """The same, with a broker, on `core`, and a sidecar."""
    told("starting a broker, a sidecar and a governed gateway")
    with ExitStack() as opened:
        kafka = opened.enter_context(broker(directory / "broker", core))
        house = directory / "house"
        log = f'[log]\nbackend = "kafka"\nbootstrap = "{kafka.bootstrap}"\nreplication = 1\n'
        port = _settings(house, log)
        file = house / "affiant.toml"
        subprocess.run(
            [tool("affiant"), "topics", "create", "--config", str(file)], check=True, capture_output=True
        )
        elsewhere = Elsewhere(house)
        opened.callback(OurSidecar(file, house, core=None).start().stop)
        return _swaps(elsewhere, port, count, told, f", {OVER_KAFKA}")


def _settings(directory: Path, more: str = "") -> int:
    """Written; the gateway's port."""
    gateway, sidecar = free_ports(2)
    directory.mkdir(parents=True)
    (directory / "affiant.toml").write_text(
        f'[data]\ndirectory = "data"\n[gateway]\nport = {gateway}\n[sidecar]\nmetrics_port = {sidecar}\n'
        f'[governance]\nroot = "root.json"\n[journal]\nfree_after = "acknowledged"\n{more}'
    )
    return gateway


def _swaps(house: House, port: int, count: int, told: Told, way: str) -> Measured:
    directory = house.directory
    store = LayoutStore(directory / "data" / "store")
    digests = [store.push(package_of(seed)) for seed in (1, 2)]
    for digest in digests:
        house.approve(digest)
    last = house.deploy(digests[0], None)
    argv = [sys.executable, "-P", "-m", "cli.main", "gateway", "--config", str(directory / "affiant.toml")]
    process = Process.start("governed gateway", argv, core=None, log=directory / "gateway.log", cwd=directory)
    try:
        process.wait_until(f"http://127.0.0.1:{port}/readyz")
        took = []
        with Load(port) as asked:
            for number in range(count):
                told(f"swap {number + 1} of {count}{way}")
                digest = digests[(number + 1) % 2]
                began = time.perf_counter()
                last = house.deploy(digest, last)
                asked.wait_for(digest)
                took.append(time.perf_counter() - began)
    finally:
        process.stop()
    p99 = float(np.quantile(took, 0.99))
    rows: list[dict[str, Any]] = [
        {"what": f"{count} swaps under load{way}", "p50_s": round(statistics.median(took), 2),
         "p99_s": round(p99, 2), "answers": sum(asked.statuses.values()), "failed": asked.failed}
    ]  # fmt: skip
    return rows, [
        Bar(f"from signing a deployment to the first answer by it{way}, p99 in s", p99, "<", 2.0),
        Bar(f"requests that failed over {count} swaps{way}", asked.failed, "≤", 0.0),
    ]


class Load:
    """Threads that ask without a pause."""

    def __init__(self, port: int) -> None:
        self._body = body_of_credit()
        self._port = port
        self._stop = threading.Event()
        self._seen = threading.Condition()
        self._newest = ""
        self.statuses: Counter[int] = Counter()
        self.broken = 0
        self._threads = [threading.Thread(target=self._ask) for _ in range(THREADS)]

    @property
    def failed(self) -> int:
        """Answers that were none of the model's, and connections that broke."""
        return self.broken + sum(count for status, count in self.statuses.items() if status != 200)

    def __enter__(self) -> Self:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join()

    def wait_for(self, digest: str) -> None:
        """Until some answer is that package's."""
        with self._seen:
            if not self._seen.wait_for(lambda: self._newest == digest, 30):
                raise BenchError(f"{digest} did not answer within 30 s")

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._stop.is_set():
            try:
                status, digest = self._one(connection)
            except OSError:
                self.broken += 1
                connection.close()
                continue
            with self._seen:
                self.statuses[status] += 1
                if digest != self._newest:
                    self._newest = digest
                    self._seen.notify_all()

    def _one(self, connection: http.client.HTTPConnection) -> tuple[int, str]:
        connection.request(
            "POST", "/v1/models/credit:predict", self._body, {"Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("affiant-model", "")
