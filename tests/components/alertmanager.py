"""Alertmanager (Debian's) as a child process, on a free loopback port; and amtool.

    with Alertmanager(directory, config) as manager:        # YAML text, or data that is written as JSON
        Prometheus(…, alertmanagers=[manager.address])
        manager.alerts()

Debian's build reads its templates from /usr/share/prometheus/alertmanager, which its package brings.
"""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.components.ports import HOST, free_port
from tests.components.process import Component, ComponentError, Process, find_program
from tests.components.prometheus import answers

_TEMPLATE = Path("/usr/share/prometheus/alertmanager/default.tmpl")


class Alertmanager(Component):
    """A server that keeps what it has told, and its port, over its lives."""

    def __init__(self, directory: Path, config: str | Mapping[str, Any], *, port: int | None = None) -> None:
        """Nothing runs yet. `directory` is empty or this server's own; paths in `config` are absolute."""
        self.port = port or free_port()
        self._directory = directory.absolute()
        self._file = self._directory / "alertmanager.yml"
        self.config = config
        self.process = Process(
            [
                find_program("prometheus-alertmanager", "alertmanager"),
                f"--config.file={self._file}",
                f"--storage.path={self._directory / 'data'}",
                f"--web.listen-address={self.address}",
                "--cluster.listen-address=",  # alone: it waits for no peers before it tells
                "--log.level=warn",
            ],
            log=self._directory / "alertmanager.log",
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
        """Start it and wait until it is ready."""
        if not _TEMPLATE.exists():
            raise ComponentError(f"{_TEMPLATE} is missing; run: scripts/tools alertmanager")
        self._directory.mkdir(parents=True, exist_ok=True)
        text = self.config if isinstance(self.config, str) else json.dumps(self.config, indent=1)
        self._file.write_text(text)
        self.process.start()
        self.process.wait_until(lambda: answers(f"{self.url}/-/ready"), what="ready")
        return self

    def alerts(self) -> list[Mapping[str, Any]]:
        """Every alert that it knows, as its API gives it: labels, status.state, status.inhibitedBy, receivers."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=10) as answer:
            found: list[Mapping[str, Any]] = json.load(answer)
            return found

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def stop(self) -> None:
        """SIGTERM."""
        self.process.stop()


def amtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run amtool; both streams in `stdout`."""
    return subprocess.run(
        [find_program("amtool", "amtool"), *(str(part) for part in arguments)],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
