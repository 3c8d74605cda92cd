"""The OpenTelemetry Collector as a receiver of spans over OTLP/HTTP.

with Traces(directory) as traces:
    ...                           # export to traces.endpoint
    traces.spans()                # what has come
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from tests.components.cache import cached
from tests.components.ports import HOST, accepts, free_port
from tests.components.process import Component, Process

_CONFIG: Final = """\
receivers:
  otlp:
    protocols:
      http:
        endpoint: {host}:{port}
exporters:
  debug:
    verbosity: detailed
    use_internal_logger: false
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [debug]
"""
_FIELD: Final = re.compile(
    r"^    (Trace ID|Parent ID|ID|Name|Kind|Start time|End time) +: (.*)$", re.MULTILINE
)
_ATTRIBUTE: Final = re.compile(r"^     -> ([\w.]+): \w+\((.*)\)$", re.MULTILINE)


@dataclass(frozen=True)
class Seen:
    """A span as the collector printed it; ids in hex, times as text that sorts."""

    trace: str
    parent: str
    id: str
    name: str
    kind: str
    begun: str
    ended: str
    attributes: dict[str, str]


class Traces(Component):
    """Keeps its port and its log over its lives."""

    def __init__(self, directory: Path) -> None:
        """Nothing runs yet. `directory` is empty or this collector's own."""
        self.port = free_port()
        self._config = directory / "collector.yaml"
        self.process = Process(
            [cached("bin", "otelcol", tool="otelcol"), "--config", self._config],
            log=directory / "collector.log",
            env={"GOMAXPROCS": "1"},
        )

    @property
    def endpoint(self) -> str:
        """The traces address."""
        return f"http://{HOST}:{self.port}/v1/traces"

    def start(self) -> Self:
        """Start it and wait until it accepts connections."""
        self._config.parent.mkdir(parents=True, exist_ok=True)
        self._config.write_text(_CONFIG.format(host=HOST, port=self.port))
        self.process.start()
        self.process.wait_until(lambda: accepts(self.port), what="accepting connections")
        return self

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def spans(self) -> list[Seen]:
        """What has come, in the order in which it was printed."""
        found = []
        for printed in re.split(r"^Span #\d+$", self.process.log_text(), flags=re.MULTILINE)[1:]:
            part = printed.partition("ResourceSpans")[0].partition("ScopeSpans")[0]
            fields = {name: value.strip() for name, value in _FIELD.findall(part)}
            found.append(
                Seen(
                    trace=fields["Trace ID"],
                    parent=fields["Parent ID"],
                    id=fields["ID"],
                    name=fields["Name"],
                    kind=fields["Kind"],
                    begun=fields["Start time"],
                    ended=fields["End time"],
                    attributes=dict(_ATTRIBUTE.findall(part)),
                )
            )
        return found
