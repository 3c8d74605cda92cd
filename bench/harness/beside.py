"""What admission costs a request: a gateway that is governed and one that is not, by turns, under the same load.

Meanwhile the governance log grows once a second, by turns by what is said of a package that serves and of another. The
governed gateway looks at each growth, in a thread beside its event loop.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import threading
from itertools import count
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from harness.compare import Comparison, Plan
from harness.governed import House, Measured, Told
from harness.lineage import Memory, statements, write
from harness.ours import ROOT
from harness.packages import body_of_credit, package_of
from harness.ports import free_ports
from harness.processes import Process
from harness.report import Bar
from harness.servers import JSON, Row
from harness.wrk import Target

if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from audit.governance import Governance
from registry.statement import PAYLOAD_TYPE
from registry.stores import LayoutStore

SERVED = ("credit", *(f"served-{number}" for number in range(19)))
"""Services, each with a live package and a canary."""
CONNECTIONS = (1, 16)
GOAL = 1.1
GROWS_SECONDS = 1.0
READY_SECONDS = 600.0
"""For the first look at a long log."""


def beside(
    directory: Path, entries: int, rounds: int, seconds: int, cores: tuple[int, int], told: Told
) -> Measured:
    """Latencies of both. `cores`: of the gateways, and of the load."""
    told(f"writing {entries:,} signed statements")
    directory.mkdir(parents=True)
    house, digests = _house(directory / "governed", entries)
    told("starting both gateways")
    rows: list[Row] = []
    try:
        rows.extend(_started(name, directory, digests, cores[0]) for name in ("governed", "not governed"))
        plan = Plan(rounds, seconds, 1, CONNECTIONS, lambda _row, _connections: True, cores[1])
        comparison = Comparison(plan, rows, directory)
        with Growth(house, digests[0]):
            for number, connections, row in plan.cells(rows):
                told(f"round {number + 1}, {connections} connections, {row.server}")
                comparison.measure(number, connections, row)
    finally:
        for row in rows:
            row.process.resume()
            row.process.stop()
    return _found(comparison, rows, entries)


def _found(comparison: Comparison, rows: list[Row], entries: int) -> Measured:
    names = [row.name for row in rows]
    bars = [
        Bar(
            f"governed ÷ not governed, {what} at {connections} connections, {entries:,} entries and one more a second",
            statistics.median(
                ours / theirs for ours, theirs in comparison.paired(*names, connections, f"{what}_ms")
            ),
            "≤", GOAL,
        )
        for connections in CONNECTIONS
        for what in ("p50", "p99")
    ]  # fmt: skip
    shown = ("connections", "rate", "p50_ms", "p99_ms", "max_ms", "cpu_us", "failed", "rounds")
    return [
        {"what": each["server"], **{name: each[name] for name in shown}} for each in comparison.as_rows()
    ], bars


def _house(directory: Path, entries: int) -> tuple[House, list[str]]:
    """A long log, and in each service a live package with a canary; their digests."""
    house = House(directory, SERVED)
    others = [each.digest for each in Memory(max(200, entries // 100), Random(7)).list()]
    write(house.log, statements(others, entries, Random(7), start=1, events=0), house.key)
    store = LayoutStore(directory.parent / "store")
    digests = [store.push(package_of(seed)) for seed in (1, 2)]
    for service in SERVED:
        for digest in digests:
            house.approve(digest, service)
        house.deploy(digests[0], None, service, canary=digests[1])
    return house, digests


def _started(name: str, directory: Path, digests: list[str], core: int) -> Row:
    """Its row, the gateway stopped (SIGSTOP) until its turn."""
    own = directory / name.replace(" ", "-")
    own.mkdir(exist_ok=True)
    (port,) = free_ports(1)
    # Nothing ships the journal here: its bound is what the disk has.
    bound = int(shutil.disk_usage(own).free * 0.3)
    text = (
        f'[data]\ndirectory = "data"\n[gateway]\nport = {port}\nworkers = 1\nthreads = 1\n'
        f'[journal]\nfree_after = "acknowledged"\nmax_bytes = {bound}\n'
        f'[store]\nbackend = "layout"\ndirectory = "{directory / "store"}"\n'
    )
    if name == "governed":
        text += '[governance]\nroot = "root.json"\n'
    else:
        text += "".join(
            f'[[plan]]\nservice = "{service}"\ndigest = "{digest}"\nslot = "{slot}"\nweight = {weight}\n'
            for service in SERVED
            for digest, slot, weight in zip(digests, ("live", "canary"), (90, 10), strict=True)
        )
    (own / "affiant.toml").write_text(text)
    argv = [sys.executable, "-P", "-m", "cli.main", "gateway", "--config", str(own / "affiant.toml")]
    process = Process.start(f"gateway, {name}", argv, core=core, log=own / "gateway.log", cwd=own)
    try:
        process.wait_until(f"http://127.0.0.1:{port}/readyz", timeout=READY_SECONDS)
        target = Target(port, "/v1/models/credit:predict", JSON, [body_of_credit()])
        target.ask(target.bodies[0])
        process.pause()
    except BaseException:
        process.stop()
        raise
    return Row(name, "xgboost", "v1", target, process, audited=True)


class Growth:
    """Appends to the governance log once a second, while it is entered."""

    def __init__(self, house: House, serves: str) -> None:
        self._house = house
        self._serves = serves
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._grow)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _grow(self) -> None:
        governance, writer = Governance(self._house.log, self._house.key), self._house.log.writer(0)
        try:
            for number in count():
                if self._stop.wait(GROWS_SECONDS):
                    return
                other = f"sha256:{number:064x}"
                body = self._house.gates(self._serves if number % 2 == 0 else other)
                writer.send(governance.record(PAYLOAD_TYPE, body), b"")
        finally:
            writer.close()
