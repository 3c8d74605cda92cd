"""An OCI registry (Debian's docker-registry) as a child process, on a free loopback port.

    with OciRegistry(directory) as registry:
        push(f"{registry.address}/credit/model:latest")

It speaks plain HTTP on the loopback (for oras: `insecure=True`) and keeps its blobs in files under `root`,
where a test may change a byte.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from tests.components.certificates import Pem
from tests.components.ports import HOST, accepts, free_port
from tests.components.process import Component, Process, find_program

_CONFIG = """\
version: 0.1
log:
  level: info
storage:
  filesystem:
    rootdirectory: {root}
  delete:
    enabled: true
http:
  addr: {host}:{port}
"""
_TLS = """\
  tls:
    certificate: {certificate}
    key: {key}
"""


class OciRegistry(Component):
    """A registry that keeps its data folder and its port over its lives."""

    def __init__(self, directory: Path, *, port: int | None = None, tls: Pem | None = None) -> None:
        """Nothing runs yet. `directory` is empty or this registry's own; with `tls` it speaks nothing else."""
        self._tls = tls
        self.port = port or free_port()
        self.root = directory / "data"
        self._directory = directory
        config = directory / "config.yml"
        self.process = Process(
            [find_program("docker-registry", "registry"), "serve", config],
            log=directory / "registry.log",
            # Debian's build knows these settings by environment as well; nothing of ours may be set there.
            env={"OTEL_TRACES_EXPORTER": "none"},
        )

    @property
    def address(self) -> str:
        """host:port, as the first part of a reference."""
        return f"{HOST}:{self.port}"

    def blob(self, digest: str) -> Path:
        """The file that holds the blob `sha256:…`."""
        algorithm, _, value = digest.partition(":")
        return self.root / "docker/registry/v2/blobs" / algorithm / value[:2] / value / "data"

    def start(self) -> Self:
        """Start it and wait until it accepts connections."""
        self.root.mkdir(parents=True, exist_ok=True)
        config = _CONFIG.format(root=self.root, host=HOST, port=self.port)
        if self._tls is not None:
            config += _TLS.format(certificate=self._tls.certificate, key=self._tls.key)
        (self._directory / "config.yml").write_text(config)
        self.process.start()
        self.process.wait_until(lambda: accepts(self.port), what="accepting connections")
        return self

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def stop(self) -> None:
        """SIGTERM."""
        self.process.stop()
