"""Prometheus (Debian's) as a child process, on a free loopback port; and promtool, of Prometheus 3 and of Debian's.

    with Prometheus(directory, targets=["127.0.0.1:9466"], rules=[file], alertmanagers=["127.0.0.1:9093"]) as server:
        server.query("up")                  # [Sample({"job": …}, 1.0)]
        server.alerts()                     # the labels of those that fire

It scrapes and evaluates every second. `targets` are jobs by name, or addresses of one job `test`.
"""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.components.cache import cached
from tests.components.ports import HOST, free_port
from tests.components.process import Component, Process, find_program

INTERVAL = "1s"


@dataclass(frozen=True)
class Sample:
    """One series of an answer."""

    labels: Mapping[str, str]
    value: float


class Prometheus(Component):
    """A server that keeps its samples and its port over its lives."""

    def __init__(
        self,
        directory: Path,
        *,
        targets: Sequence[str] | Mapping[str, Sequence[str]] = (),
        rules: Sequence[Path] = (),
        alertmanagers: Sequence[str] = (),
        interval: str = INTERVAL,
        port: int | None = None,
    ) -> None:
        """Nothing runs yet. `directory` is empty or this server's own; addresses are host:port, or https://host:port."""
        self.port = port or free_port()
        self._directory = directory.absolute()
        self._config = self._directory / "prometheus.yml"
        self._content: dict[str, Any] = {
            "global": {
                "scrape_interval": interval,
                "scrape_timeout": interval,
                "evaluation_interval": interval,
            },
            "rule_files": [str(path.absolute()) for path in rules],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [*alertmanagers]}]}]},
        }
        self._scrape(targets)
        self.process = Process(
            [
                find_program("prometheus", "prometheus"),
                f"--config.file={self._config}",
                f"--storage.tsdb.path={self._directory / 'data'}",
                f"--web.listen-address={self.address}",
                "--web.enable-lifecycle",
                "--log.level=warn",
                # Told alerts go out again after a minute otherwise: a test that restarts Alertmanager would wait.
                "--rules.alert.resend-delay=1s",
            ],
            log=self._directory / "prometheus.log",
            cwd=self._directory,
        )

    @property
    def address(self) -> str:
        """host:port."""
        return f"{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://{self.address}"

    def start(self) -> Self:
        """Start it and wait until it is ready, and has scraped each target once."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._write()
        self.process.start()
        self.process.wait_until(lambda: answers(f"{self.url}/-/ready"), what="ready")
        self.process.wait_until(self._scraped, what="a scrape of each target")
        return self

    def retarget(self, targets: Sequence[str] | Mapping[str, Sequence[str]], ca: Path | None = None) -> None:
        """Scrape these from now on. `ca`: whom it believes where an address begins with https."""
        self._scrape(targets, ca)
        self.reload()

    def reload(self) -> None:
        """Read settings and rules anew.

        Raises:
            urllib.error.HTTPError: they are not what they should be.
        """
        self._write()
        request = urllib.request.Request(f"{self.url}/-/reload", method="POST")
        with urllib.request.urlopen(request, timeout=10):
            pass

    def query(self, expression: str, *, at: float | None = None) -> list[Sample]:
        """The instant vector of an expression, now or at a time (s since 1970 UTC).

        Raises:
            urllib.error.HTTPError: it is no expression.
        """
        given = {"query": expression} | ({} if at is None else {"time": repr(at)})
        found = self._get("query", given)
        if found["resultType"] == "scalar":
            return [Sample({}, float(found["result"][1]))]
        return [Sample(each["metric"], float(each["value"][1])) for each in found["result"]]

    def value(self, expression: str) -> float | None:
        """The value of an expression that gives one series; None when it gives none."""
        found = self.query(expression)
        assert len(found) <= 1, found
        return found[0].value if found else None

    def alerts(self, state: str = "firing") -> list[Mapping[str, str]]:
        """The labels of alerts in that state: pending or firing."""
        return [each["labels"] for each in self._get("alerts", {})["alerts"] if each["state"] == state]

    def rules(self) -> list[Mapping[str, Any]]:
        """Every rule as the server has it, with the health of its last evaluation."""
        groups = self._get("rules", {})["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def stop(self) -> None:
        """SIGTERM."""
        self.process.stop()

    def _scrape(self, targets: Sequence[str] | Mapping[str, Sequence[str]], ca: Path | None = None) -> None:
        jobs = targets if isinstance(targets, Mapping) else {"test": targets}
        believed = {} if ca is None else {"tls_config": {"ca_file": str(ca.absolute())}}
        self._content["scrape_configs"] = [
            {"job_name": name, "static_configs": [_static(each) for each in addresses], **believed}
            for name, addresses in jobs.items()
            if addresses
        ]

    def _write(self) -> None:
        self._config.write_text(json.dumps(self._content, indent=1))  # JSON is YAML

    def _scraped(self) -> bool:
        targets = self._get("targets", {"state": "active"})["activeTargets"]
        wanted = sum(len(each["static_configs"]) for each in self._content["scrape_configs"])
        return len(targets) == wanted and all(each["health"] != "unknown" for each in targets)

    def _get(self, path: str, given: Mapping[str, str]) -> Any:
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(given)}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return json.load(answer)["data"]


def _static(address: str) -> dict[str, Any]:
    """A target with its scheme: one job may have both."""
    scheme, _, host = address.rpartition("://")
    return {"targets": [host], "labels": {"__scheme__": scheme or "http"}}


def promtool(*arguments: str | Path, debian: bool = False) -> subprocess.CompletedProcess[str]:
    """Run promtool of Prometheus 3, or the one that comes with Debian's server; both streams in `stdout`."""
    program = find_program("promtool", "prometheus") if debian else cached("bin", "promtool", tool="promtool")
    return subprocess.run(
        [str(part) for part in (program, *arguments)],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def answers(address: str) -> bool:
    """Whether that address gives 200 now."""
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
