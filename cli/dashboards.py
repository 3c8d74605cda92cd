"""`affiant dashboards`: dashboards for Grafana, with the policy's limits in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .approvals_open import JsonOption
from .options import ConfigOption
from .output import ForceOption, check_output, write_output
from .text import json_text, printable

app = typer.Typer(
    no_args_is_help=True,
    help="Dashboards for Grafana.\n\nExample: affiant dashboards render --policy policy.yaml --out grafana/",
)
_PROMETHEUS = "http://127.0.0.1:9090"
_FOLDER = "/etc/grafana/affiant"


@app.callback()
def dashboards() -> None:
    """A group of one command, which keeps its name."""


@app.command()
def render(
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="A folder; it is made.", show_default=False)],
    policy: Annotated[
        Path | None,
        typer.Option(help="policy.yaml: its limits become lines and colours.", show_default=False),
    ] = None,
    runbooks: Annotated[
        str,
        typer.Option(
            help="Address before the name of each alert's runbook, such as https://…/docs/runbooks.",
            show_default=False,
        ),
    ] = "",
    limit: Annotated[
        list[str] | None,
        typer.Option(
            "--limit",
            help="NAME=NUMBER, any number of times, in place of [alerts] in the settings (docs/alerts.md).",
            show_default=False,
        ),
    ] = None,
    prometheus: Annotated[str, typer.Option(help="Prometheus, as Grafana reaches it.")] = _PROMETHEUS,
    interval: Annotated[str, typer.Option(help="How often Prometheus scrapes.")] = "15s",
    folder: Annotated[str, typer.Option(help="Where Grafana will find the dashboards.")] = _FOLDER,
    force: ForceOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the dashboards, and the files that let Grafana find them and Prometheus (docs/dashboards.md).

    The same policy, limits and options give the same bytes. Limits that no policy speaks of are those of [alerts] in
    the settings file, if there is one, as for `affiant alerts`.

    Exit codes: 0 written; 2 wrong usage, policy or settings, or the extra `dashboards` is missing.

    Example: affiant dashboards render --out grafana/ --prometheus http://prometheus:9090
    """
    from monitoring.alerts.limits import limits_of
    from monitoring.dashboards import Ground, rendered
    from registry.policy import load_policy

    found = None if policy is None else load_policy(policy)
    ground = Ground(limits_of(config, limit or ()), found, runbooks)
    files = rendered(ground, prometheus=prometheus, interval=interval, folder=folder)
    places = {name: out / name for name in files}
    for place in places.values():
        place.parent.mkdir(parents=True, exist_ok=True)
        check_output(place, force=force)
    for name, text in files.items():
        write_output(places[name], text.encode(), force=force)
    if as_json:
        told = {"policy": None if found is None else found.digest, "files": [*map(str, places.values())]}
        typer.echo(json_text(told))
    else:
        for place in places.values():
            typer.echo(f"wrote {printable(str(place))}")
