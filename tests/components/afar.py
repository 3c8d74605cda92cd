"""What one machine that is well does not show: a log that is elsewhere, TLS, an alarm and a rollout that wait.

    with Afar(directory, bootstrap) as afar:
        server.retarget(afar.targets, ca=afar.ca)

A gateway with a certificate and its sidecar, whose governance log is a topic of a real broker; and a controller whose
monitor is gone, which has heard of an alarm and follows a canary with steps.
"""

from __future__ import annotations

import contextlib
import sys
import time
import uuid
from pathlib import Path
from typing import Final, Self

from registry.deployment import Steps
from tests.components.approvals import House
from tests.components.certificates import Authority
from tests.components.controlled import Site
from tests.components.packages import number_package
from tests.components.ports import HOST, free_port
from tests.components.process import Process

_STEPS: Final = Steps(shares=[0.2], seconds=1.0)


class Afar:
    """Up between `with` and its end. `targets`: job → addresses; `ca`: the authority of those that speak TLS."""

    def __init__(self, directory: Path, bootstrap: str, policy: str) -> None:
        """`policy`: what the credit service's rollback and all that follows it is in the policy."""
        directory.mkdir(parents=True)
        authority = Authority(directory / "ca")
        shown = authority.issue("gateway")
        self.ca = authority.certificate
        name, gateway, sidecar = uuid.uuid4().hex[:12], free_port(), free_port()
        settings = f"""
[log]
backend = "kafka"
bootstrap = "{bootstrap}"
replication = 1
topic = "entries-{name}"
governance_topic = "governance-{name}"
[gateway]
port = {gateway}
tls_certificate = "{shown.certificate}"
tls_key = "{shown.key}"
[sidecar]
metrics_port = {sidecar}
"""
        (directory / "house").mkdir()
        house = House.build(directory / "house", [number_package("one")], settings=settings)
        self._processes = [
            Process(
                [sys.executable, "-P", "-m", "cli.main", part, *map(str, house.config)],
                log=directory / f"{part}.txt", cwd=Path.cwd(), name=part,
            )
            for part in ("gateway", "sidecar")
        ]  # fmt: skip
        self._site = Site.build(directory / "site", policy)
        self._controller = self._site.controller()
        self.targets = {
            "affiant-gateway": [f"https://{HOST}:{gateway}"],
            "affiant-sidecar": [f"{HOST}:{sidecar}"],
            "affiant-controller": [f"{HOST}:{self._site.port}"],
        }
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opened:
            for process in self._processes:
                process.start()
                opened.callback(process.stop)
            # Its first step is due, and there is nobody who would compare it.
            site = self._site
            site.put_canary(site.second, site.first, _STEPS, time.time() - 60)
            opened.enter_context(self._controller)
            assert self._controller.post(self._site.alert()) == 202
            self._open = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
