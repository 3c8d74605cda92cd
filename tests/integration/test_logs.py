"""With `logs = "json"` each line of each of the five components is JSON, as whoever collects logs reads it."""

from __future__ import annotations

import json
import socket
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from audit.notary.keys import generate
from tests.components.controlled import Site
from tests.components.ports import HOST, free_port
from tests.components.process import Process
from tests.components.prometheus import answers

PARTS = {
    "gateway": ("gateway",), "sidecar": ("sidecar",), "notary": ("notary", "run"), "monitor": ("monitor",),
    "controller": ("controller", "run"),
}  # fmt: skip
"""Each with its command."""
PREDICT = "/v1/models/credit:predict"


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Process]]:
    """What each has said from its start to its end, with a collector of spans that is away; all have ended."""
    directory = tmp_path_factory.mktemp("logs")
    site = Site.built().copy(directory / "site")
    ports = {name: free_port() for name in ("gateway", "sidecar", "notary")}
    with (site.directory / "affiant.toml").open("a") as settings:
        settings.write(f"[gateway]\nport = {ports['gateway']}\n")
        settings.writelines(f"[{name}]\nmetrics_port = {ports[name]}\n" for name in ("sidecar", "notary"))
        settings.write(
            f'[telemetry]\nlogs = "json"\notlp_endpoint = "http://{HOST}:{free_port()}/v1/traces"\n'
        )
        settings.write("sample_ratio = 1.0\n")
    generate(site.directory / "notary.key", site.directory / "notary.pub", "affiant.local")
    ports |= {"monitor": site.monitor_port, "controller": site.port}
    with ExitStack() as stack:
        processes = {}
        for name, words in PARTS.items():
            program = [sys.executable, "-P", "-m", "cli.main", *words, *site.config]
            process = Process(program, log=directory / f"{name}.log", cwd=Path.cwd(), name=name)
            processes[name] = stack.enter_context(process)
        for name, process in processes.items():
            page = f"http://{HOST}:{ports[name]}/readyz"
            process.wait_until(lambda page=page: answers(page), what="ready", deadline_s=120)
        ask(ports["gateway"])
        processes["sidecar"].wait_for_log('"shipped"', deadline_s=60)
        for name in ("gateway", "sidecar"):
            processes[name].wait_for_log("opentelemetry", deadline_s=60)
        for process in processes.values():
            assert process.stop(deadline_s=90) == 0, process.log_tail()
        yield processes


def ask(port: int) -> None:
    """A prediction, and something that is no HTTP."""
    body = json.dumps({"instances": [[0.5, 0.5, 1.0]]}).encode()
    request = urllib.request.Request(
        f"http://{HOST}:{port}{PREDICT}", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
    with socket.create_connection((HOST, port), timeout=10) as connection:
        connection.sendall(b"no HTTP\r\n\r\n")
        connection.recv(1 << 10)


@pytest.mark.parametrize("name", PARTS)
def test_each_line_is_an_object_with_its_event(said: dict[str, Process], name: str) -> None:
    """From the first to the last, those of libraries and servers among them; a line that is none is shown."""
    lines = said[name].log_text().splitlines()
    told = [json.loads(line) if line.startswith("{") else line for line in lines]
    assert [each for each in told if isinstance(each, str)] == []
    assert all({"event", "level", "timestamp"} <= each.keys() for each in told)
    events = {each["event"] for each in told}
    assert "ready" in events
    assert any(event.startswith(("ended", "stopped")) for event in events)


def test_what_libraries_say_is_among_them(said: dict[str, Process]) -> None:
    """The server's own lines, and OpenTelemetry's of the collector: each once, by the name of who says it."""
    told = [json.loads(line) for line in said["gateway"].log_text().splitlines()]
    loggers = [each["logger"].partition(".")[0] for each in told if "logger" in each]
    assert {"bentoml", "opentelemetry"} <= set(loggers)
    assert sum(each["event"].startswith("Starting production HTTP BentoServer") for each in told) == 1
