"""Gateway's stand-in, sidecar and log as real processes around one data directory, and what must hold of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.request import urlopen

from audit.check import Checked, check_log
from audit.config import load
from audit.errors import LogUnavailable
from audit.journal import JournalReader
from audit.log import Log, configured_log
from audit.ship.reached import ACKNOWLEDGED, read_reached
from tests.components.ports import HOST, free_port
from tests.components.process import Process, wait_until

LONG = bool(os.environ.get("AFFIANT_FAULT_LONG"))
NAME = "worker"
DEADLINE_S = 150.0
ROOT = Path(__file__).parents[3]


class World:
    """One journal, shipped to one topic."""

    def __init__(
        self,
        directory: Path,
        *,
        bootstrap: str,
        topic: str,
        delivery_timeout: float = 3.0,
        partitions: int = 1,
    ) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.topic = topic
        self.port = free_port()
        self.settings = directory / "affiant.toml"
        directory.mkdir(parents=True, exist_ok=True)
        self.settings.write_text(
            f"""
[data]
directory = "data"
[log]
backend = "kafka"
topic = "{topic}"
bootstrap = "{bootstrap}"
partitions = {partitions}
[sidecar]
metrics_port = {self.port}
delivery_timeout_seconds = {delivery_timeout}
retry_seconds = 0.1
scan_seconds = 0.1
"""
        )
        self.sidecar = self.sidecar_process(["-m", "cli.main"])
        self.gateway = self.load()

    def load(self, rate: int = 1000, size: int = 600) -> Process:
        """The gateway's stand-in, not started."""
        argv = [sys.executable, "-m", "tests.fault.kafka.load", str(self.data), NAME, str(rate), str(size)]
        return Process(argv, log=self.directory / "gateway.log", cwd=ROOT, name="load")

    def sidecar_process(self, launcher: Sequence[str]) -> Process:
        """A sidecar, not started; `launcher` is what Python is told to run."""
        argv = [sys.executable, *launcher, "sidecar", "--config", str(self.settings)]
        return Process(argv, log=self.directory / "sidecar.log", cwd=ROOT, name="sidecar")

    def log(self) -> Log:
        """Opened anew."""
        return configured_log(load(self.settings))

    def durable(self) -> int:
        """The journal's next durable sequence."""
        reader = JournalReader(self.data / "journals" / NAME)
        mark = reader.mark()
        return 0 if mark is None else mark.sequence

    def acknowledged(self) -> int:
        """What the sidecar says is in the log."""
        found = read_reached(self.data / "shipping" / NAME, ACKNOWLEDGED)
        return 0 if found is None else found.sequence

    def wait_shipped(self, more: int = 1) -> None:
        """Return when the sidecar has shipped `more` records beyond what it says now."""
        goal = self.acknowledged() + more
        self.sidecar.wait_until(
            lambda: self.acknowledged() >= goal,
            what=f"{goal} records are acknowledged",
            deadline_s=DEADLINE_S,
        )

    def wait_written(self, more: int = 1) -> None:
        """Return when `more` records beyond what is durable now are durable."""
        goal = self.durable() + more
        self.gateway.wait_until(
            lambda: self.durable() >= goal, what=f"{goal} records are durable", deadline_s=DEADLINE_S
        )

    def metric(self, name: str) -> float:
        """A metric of the running sidecar, summed over its journals; -1 while it does not answer."""
        try:
            with urlopen(f"http://{HOST}:{self.port}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return -1.0
        values = [
            line.rpartition(" ")[2] for line in lines if line.startswith((f"{name}{{", f"{name}_total{{"))
        ]
        return sum(map(float, values))

    def wait_metric(self, name: str, least: float) -> None:
        """Return when the metric has reached `least`."""
        self.sidecar.wait_until(
            lambda: self.metric(name) >= least, what=f"{name} ≥ {least}", deadline_s=DEADLINE_S
        )

    def finish(self) -> Checked:
        """End the gateway, let the sidecar ship the rest and end, and hold the log against the journal."""
        if self.gateway.alive:
            assert self.gateway.stop() == 0, self.gateway.log_tail()
        if not self.sidecar.alive:
            self.sidecar.start()
        goal = self.durable()
        self.wait_metric("affiant_sidecar_lag_records", 0)  # it answers: it has its signal handlers
        self.sidecar.wait_until(
            lambda: self.acknowledged() >= goal, what=f"all {goal} are shipped", deadline_s=2 * DEADLINE_S
        )
        status = self.sidecar.stop(deadline_s=DEADLINE_S)
        assert status == 0, self.sidecar.log_tail()
        return self.check()

    def check(self) -> Checked:
        """Every durable record is in the log, once after the duplicate rule, in order, its chain unbroken."""
        checked = self.look()
        assert checked.flaws == [], f"{checked.flaws[:5]}\n{self.sidecar.log_tail()}"
        assert list(checked.journals.values()) == [self.durable()]
        return checked

    def look(self) -> Checked:
        """What the log holds, checked; once more when a broker that comes back hid it."""
        try:
            return self._look()
        except LogUnavailable:
            return self._look()

    def _look(self) -> Checked:
        log = self.log()
        reader = log.reader()
        try:
            return check_log(reader, log.topic().partitions)
        finally:
            reader.close()

    def end(self) -> None:
        """Kill what still runs."""
        self.gateway.kill()
        self.sidecar.kill()


def wait_for(condition, what: str) -> None:
    """A condition, with the deadline of these tests."""
    wait_until(condition, what=what, deadline_s=DEADLINE_S)
