"""Load from wrk (https://github.com/wg/wrk): a closed loop, one thread, on a core of its own."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.processes import BenchError, require

SCRIPT = Path(__file__).with_name("requests.lua")


@dataclass(frozen=True)
class Target:
    """Where and how one server is asked for one row: a path, headers, and a body for each of the rows."""

    port: int
    path: str
    headers: Mapping[str, str]
    bodies: Sequence[bytes]

    def raw(self, body: bytes) -> bytes:
        """The request with this body as it goes over the wire."""
        lines = [f"POST {self.path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def write(self, path: Path) -> None:
        """Write all requests in the form that requests.lua reads."""
        with path.open("wb") as file:
            for body in self.bodies:
                raw = self.raw(body)
                file.write(b"%d\n%b\n" % (len(raw), raw))

    def ask(self, body: bytes) -> tuple[bytes, Mapping[str, str]]:
        """One request outside the measurement; raises BenchError on anything but 200."""
        call = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{self.path}", data=body, headers=dict(self.headers), method="POST"
        )
        try:
            with urllib.request.urlopen(call, timeout=30) as answer:
                return answer.read(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            raise BenchError(f"{self.path} answered {error.code}: {error.read()[:600]!r}") from error
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            raise BenchError(f"{self.path} did not answer: {error}") from error


@dataclass(frozen=True)
class Load:
    """What one run of wrk saw. Latencies in milliseconds, rate in requests a second."""

    requests: int
    seconds: float
    rate: float
    mean_ms: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    refused: int  # statuses of 400 and above
    broken: int  # no connection, no answer, or none in time

    @property
    def failed(self) -> int:
        """All that were not answered well."""
        return self.refused + self.broken


def run(target: Target, requests_file: Path, *, connections: int, seconds: int, core: int | None) -> Load:
    """Send load for `seconds` (whole ones, as wrk takes them) over `connections` kept-alive connections."""
    command = [
        require("wrk"),
        "--threads=1",
        f"--connections={connections}",
        f"--duration={seconds}s",
        "--timeout=10s",
        f"--script={SCRIPT}",
        f"http://127.0.0.1:{target.port}",
        "--",
        str(requests_file),
    ]
    if core is not None:
        command = [require("taskset"), "-c", str(core), *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
    if done.returncode != 0 or line is None:
        raise BenchError(f"wrk failed ({done.returncode}): {done.stdout[-800:]} {done.stderr[-800:]}")
    result = json.loads(line.removeprefix("RESULT "))
    elapsed = result["duration_us"] / 1e6
    return Load(
        requests=result["requests"],
        seconds=elapsed,
        rate=result["requests"] / elapsed,
        mean_ms=result["mean_us"] / 1000,
        p50_ms=result["p50_us"] / 1000,
        p99_ms=result["p99_us"] / 1000,
        max_ms=result["max_us"] / 1000,
        refused=result["status"],
        broken=sum(result[key] for key in ("connect", "read", "write", "timeout")),
    )
