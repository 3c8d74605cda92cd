"""`affiant sidecar`: ship this machine's journals to the log."""

from __future__ import annotations

import signal
import threading

import structlog
import typer

from audit.certificates import log_certificate
from audit.config import Config, load
from audit.log import configured_governance_log, configured_log, governance_copy
from audit.log.copy import LogCopy
from audit.settings import FluentdSettings, JournalSettings, LogSettings, SidecarSettings
from audit.ship.sidecar import Sidecar, metrics_server, one_sidecar
from audit.trees import Trees, configured_trees
from registry.settings import GovernanceSettings

from .errors import WRONG
from .options import ConfigOption
from .telemetry import configured_tracing, logs_as_set

app = typer.Typer()


@app.command()
def sidecar(config: ConfigOption = None) -> None:
    """Ship every journal of the data directory to the log, until SIGTERM; then ship the rest and end.

    Proves of each record that the notary has sealed it, before the journal frees it, and gives this machine's
    gateway the receipts. Survives the absence of log and notary for any time. Copies the entries to Fluentd where
    [fluentd] says so. Exit code 1 when records stay unshipped, or after an alarm.

    Example: affiant sidecar --config affiant.toml
    """
    loaded = load(config)
    logs_as_set(loaded)
    settings = loaded.section("sidecar", SidecarSettings)
    log = configured_log(loaded)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    say = structlog.get_logger("sidecar")
    with one_sidecar(loaded.data), configured_tracing(loaded) as tracing:
        running = Sidecar(
            loaded.data,
            log,
            settings,
            sealed_trees(loaded),
            governance_copied(loaded),
            loaded.section("fluentd", FluentdSettings),
            tracing,
        )
        more = [log_certificate(loaded)]
        with metrics_server(settings.metrics_host, settings.metrics_port, running, more) as server:
            say.info("ready", metrics=f"http://{settings.metrics_host}:{server.port}/metrics")
            if running.run(stop):
                raise typer.Exit(WRONG)
    say.info("ended: everything that was durable is in the log")


def sealed_trees(config: Config) -> Trees | None:
    """What the notary seals; None where the journals do not wait for it and there is no key of one."""
    trees = configured_trees(config)
    waited_for = config.section("journal", JournalSettings).free_after == "sealed"
    return trees if waited_for or trees.trust.public_key_file.exists() else None


def governance_copied(config: Config) -> LogCopy | None:
    """The copy of the governance log that a governed gateway reads; None where nothing is governed, or where the
    gateway reads the log itself.
    """
    settings = config.section("log", LogSettings)
    if settings.backend == "local" or config.section("governance", GovernanceSettings).root is None:
        return None
    return LogCopy(configured_governance_log(config), governance_copy(config), retry=1.0)
