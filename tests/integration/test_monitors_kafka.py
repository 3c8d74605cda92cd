"""Several monitors over one log on Kafka: they say what one says, also when the one that judges is killed."""

from __future__ import annotations

import json
import re
import sys
import urllib.request
import uuid
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from audit.config import load
from audit.errors import LogUnavailable
from audit.log.kafka import KafkaLog, create
from audit.settings import LogSettings
from cli.drift_monitor import figures_of
from cli.monitor import configured_governing, configured_monitor
from monitoring.controller.evidence import fetch
from monitoring.monitor import Monitor
from monitoring.state_topic import create_state_topic, state_log
from registry.package import Package
from registry.stores import LayoutStore
from tests.components.monitored import Traffic
from tests.components.packages import number_package
from tests.components.ports import free_port
from tests.components.process import Process, wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
SIZE = 64
PARTITIONS = 8
PANES = 6
HALF = PANES // 2 * SIZE
END = PANES * SIZE + 3


class Site:
    """A log of eight partitions, which has half of its panes."""

    def __init__(self, kafka: str, directory: Path, package: Package) -> None:
        self.directory, self.kafka = directory, kafka
        self.name = uuid.uuid4().hex[:12]
        self.digest = LayoutStore(directory / "data" / "store").push(package)
        config = load(self.settings("group"))
        self.log = KafkaLog(config.section("log", LogSettings), config)
        create(self.log)
        self.traffic = [Traffic(package, "credit", bytes([each]) * 16, each) for each in range(PARTITIONS)]
        self.go_on(HALF, 0.0)

    def go_on(self, records: int, shift: float) -> None:
        """In every partition."""
        for partition, traffic in enumerate(self.traffic):
            self.send(partition, [traffic.value(traffic.rows(1) + shift) for _ in range(records)])

    def send(self, partition: int, values: list[bytes]) -> None:
        """Acknowledged when this returns."""
        with closing(self.log.writer(partition)) as writer:
            for value in values:
                writer.send(value, b"k" * 16)
            wait_until(
                lambda: writer.wait(0.2) or writer.delivered().sends == len(values), what="acknowledgement"
            )

    def settings(self, group: str) -> Path:
        """Of one group, whose panes are its own."""
        path = self.directory / f"{group}-{free_port()}.toml"
        path.write_text(
            f'[data]\ndirectory = "data"\n[log]\nbackend = "kafka"\nbootstrap = "{self.kafka}"\n'
            f'topic = "entries-{self.name}"\npartitions = {PARTITIONS}\nreplication = 1\n'
            f'[monitor]\npane_records = {SIZE}\nstate_topic = "panes-{self.name}-{group}"\n'
            f'group = "{group}-{self.name}"\nmetrics_port = 0\nevaluate = false\n'
            f'[[plan]]\nservice = "credit"\ndigest = "{getattr(self, "digest", "sha256:" + "0" * 64)}"\n'
        )
        return path

    def make_state(self, settings: Path) -> None:
        """Its topic."""
        state = state_log(load(settings))
        assert state is not None
        create_state_topic(state)

    def monitor(self, settings: Path) -> Monitor:
        """In this process."""
        config = load(settings)
        return configured_monitor(config, configured_governing(config))


def process(site: Site, settings: Path) -> Process:
    """A monitor that counts, and judges when it leads."""
    argv = [sys.executable, "-P", "-m", "cli.main", "monitor", "--config", settings]
    return Process(argv, log=settings.with_suffix(".txt"), cwd=ROOT)


def judged(monitor: Monitor) -> Any:
    """All that it says of credit, once every whole pane was judged."""
    wanted = PARTITIONS * PANES

    def all_of_it() -> bool:
        monitor.step()
        return monitor.leads and [each["checks"] for each in monitor.figures()] == [wanted]

    wait_until(
        all_of_it,
        what="every pane to be judged",
        deadline_s=150,
        details=lambda: json.dumps(monitor.figures())[:300] if monitor.leads else "it does not lead",
    )
    evidence = monitor.evidence("credit", monitor.figures()[0]["digest"], "live")
    assert evidence is not None
    return monitor.figures(), evidence


def url(child: Process) -> str:
    """Of its pages, as it says when they are there."""
    wait_until(lambda: "/metrics" in child.log_text(), what="the address of its pages")
    found = re.search(r"(http://127\.0\.0\.1:\d+)/metrics", child.log_text())
    assert found is not None
    return found[1]


def ask_all(site: Site, leader: Process, children: list[Process]) -> None:
    """Whichever of them a person, or a controller, asks: the one that leads answers."""
    leads = url(leader)
    for child in children:
        path = site.directory / "asks.toml"
        path.write_text(f'[data]\ndirectory = "data"\n[controller]\nmonitor_url = "{url(child)}"\n')
        # One that has just come may not be told yet who leads.
        wait_until(partial(_packages, path), what="an answer", details=child.log_text)
        said = figures_of(load(path))
        assert (said.packages[0]["digest"], said.leader) == (site.digest, None if child is leader else leads)
        evidence = fetch(url(child), "credit", site.digest, "live")
        assert (evidence.service, evidence.digest) == ("credit", site.digest)


def _packages(path: Path) -> bool:
    try:
        return bool(figures_of(load(path)).packages)
    except LogUnavailable:
        return False


def metrics(child: Process) -> str:
    """Of one that runs."""
    with urllib.request.urlopen(f"{url(child)}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
        return text


def leading(children: list[Process]) -> list[Process]:
    """Those that judge: a lead that was given up at a rebalance is in the log, too."""
    return [child for child in children if "\naffiant_monitor_leader 1.0\n" in metrics(child)]


def positions(child: Process) -> dict[int, int]:
    """The partitions that it reads, and the next offset of each that it counts."""
    text = metrics(child)
    found = re.findall(r'^affiant_monitor_position\{partition="(\d+)"\} (\S+)$', text, re.MULTILINE)
    return {int(partition): int(float(position)) for partition, position in found}


def counted(children: list[Process], end: int) -> list[set[int]] | None:
    """Which partitions each reads; None: one has none, or not all of them are read up to there."""
    found = [positions(child) for child in children]
    held = sorted(partition for each in found for partition in each)
    whole = all(position == end for each in found for position in each.values())
    return [set(each) for each in found] if all(found) and held == [*range(PARTITIONS)] and whole else None


def says(site: Site, leader: Process) -> Any:
    """What a running monitor says of credit, once every whole pane was judged: see `judged`."""
    path = site.directory / "says.toml"
    path.write_text(f'[data]\ndirectory = "data"\n[controller]\nmonitor_url = "{url(leader)}"\n')
    wait_until(
        lambda: [each["checks"] for each in figures_of(load(path)).packages] == [PARTITIONS * PANES],
        what="every pane to be judged", deadline_s=150, details=leader.log_text,
    )  # fmt: skip
    return figures_of(load(path)).packages, fetch(url(leader), "credit", site.digest, "live")


@pytest.fixture(scope="module")
def site(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Eight partitions."""
    return Site(kafka, tmp_path_factory.mktemp("monitors"), number_package("monitored"))


@pytest.mark.timeout(420)
def test_four_monitors_one_of_them_killed_say_what_one_says(site: Site) -> None:
    """Figures, evidence and the order in which panes were judged: to the bit; as they run, and by who is left."""
    together = [site.settings("together") for _ in range(5)]
    site.make_state(together[0])
    children = [process(site, each) for each in together[:4]]
    try:
        for child in children:
            child.start()
        wait_until(
            lambda: counted(children, HALF), what="partitions for each of them", deadline_s=120,
            details=lambda: "\n".join(child.log_text()[-500:] for child in children),
        )  # fmt: skip
        shares = counted(children, HALF)
        # It drifts while they share it: what comes now is counted by each of them.
        site.go_on(END - HALF, 4.0)
        wait_until(lambda: counted(children, END), what="all to be counted", deadline_s=120)
        assert counted(children, END) == shares
        wait_until(lambda: len(leading(children)) == 1, what="a leader")
        (leader,) = leading(children)
        running = says(site, leader)
        alone = site.settings("alone")
        site.make_state(alone)
        with closing(site.monitor(alone)) as one:
            wanted = judged(one)
        assert running == (json.loads(json.dumps(wanted[0])), wanted[1])
        ask_all(site, leader, children)
        leader.kill()
        # Another one comes while the others go on; then it is left alone, leads, and has what all have counted.
        with closing(site.monitor(together[4])) as last:
            for _ in range(10):
                last.step()
            for child in children:
                child.kill()
            assert judged(last) == wanted
    finally:
        for child in children:
            child.kill()
