"""`affiant controller`: hears of alerts, computes them again, and rolls back what the policy lets it."""

from __future__ import annotations

import http.client
import json
import signal
import ssl
import threading
from typing import Any

import structlog
import typer

from audit.config import Config, load
from audit.errors import AuditError
from audit.hosts import reachable
from audit.together import Together
from monitoring.settings import ControllerSettings

from .approvals_open import JsonOption
from .approvals_show import cell, screen, table
from .options import ConfigOption
from .telemetry import logs_as_set
from .text import json_text

app = typer.Typer(
    no_args_is_help=True,
    help="Roll back by itself what drifts, as the policy lets it.\n\nExample: affiant controller token && "
    "affiant controller run",
)
_TIMEOUT = 10.0


@app.command()
def run(config: ConfigOption = None) -> None:
    """Hear alarms at POST /alerts and decide about each, until SIGTERM.

    Nothing of an alarm is believed: the evidence is asked of the monitor and computed again from the log. What the
    policy lets it do becomes a signed event in the governance log, which gateways follow. Canaries whose steps were
    signed (`affiant deploy --then`) are moved on, or taken back, by their comparison with live. Nothing else is kept,
    so any number of controllers may run, and each may be killed at any time.

    Exit codes: 0 told to end; 2 wrong usage, settings, key or token; 3 the address is taken, there is no log, or a part
    of it has failed.

    Example: affiant controller run --config affiant.toml
    """
    from monitoring.controller.webhook import WebhookServer, application

    from .controller_parts import collectors, configured_controller, configured_mover, door_of, tls_of

    loaded = load(config)
    logs_as_set(loaded)
    settings = loaded.section("controller", ControllerSettings)
    door, tls = door_of(loaded, settings), tls_of(loaded, settings)
    controller, mover = configured_controller(loaded, settings), configured_mover(loaded, settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    say = structlog.get_logger("controller")
    threads = Together(stop)
    pages = application(
        controller, door, controller.metrics, lambda: threads.trouble,
        collectors(loaded, controller, mover, tls),
    )  # fmt: skip
    with WebhookServer(settings.host, settings.port, pages, tls) as server, threads:
        scheme = "http" if tls is None else "https"
        say.info("ready", metrics=f"{scheme}://{settings.host}:{server.port}/metrics")
        # Whatever ends one ends both: of a process that lives on, and decides nothing, no supervisor would know.
        threads.start("rollouts", mover.run)
        threads.start("token", door.watch)
        controller.run(stop)
    say.info("ended")


@app.command()
def token(config: ConfigOption = None) -> None:
    """Make the webhook's bearer token, in a file that its owner alone reads; one that is there is left as it is.

    Alertmanager reads the same file: `http_config: {authorization: {credentials_file: …}}`.

    Exit codes: 0 made; 2 one is there already, or wrong settings.

    Example: affiant controller token
    """
    from monitoring.controller.token import make_token

    loaded = load(config)
    path = loaded.resolve(loaded.section("controller", ControllerSettings).token_file)
    make_token(path)
    typer.echo(f"{path} has a fresh token; its content is a secret")


@app.command()
def decisions(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show what the running controller has decided last, newest first, and why.

    The governance log has what was done: `affiant history`.

    Exit codes: 0 shown; 2 wrong settings or token; 3 the controller does not answer.

    Example: affiant controller decisions
    """
    loaded = load(config)
    found = _ask(loaded, loaded.section("controller", ControllerSettings))
    if as_json:
        typer.echo(json_text({"decisions": found}))
        return
    if not found:
        typer.echo("nothing was decided since it was started")
        return
    grid = table("at", "times", "service", "digest", "slot", "cause", "outcome", "why")
    for each in found:
        style = {"roll_back": "red", "dry_run": "yellow"}.get(str(each.get("outcome")), "")
        names = ("at", "times", "service", "digest", "slot", "cause", "outcome", "why")
        grid.add_row(
            *(
                cell(str(each.get(name))[:19] if name in ("at", "digest") else each.get(name), style)
                for name in names
            )
        )
    screen().print(grid)


def _ask(config: Config, settings: ControllerSettings) -> list[dict[str, Any]]:
    """Raises AuditError: it does not answer. KeyRefused: the token is not to be read."""
    from .controller_parts import client_tls, token_of

    if settings.port == 0:
        raise AuditError("[controller] port is 0: it has taken a free one, and said which when it started")
    host = reachable(settings.host)
    headers = (
        {} if settings.client_ca is not None else {"Authorization": f"Bearer {token_of(config, settings)}"}
    )
    if settings.tls_certificate is None:
        connection = http.client.HTTPConnection(host, settings.port, timeout=_TIMEOUT)
    else:
        connection = http.client.HTTPSConnection(
            host, settings.port, timeout=_TIMEOUT, context=client_tls(config, settings)
        )
    try:
        connection.request("GET", "/decisions", headers=headers)
        answer = connection.getresponse()
        raw = answer.read(32 << 20)
        if answer.status != http.client.OK:
            raise AuditError(f"the controller at {host}:{settings.port} answers {answer.status}")
        found = json.loads(raw)["decisions"]
        return [each for each in found if isinstance(each, dict)]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, RecursionError) as error:
        why = type(error).__name__ if not isinstance(error, ssl.SSLError) else "TLS"
        raise AuditError(f"the controller at {host}:{settings.port} does not answer ({why})") from error
    finally:
        connection.close()
