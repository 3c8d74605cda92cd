"""A monitor whose log is flooded with what nobody asked for: bounded in memory and series, and it finds real drift."""

from __future__ import annotations

import re
import sys
import urllib.request
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from audit.log.local import LocalLog
from audit.proof.entry import Key
from audit.proof.record import Header, frame_record
from monitoring import names
from monitoring.read import Reason
from registry.stores import LayoutStore
from tests.components.approvals import affiant
from tests.components.monitored import BINARY, V1, V2, Traffic, append, calm_package, local_log, nan_bits
from tests.components.ports import free_port
from tests.components.process import Process

ROOT = Path(__file__).resolve().parents[2]
PANE = 256
POLICY = """\
format: 1
change: {roles: {policy: 1}}
services:
  numbers:
    gates: {documentation: {}}
    approvals: {roles: {legal: 1}}
    drift: {minimum_rows: 500, rule: {warn_delta: auto, page_delta: auto, window_rows: 1000}}
"""
BATCH = 16
"""Rows of a record with new categories."""
BATCHES, STRANGERS, LONG, HUGE = 1500, 1000, 500, 3
"""Records of a flood: with new categories; with what is unknown, of each kind; with texts of 60 kB, and of 7 MB."""
CATEGORY, NUMBER = 3, 2
"""Columns that are flooded; `a`, of which the scores are, is not."""
GROWTH = 16 << 20
"""Bytes by which a second flood may let the monitor grow: fewer than it has of any one kind of long texts."""


class Watched:
    """`affiant monitor` over a local log, and what it says."""

    def __init__(self, directory: Path) -> None:
        self.package = calm_package()
        self.good = Traffic(self.package)
        self.bad = Traffic(self.package, journal=b"b" * 16, seed=1)
        self.port = free_port()
        LayoutStore(directory / "data" / "store").push(self.package)
        (directory / "policy.yaml").write_text(POLICY)
        self.settings = directory / "affiant.toml"
        self.settings.write_text(
            f'[data]\ndirectory = "data"\n[monitor]\nmetrics_port = {self.port}\npane_records = {PANE}\n'
            'policy = "policy.yaml"\nwatched = []\n'
            f'[[plan]]\nservice = "numbers"\ndigest = "{self.package.digest}"\n'
        )
        self.log: LocalLog = local_log(directory / "data" / "log", self.calm(6))
        self.end = 6 * PANE
        argv = [sys.executable, "-P", "-m", "cli.main", "monitor", "--config", str(self.settings)]
        self.process = Process(argv, log=directory / "monitor.txt", cwd=ROOT)

    def calm(self, panes: int) -> list[bytes]:
        """As the reference is, over all protocols."""
        return [self.good.value(protocol=(V1, V2, BINARY)[at % 3]) for at in range(panes * PANE)]

    def drifted(self, panes: int) -> list[bytes]:
        """The first feature has moved, and its score with it."""
        shift = np.array([1.5, 0, 0, 0], np.float32)
        return [self.good.value(self.good.rows(1) + shift) for _ in range(panes * PANE)]

    def write(self, values: list[bytes]) -> None:
        """Into the log; returns when the monitor has counted and judged all whole panes of it."""
        append(self.log, 0, values)
        self.end += len(values)
        self.wait()

    def wait(self) -> None:
        def judged() -> bool:
            said = self.scrape()
            return (
                said.get((names.POSITION.name, "0")) == self.end and said.get((names.WAITING.name, "0")) == 0
            )

        self.process.wait_until(judged, what="everything is judged", deadline_s=180)

    def scrape(self) -> dict[tuple[str, ...], float]:
        """Name and values of the labels → value."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def alarms(self) -> dict[str, str]:
        """Column → severity."""
        (package,) = affiant("drift", "status", "--json", "--config", self.settings).json["packages"]
        found: dict[str, str] = package["alarms"]
        return found

    def resident(self) -> int:
        """Bytes of memory that the monitor has."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", text)
        assert found is not None
        return int(found[1]) << 10


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """Begun, with six calm panes judged."""
    found = Watched(tmp_path)
    found.process.start()
    try:
        found.process.wait_for_log("leads", deadline_s=90)
        found.wait()
        yield found
    finally:
        found.process.kill()


def flood(bad: Traffic, part: int) -> list[bytes]:
    """Whole panes of records that are all different, and of which none repeats another part's."""
    random = np.random.default_rng(part)
    kinds: list[Callable[[int], bytes]] = []

    def name(at: int) -> str:
        return f"{part}-{at}-"

    def categories(at: int) -> bytes:
        rows = bad.rows(BATCH)
        rows[:, CATEGORY] = 3 + (part * 10_000 + at) * BATCH + np.arange(BATCH)
        rows[:, NUMBER] = nan_bits(BATCH, 1)[:, 0]
        return bad.value(rows, protocol=BINARY)

    def schema(at: int) -> bytes:
        return bad.value(header={Header.INPUT: [sha256(name(at).encode()).digest(), 1, 4]})

    def stranger(at: int) -> bytes:
        digest = sha256(name(at).encode()).digest()
        return bad.value(fields={Key.SERVICE: name(at).ljust(128, "s"), Key.DIGEST: digest})

    def address(at: int) -> bytes:
        return bad.value(header={Header.TARGET: f"/{name(at)}/".ljust(60_000, "t")})

    def text(at: int) -> bytes:
        return bad.value(request=b'{"instances":[{"grade":"%b"}]}' % (name(at).encode() * (1 << 20)))

    for count, make in (
        (BATCHES, categories), (STRANGERS, schema), (STRANGERS, stranger), (LONG, address), (HUGE, text),
        (STRANGERS, lambda _: bad.value(response=b'{"predictions":[NaN]}')),
        (LONG, lambda _: frame_record(random.bytes(60_000), b"x")),
    ):  # fmt: skip
        kinds += [make] * count
    kinds += [lambda _: bad.value()] * (-len(kinds) % PANE)
    # In the order of the journal, which each record is given a place in when it is made.
    return [kinds[kind](at) for at, kind in enumerate(random.permutation(len(kinds)).tolist())]


@pytest.mark.slow
def test_a_flood_of_what_nobody_asked_for_hides_no_drift(watched: Watched) -> None:
    """NaNs, 48,000 categories, unknown schemas, invented services, texts of megabytes: each is counted for what it is,
    none makes a series or stays in memory, no column but those that are flooded alarms, and then one that drifts does.
    """
    before = watched.scrape()
    assert "page" not in watched.alarms().values()
    watched.write(flood(watched.bad, 0))
    first = watched.resident()
    watched.write(flood(watched.bad, 1))
    assert watched.resident() - first < GROWTH
    flooded = watched.scrape()
    reasons = {key: value for key, value in flooded.items() if key[0] == f"{names.UNREADABLE.name}_total"}
    assert {key[1]: value for key, value in reasons.items()} == {
        Reason.SCHEMA: 2 * STRANGERS, Reason.PACKAGE: 2 * STRANGERS, Reason.ANSWER: 2 * STRANGERS,
        Reason.ENTRY: 2 * LONG,
    }  # fmt: skip
    assert flooded.keys() - reasons.keys() == before.keys()
    alarms = watched.alarms()
    assert {name for name, severity in alarms.items() if severity == "page"} == {"c", "grade"}
    watched.write(watched.drifted(8))
    alarms = watched.alarms()
    assert {name for name, severity in alarms.items() if severity == "page"} >= {"a", "score:class 1"}
    assert alarms.get("b") != "page"
