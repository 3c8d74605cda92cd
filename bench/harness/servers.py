"""The servers of the comparison: how each is started, asked and understood.

Settings are each peer's favourable ones for one row a request on one core: one worker, one thread, no access
log, no gRPC port where it can be left out, MLServer without its inference pool (a second process on the same
core costs it more than it gains).
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness import environments
from harness.data import Workload
from harness.ports import free_ports
from harness.processes import BenchError, Process
from harness.wrk import Target

JSON = {"Content-Type": "application/json", "Accept": "application/json"}
TOLERANCE = 1e-5  # absolute, on a probability: float32 sums of 100 trees in another order differ by 1e-6


@dataclass(frozen=True)
class Row:
    """One line of the comparison: a server, the runtime behind it, and the protocol it is asked in."""

    server: str
    runtime: str
    protocol: str
    target: Target
    process: Process
    audited: bool = False
    counted: bool = True  # False: shown, but not the best peer of a bar (it is not the peer's own way)

    @property
    def name(self) -> str:
        """Unique in a run."""
        return f"{self.server}/{self.runtime}/{self.protocol}"

    def check(self, expected: NDArray[np.float32], count: int = 16) -> float:
        """Ask for the first rows; return the largest difference, or raise BenchError when it is too large."""
        worst = 0.0
        for body, wanted in zip(self.target.bodies[:count], expected[:count], strict=True):
            answer, _ = self.target.ask(body)
            worst = max(worst, abs(_answer(answer) - float(wanted)))
        if not worst <= TOLERANCE:
            raise BenchError(f"{self.name} answers differ by {worst} from the model's own")
        return worst


class Server(ABC):
    """A peer: `start` it, `ready` says where, `rows` what to measure. One process tree each."""

    name: str
    package: str

    def __init__(self, workload: Workload, directory: Path, core: int | None) -> None:
        self.workload = workload
        self.directory = directory / self.name
        self.directory.mkdir(parents=True)
        self.core = core
        self.environment = environments.ensure(self.name)
        self.process: Process | None = None

    def version(self) -> str:
        """Of the serving library."""
        return environments.installed(self.environment, self.package)

    @abstractmethod
    def start(self) -> Process:
        """Start it and return at once."""

    @property
    @abstractmethod
    def ready(self) -> str:
        """The address that answers 200 once the model is loaded."""

    @abstractmethod
    def rows(self) -> list[Row]:
        """What is measured of it."""

    def _start(self, command: Sequence[str], extra: dict[str, str] | None = None) -> Process:
        self.process = Process.start(
            self.name,
            [str(self.environment / "bin" / command[0]), *command[1:]],
            core=self.core,
            log=self.directory / "server.log",
            cwd=self.directory,
            environment={"BENCH_MODEL": str(self.workload.ubj), **(extra or {})},
        )
        return self.process

    def _row(self, protocol: str, port: int, path: str, bodies: Sequence[bytes], *, variant: str = "") -> Row:
        if self.process is None:
            raise BenchError(f"{self.name} was not started")
        return Row(
            self.name + variant,
            "xgboost",
            protocol,
            Target(port, path, JSON, bodies),
            self.process,
            counted=not variant,
        )


class BentoPeer(Server):
    """`bentoml serve` over a plain `@bentoml.api`."""

    name = "bentoml"
    package = "bentoml"

    def start(self) -> Process:
        """Start with the access log off; everything else as BentoML ships it."""
        (self.port,) = free_ports(1)
        settings = self.directory / "bentoml.yaml"
        settings.write_text("services:\n  logging:\n    access:\n      enabled: false\n")
        return self._start(
            [
                "bentoml",
                "serve",
                "server:Peer",
                "--working-dir",
                str(environments.PEERS / self.name),
                "--host",
                "127.0.0.1",
                "--port",
                str(self.port),
            ],
            {
                "BENTOML_CONFIG": str(settings),
                "BENTOML_DO_NOT_TRACK": "True",
                "BENTOML_HOME": str(self.directory),
            },
        )

    @property
    def ready(self) -> str:
        """BentoML's own readiness."""
        return f"http://127.0.0.1:{self.port}/readyz"

    def rows(self) -> list[Row]:
        """Its own JSON: neither V1 nor V2."""
        return [self._row("own", self.port, "/predict", v1_bodies(self.workload.rows))]


class MLServerPeer(Server):
    """`mlserver start` with mlserver-xgboost, V2 only."""

    name = "mlserver"
    package = "mlserver"

    def start(self) -> Process:
        """Write its two settings files and start."""
        self.port, grpc, metrics = free_ports(3)
        settings = {
            "host": "127.0.0.1",
            "http_port": self.port,
            "grpc_port": grpc,
            "metrics_port": metrics,
            "parallel_workers": 0,
            "debug": False,
            "metrics_dir": str(self.directory),
        }
        model = {
            "name": "bench",
            "implementation": "mlserver_xgboost.XGBoostModel",
            "parameters": {"uri": str(self.workload.ubj)},
        }
        (self.directory / "settings.json").write_text(json.dumps(settings))
        (self.directory / "model-settings.json").write_text(json.dumps(model))
        return self._start(["mlserver", "start", "."])

    @property
    def ready(self) -> str:
        """V2 readiness of the model."""
        return f"http://127.0.0.1:{self.port}/v2/models/bench/ready"

    def rows(self) -> list[Row]:
        """V2 with JSON tensors."""
        return [self._row("v2", self.port, "/v2/models/bench/infer", v2_bodies(self.workload.rows))]


class KServePeer(Server):
    """KServe's Python server, V1 and V2."""

    name = "kserve"
    package = "kserve"

    def start(self) -> Process:
        """Start without gRPC and without its log line a request."""
        (self.port,) = free_ports(1)
        return self._start(
            [
                "python",
                str(environments.PEERS / self.name / "server.py"),
                "--model_name=bench",
                f"--http_port={self.port}",
                "--workers=1",
                "--enable_grpc=false",
                "--enable_latency_logging=false",
            ]
        )

    @property
    def ready(self) -> str:
        """V2 readiness of the model."""
        return f"http://127.0.0.1:{self.port}/v2/models/bench/ready"

    def rows(self) -> list[Row]:
        """V1 and V2 with JSON tensors, as xgbserver predicts, and with `inplace_predict` in its place."""
        v1, v2 = v1_bodies(self.workload.rows), v2_bodies(self.workload.rows)
        return [
            self._row("v1", self.port, "/v1/models/bench:predict", v1),
            self._row("v2", self.port, "/v2/models/bench/infer", v2),
            self._row("v1", self.port, "/v1/models/bench-tuned:predict", v1, variant=" (inplace)"),
        ]


class LitServePeer(Server):
    """LitServe with batching."""

    name = "litserve"
    package = "litserve"

    def start(self) -> Process:
        """One API server, one worker."""
        (self.port,) = free_ports(1)
        return self._start(["python", str(environments.PEERS / self.name / "server.py"), str(self.port)])

    @property
    def ready(self) -> str:
        """200 once the worker has loaded its model."""
        return f"http://127.0.0.1:{self.port}/health"

    def rows(self) -> list[Row]:
        """The V1 body on LitServe's own path."""
        return [self._row("own", self.port, "/predict", v1_bodies(self.workload.rows))]


PEERS: dict[str, type[Server]] = {
    "bentoml": BentoPeer,
    "mlserver": MLServerPeer,
    "kserve": KServePeer,
    "litserve": LitServePeer,
}


def v1_bodies(rows: NDArray[np.float32]) -> list[bytes]:
    """KServe V1: one row a request."""
    return [b'{"instances":[[' + _numbers(row) + b"]]}" for row in rows]


def v2_bodies(rows: NDArray[np.float32], name: str = "input") -> list[bytes]:
    """Open Inference Protocol V2 in JSON: one FP32 tensor of shape [1, FEATURES]."""
    head = f'{{"inputs":[{{"name":"{name}","shape":[1,{rows.shape[1]}],"datatype":"FP32","data":['.encode()
    return [head + _numbers(row) + b"]}]}" for row in rows]


@dataclass(frozen=True)
class Binary:
    """Open Inference Protocol V2 with the binary tensor extension: bodies and their headers."""

    bodies: list[bytes] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)


def v2_binary(rows: NDArray[np.float32], name: str = "input") -> Binary:
    """JSON head, then the row as little-endian FP32; the answer is asked for in JSON."""
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": name,
                    "shape": [1, int(rows.shape[1])],
                    "datatype": "FP32",
                    "parameters": {"binary_data_size": int(rows.shape[1]) * 4},
                }
            ]
        },
        separators=(",", ":"),
    ).encode()
    return Binary(
        [head + row.astype("<f4").tobytes() for row in rows],
        {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))},
    )


def _numbers(row: NDArray[np.float32]) -> bytes:
    # The shortest decimal that reads back as this float32: three places, as the rows were rounded to.
    return ",".join(str(value) for value in row).encode()


def _answer(body: bytes) -> float:
    """The one number that an answer holds, in any of the forms that the servers give it."""
    try:
        value = json.loads(body)
    except ValueError as error:
        raise BenchError(f"an answer was not JSON: {body[:200]!r}") from error
    if isinstance(value, dict):
        value = value["outputs"][0]["data"] if "outputs" in value else value["predictions"]
    while isinstance(value, list):
        if len(value) != 1:
            raise BenchError(f"an answer held {len(value)} values for one row: {body[:200]!r}")
        value = value[0]
    if not isinstance(value, float):
        raise BenchError(f"an answer held no number: {body[:200]!r}")
    return value
