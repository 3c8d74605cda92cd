"""An OpenTelemetry Collector: the real receiver of Fluentd's Forward protocol (and of OTLP) for tests.

    with Collector(directory) as collector:
        ...                                   # send to collector.address
        collector.events()                    # what has come, in order

It acknowledges a chunk when it has queued it, before it prints it. What it printed stands in its log, which a kill does
not take: killed and started again, it goes on in the same one.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final, NamedTuple, Self

from tests.components.cache import cached
from tests.components.ports import HOST, accepts, free_port
from tests.components.process import Component, Process

_CONFIG: Final = """\
receivers:
  fluentforward:
    endpoint: {host}:{forward}
  otlp:
    protocols:
      http:
        endpoint: {host}:{otlp}
exporters:
  debug:
    verbosity: normal
    use_internal_logger: false
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    logs:
      receivers: [fluentforward]
      exporters: [debug]
    traces:
      receivers: [otlp]
      exporters: [debug]
"""
_EVENT: Final = re.compile(r"^ (.*)fluent\.tag=(\S+)\s*$", re.MULTILINE)
_FIELD: Final = re.compile(r"(?:^| )([a-z_]+)=(\{.*?\}(?= [a-z_]+=|$)|\S*)")


class Event(NamedTuple):
    """One event as it was printed: its tag, and its fields as text. A field that is a map is JSON."""

    tag: str
    fields: dict[str, str]

    def map(self, name: str) -> dict[str, object]:
        """A field that is a map."""
        found = json.loads(self.fields[name])
        assert isinstance(found, dict)
        return found


class Collector(Component):
    """Keeps its ports and its log over its lives."""

    def __init__(self, directory: Path) -> None:
        """Nothing runs yet. `directory` is empty or this collector's own."""
        self.port = free_port()
        self.otlp_port = free_port()
        self._config = directory / "collector.yaml"
        self.process = Process(
            [cached("bin", "otelcol", tool="otelcol"), "--config", self._config],
            log=directory / "collector.log",
            env={"GOMAXPROCS": "1"},
        )

    @property
    def address(self) -> str:
        """host:port of the Forward receiver."""
        return f"{HOST}:{self.port}"

    @property
    def otlp(self) -> str:
        """The OTLP receiver's URL."""
        return f"http://{HOST}:{self.otlp_port}"

    def start(self) -> Self:
        """Start it and wait until it accepts connections."""
        self._config.parent.mkdir(parents=True, exist_ok=True)
        self._config.write_text(_CONFIG.format(host=HOST, forward=self.port, otlp=self.otlp_port))
        self.process.start()
        self.process.wait_until(
            lambda: accepts(self.port) and accepts(self.otlp_port), what="accepting connections"
        )
        return self

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def events(self) -> list[Event]:
        """What has come over the Forward protocol, in order, in all its lives."""
        return [
            Event(tag, dict(_FIELD.findall(fields)))
            for fields, tag in _EVENT.findall(self.process.log_text())
        ]
