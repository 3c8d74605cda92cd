"""A gateway's pod, played: gateway and sidecar as processes, and a volume that outlives them.

Every life has a directory of its own, as a new pod on another node has; what stays is the volume, at its own place.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from audit.journal import JournalReader
from audit.journal.identity import JOURNAL_NAME, read_journal_id
from audit.ship.reached import ACKNOWLEDGED, read_reached
from tests.components.ports import HOST, accepts, free_port
from tests.components.process import Process, wait_until
from tests.fault.gateway.world import PREDICT, Answered
from tests.fault.upgrade.balancer import DEADLINE_S, Backend, Balancer


@dataclass
class Pod:
    """`name` is the pod's and its volume's; `settings` are those of all pods, without [data] and ports."""

    name: str
    home: Path
    settings: str
    balancer: Balancer
    started: int = 0
    """Pods of this name so far."""
    lives: int = 0
    """Processes that the volume's journal had so far."""
    backend: Backend = field(init=False)
    gateway: Process = field(init=False)
    sidecar: Process = field(init=False)

    @property
    def volume(self) -> Path:
        """The data directory."""
        return self.home / "volumes" / self.name

    @property
    def journal(self) -> Path:
        """Its only worker's."""
        return self.volume / "journals" / "0"

    def start(self) -> None:
        """A new pod on the same volume: sidecar, then gateway, as a native sidecar is; see `ready`."""
        self.lives += 1
        self.started += 1
        place = self.home / f"{self.name}-{self.started}"
        place.mkdir(parents=True)
        self.volume.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.config = place / "affiant.toml"
        self.config.write_text(
            f'[data]\ndirectory = "{self.volume}"\n[gateway]\nport = {port}\n'
            f"[sidecar]\nmetrics_port = {free_port()}\nretry_seconds = 0.1\nscan_seconds = 0.1\n"
            f"delivery_timeout_seconds = 20\ndrain_seconds = {DEADLINE_S}\n{self.settings}"
        )
        self.sidecar = self._process("sidecar").start()
        self.gateway = self._process("gateway").start()
        self.backend = self.balancer.add(place.name, port)

    def _process(self, *command: str) -> Process:
        argv = [sys.executable, "-P", "-m", "cli.main", *command, "--config", str(self.config)]
        place = self.config.parent
        return Process(argv, log=place / f"{command[0]}.log", cwd=place, name=f"{self.name} {command[0]}")

    def wait_ready(self) -> None:
        """Return when the balancer sends it requests."""
        self.gateway.wait_until(lambda: self.backend.ready, what="ready", deadline_s=DEADLINE_S)

    def end(self) -> Answered:
        """As Kubernetes ends the chart's pod: out of the Service and `preStop`; SIGTERM to the gateway, with a request
        in work; when it has ended, SIGTERM to the sidecar, which ships all of it. That request's answer.
        """
        self.balancer.end(self.backend)
        with InWork(self.backend.port) as one:
            os.kill(self.gateway.pid, signal.SIGTERM)  # to it alone, as the kubelet does
            answered = one.finish()
        assert self.gateway.wait(deadline_s=DEADLINE_S) == 0, self.gateway.log_tail()
        assert self.sidecar.stop(deadline_s=DEADLINE_S) == 0, self.sidecar.log_tail()
        assert self.unshipped() == 0
        return answered

    def lose(self) -> None:
        """Its node is gone: kill -9 of all of it, under load. The volume stays."""
        self.gateway.kill()
        self.sidecar.kill()
        # A process that is killed closes its sockets one by one: it is gone when nobody has one to it any more.
        wait_until(
            lambda: not accepts(self.backend.port) and self.backend.users == 0,
            what=f"the end of {self.backend.name}",
            deadline_s=DEADLINE_S,
        )
        self.backend.gone = time.monotonic()

    def drain(self) -> Volume:
        """Its volume, which no pod will have again: `affiant drain`, then it is removed. What was on it."""
        with self._process("drain") as drain:
            assert drain.wait(deadline_s=DEADLINE_S) == 0, drain.log_tail()
        self.lives += 1  # it opens and closes the journal once more
        left = Volume(self)
        shutil.rmtree(self.volume)
        return left

    def kill(self) -> None:
        """What still runs."""
        if self.started:
            self.gateway.kill()
            self.sidecar.kill()

    def durable(self) -> int:
        """Records that the journal ever had."""
        mark = JournalReader(self.journal).mark()
        return 0 if mark is None else mark.sequence

    def unshipped(self) -> int:
        """Of those, the ones that are on the volume alone, by what the sidecar says."""
        found = read_reached(self.volume / "shipping" / "0", ACKNOWLEDGED)
        return self.durable() - (0 if found is None else found.sequence)


class Volume:
    """The journal of a volume, as it is when no process will write to it any more."""

    def __init__(self, pod: Pod) -> None:
        path = pod.journal / JOURNAL_NAME
        self.journal = read_journal_id(path.read_bytes(), path).hex()
        self.records = pod.durable()
        self.lives = pod.lives


class InWork:
    """A request that the gateway has begun to read (it has said `100 Continue`), and whose body comes after SIGTERM."""

    def __init__(self, port: int) -> None:
        self._body = json.dumps({"instances": [[0.1, 0.2, 0.3]]}).encode()
        self._socket = socket.create_connection((HOST, port), timeout=DEADLINE_S)

    def __enter__(self) -> Self:
        head = (
            f"POST {PREDICT} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(self._body)}\r\nExpect: 100-continue\r\n\r\n"
        )
        self._socket.sendall(head.encode())
        said = b""
        while not said.endswith(b"\r\n\r\n"):
            said += (more := self._socket.recv(1))
            assert more, said
        assert said.startswith(b"HTTP/1.1 100 "), said
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def finish(self) -> Answered:
        """Send the body; what was answered."""
        self._socket.sendall(self._body)
        with http.client.HTTPResponse(self._socket, method="POST") as answer:
            answer.begin()
            content = answer.read()
            assert answer.status == 200, content
            return Answered(answer.headers["affiant-record"], self._body, content)
