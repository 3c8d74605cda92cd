"""What a component says of itself, as [telemetry] has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from audit.authorities import authorities
from audit.config import Config
from audit.logs import configure
from audit.settings import LogSettings
from audit.traces.shipping import Tracing
from service.settings import TelemetrySettings


def logs_as_set(config: Config) -> None:
    """From now on this process logs in the form that the settings say."""
    configure(config.section("telemetry", TelemetrySettings).logs)


@contextmanager
def configured_tracing(config: Config) -> Iterator[Tracing | None]:
    """What the sidecar does with sampled requests; None: there is no collector. Exports the rest at the end."""
    settings = config.section("telemetry", TelemetrySettings)
    endpoint = settings.otlp_endpoint
    if endpoint is None:
        yield None
        return
    from audit.traces.export import Export

    log = config.section("log", LogSettings)
    export = Export(endpoint, "sidecar", authorities(config, settings.ca_file, "[telemetry] ca_file"))
    try:
        yield Tracing(export, log.topic, "kafka" if log.backend == "kafka" else "affiant_local")
    finally:
        export.close()
