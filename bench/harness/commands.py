"""What the commands of the lineage cost beside the index: each opens what it needs and asks it, as a person's does.

A sealed log of predictions, the auditor's index of it, a store in a directory with the packages that serve, and the
settings that name them. In one process: what Python takes to start and to import is not in it.
"""

from __future__ import annotations

import io
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from random import Random
from typing import Any

from harness.ours import ROOT
from harness.processes import BenchError
from harness.sealed import SealedLog, write_sealed_log

if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from audit.config import Config, load
from cli.audit_trace import trace_record
from cli.lineage_open import default_directory, not_admitted, open_lineage, predictions_of
from cli.lineage_show import show_package
from registry.approvals.root import Root
from registry.graph import Lineage
from registry.package import Package
from registry.stores import LayoutStore

ANSWERED = ("service-0", "service-1")
"""Services whose predictions are in the sealed log, by turns."""
ASKED = 50
Row = tuple[dict[str, Any], float]


class House:
    """The settings, with everything that they name; packages are pushed by whoever knows them."""

    def __init__(self, directory: Path, records: int, answering: Sequence[str]) -> None:
        """`answering`: the digests of the packages of ANSWERED."""
        named = {
            service: bytes.fromhex(digest.removeprefix("sha256:"))
            for service, digest in zip(ANSWERED, answering, strict=True)
        }
        self.sealed: SealedLog = write_sealed_log(directory, records, services=ANSWERED, digests=named)
        self.file = directory / "affiant.toml"
        self.answering = tuple(answering)
        self._auditors = directory / "auditor.duckdb"
        with self.file.open("a") as file:
            file.write('[governance]\nroot = "root.json"\n')

    @property
    def config(self) -> Config:
        """As a command reads them."""
        return load(self.file)

    @property
    def log(self) -> Path:
        """Where the settings have the governance log; its name is `affiant-governance`."""
        return self.file.parent / "log-governance"

    def govern(self, root: Root) -> None:
        """Name the first root."""
        (self.file.parent / "root.json").write_bytes(root.envelope.encode())

    def push(self, packages: Iterator[Package]) -> None:
        """Into the settings' store."""
        store = LayoutStore(self.file.parent / "data" / "store")
        for each in packages:
            store.push(each)

    @contextmanager
    def index(self) -> Iterator[Path]:
        """Where the commands have the lineage's index, while this is entered."""
        before = os.environ.get("XDG_CACHE_HOME")
        os.environ["XDG_CACHE_HOME"] = str(self.file.parent / "cache")
        try:
            yield default_directory(self.config)
        finally:
            if before is None:
                del os.environ["XDG_CACHE_HOME"]
            else:
                os.environ["XDG_CACHE_HOME"] = before

    def ask(self, lineage: Lineage, versions: Sequence[str], random: Random) -> Iterator[Row]:
        """A row each, with its p99 in ms; the first question of each kind is not counted: it may fill an index."""
        records = self.sealed.size

        def show() -> None:
            show_package(self.config, random.choice(self.answering), {}, as_json=True)

        def trace() -> None:
            # The first record is the journal's opening, and each 5,000th a heartbeat: no model answered.
            number = random.randrange(records // 5000) * 5000 + random.randrange(1, 5000)
            trace_record(self.sealed.record(number), self._auditors, self.file, as_json=True)

        def predictions() -> None:
            digest = random.choice(self.answering)
            counts = predictions_of(self.file, self._auditors, [digest])
            if not counts or not counts[digest]:
                raise BenchError(f"no prediction of {digest} was counted")

        def may() -> None:
            models = lineage.data(random.choice(versions)).models
            with open_lineage(self.config) as own:
                _told(not_admitted(self.config, own, (place for each in models for place in each.serves)))

        def all_may() -> None:
            with open_lineage(self.config) as own:
                places = (place for each in lineage.packages() for place in each.serves)
                _told(not_admitted(self.config, own, places))

        yield _row("show: a package out of a directory, verified, and whether it may answer", show)
        yield _row(f"trace: a prediction of {records:,} → everything it came from", trace)
        yield _row(f"predictions that a model made, of {records:,}", predictions)
        yield _row("data: models of a version, and whether they may answer where they serve", may)
        serving = sum(1 for each in lineage.packages() if each.serves)
        yield _row(f"list: whether all {serving} that serve may answer", all_may, times=5)


def _told(refused: object) -> None:
    if refused is None:
        raise BenchError("admission could not be asked")


def _row(what: str, ask: Callable[[], None], times: int = ASKED) -> Row:
    took, used = [], []
    with redirect_stdout(io.StringIO()):
        ask()
        for _ in range(times):
            cpu, begin = time.process_time(), time.perf_counter()
            ask()
            took.append((time.perf_counter() - begin) * 1000)
            used.append((time.process_time() - cpu) * 1000)
    p99 = sorted(took)[min(times - 1, round(times * 0.99))]
    return {
        "what": what,
        "asked": times,
        "p50_ms": round(statistics.median(took), 2),
        "p99_ms": round(p99, 2),
        "cpu_p50_ms": round(statistics.median(used), 2),
    }, p99
