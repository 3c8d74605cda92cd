"""This project's gateway under `bentoml serve`, both runtimes in one plan; audited or, here only, not."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sys
from pathlib import Path

from harness.data import Workload
from harness.ports import free_ports
from harness.processes import BenchError, Process
from harness.servers import JSON, Row, v1_bodies, v2_binary, v2_bodies
from harness.wrk import Target

ROOT = Path(__file__).resolve().parents[2]
SERVICES = {"bench-xgboost": "xgboost", "bench-onnx": "onnxruntime"}


def publish(workload: Workload, store: Path) -> dict[str, str]:
    """Make packages of both model files in a layout store: service → digest."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    from registry.infer import Wanted
    from registry.publish import publish as package
    from registry.stores import LayoutStore
    from registry.table import read_table

    table = read_table(workload.table)
    layout = LayoutStore(store)
    return {
        service: layout.push(
            package(file.read_bytes(), table, Wanted(name=service, target="label"), file=file.name).package
        )
        for service, file in (("bench-xgboost", workload.ubj), ("bench-onnx", workload.onnx))
    }


class OurGateway:
    """`bentoml serve service.app:svc` with a journal of its own on the bench's disk.

    Nothing ships the journal here (bench/sustained.py measures that), so its bound is what the disk has.
    """

    def __init__(
        self,
        workload: Workload,
        directory: Path,
        core: int | None,
        *,
        audited: bool = True,
        digests: dict[str, str] | None = None,
        tables: dict[str, dict[str, object]] | None = None,
    ) -> None:
        self.workload = workload
        self.audited = audited
        self.name = "affiant" if audited else "affiant (un-audited)"
        self.directory = directory / ("affiant" if audited else "affiant-unaudited")
        self.directory.mkdir(parents=True)
        self.core = core
        self.process: Process | None = None
        (self.port,) = free_ports(1)
        self.store = directory / "store"
        self.settings = self.directory / "affiant.toml"
        self.digests = digests or publish(workload, self.store)
        self._tables: dict[str, dict[str, object]] = {}
        self.configure(tables or {})

    def configure(self, tables: dict[str, dict[str, object]]) -> None:
        """Write affiant.toml anew with these keys over what stood there."""
        for name, values in tables.items():
            self._tables[name] = {**self._tables.get(name, {}), **values}
        self.settings.write_text(self._toml())

    def version(self) -> str:
        """Of this project."""
        return importlib.metadata.version("affiant")

    def start(self) -> Process:
        """Start it; `wait_until(ready)` says when both models answer."""
        environment = {"AFFIANT_CONFIG": str(self.settings), "BENTOML_HOME": str(self.directory / "bentoml")}
        if not self.audited:
            environment["AFFIANT_BENCH_UNAUDITED"] = "1"
        address = ["--host", "127.0.0.1", "--port", str(self.port)]
        self.process = Process.start(
            self.name,
            [tool("bentoml"), "serve", "service.app:svc", "--working-dir", str(ROOT), *address],
            core=self.core,
            log=self.directory / "server.log",
            cwd=self.directory,
            environment=environment,
        )
        return self.process

    @property
    def ready(self) -> str:
        """The gateway's readiness: models loaded, journal open."""
        return f"http://127.0.0.1:{self.port}/readyz"

    @property
    def data(self) -> Path:
        """Its data directory: journals, shipping, the local log."""
        return self.directory / "data"

    def rows(self) -> list[Row]:
        """Both runtimes in V1, V2 and V2 with binary tensors."""
        if self.process is None:
            raise BenchError(f"{self.name} was not started")
        numbers = self.workload.rows
        binary = v2_binary(numbers)
        rows = []
        for service, runtime in SERVICES.items():
            infer = f"/v2/models/{service}/infer"
            for protocol, path, headers, bodies in (
                ("v1", f"/v1/models/{service}:predict", JSON, v1_bodies(numbers)),
                ("v2", infer, JSON, v2_bodies(numbers)),
                ("v2-binary", infer, binary.headers, binary.bodies),
            ):
                target = Target(self.port, path, headers, bodies)
                rows.append(Row(self.name, runtime, protocol, target, self.process, audited=self.audited))
        return rows

    def _toml(self) -> str:
        bound = int(shutil.disk_usage(self.directory).free * 0.6)
        wanted: dict[str, dict[str, object]] = {
            "data": {"directory": str(self.data)},
            "gateway": {"host": "127.0.0.1", "port": self.port, "workers": 1, "threads": 1},
            "journal": {"max_bytes": bound, "free_after": "acknowledged"},  # no notary runs here
            "log": {"backend": "local"},
            "sidecar": {"metrics_port": 0},
            "store": {"backend": "layout", "directory": str(self.store)},
        }
        for name, values in self._tables.items():
            wanted[name] = {**wanted.get(name, {}), **values}
        # JSON's numbers, strings and booleans are TOML's too.
        lines = [
            line
            for name, values in wanted.items()
            for line in (f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()), "")
        ]
        for service, digest in self.digests.items():
            lines += ["[[plan]]", f'service = "{service}"', f'digest = "{digest}"', 'slot = "live"', ""]
        return "\n".join(lines)


def tool(name: str) -> str:
    """A command of this project's environment."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        raise BenchError(
            f"{name} is not installed beside {sys.executable}: run this in the project's environment"
        )
    return str(path)


class OurSidecar:
    """`affiant sidecar` on a gateway's data directory."""

    def __init__(self, settings: Path, directory: Path, core: int | None) -> None:
        self.settings = settings
        self.directory = directory
        self.core = core
        self.process: Process | None = None

    def start(self) -> Process:
        """Start it; it finds the journals below the data directory by itself."""
        self.process = Process.start(
            "affiant sidecar",
            [tool("affiant"), "sidecar", "--config", str(self.settings)],
            core=self.core,
            log=self.directory / "sidecar.log",
            cwd=self.directory,
        )
        return self.process
