"""`affiant alerts`: a policy's alert rules as files of Prometheus and Alertmanager."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from audit.config import load
from audit.errors import ConfigError

from .approvals_open import JsonOption, board_of, warn
from .approvals_show import cell, screen, table
from .drift_monitor import Firing, firing_of
from .errors import WRONG
from .options import ConfigOption
from .output import ForceOption, check_output, write_output
from .text import json_text, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from monitoring.alerts.form import Group, Match
    from registry.policy import Policy

app = typer.Typer(
    no_args_is_help=True,
    help="Alert rules, made from the policy, and what fires.\n\n"
    "Example: affiant alerts render --policy policy.yaml --out alerts/",
)

PolicyOption = Annotated[
    Path | None,
    typer.Option(help="policy.yaml; the policy in force when not given.", show_default=False),
]
RunbooksOption = Annotated[
    str,
    typer.Option(
        help="Address before the name of each alert's runbook, such as https://…/docs/runbooks.",
        show_default=False,
    ),
]
LimitOption = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        help="NAME=NUMBER, any number of times, in place of [alerts] in the settings (docs/alerts.md).",
        show_default=False,
    ),
]
MatchOption = Annotated[
    list[str] | None,
    typer.Option(
        "--match",
        help="LABEL=VALUE, any number of times: rules about series that have it, for a Prometheus of several "
        "installations (docs/alerts.md).",
        show_default=False,
    ),
]
ChartOption = Annotated[
    bool,
    typer.Option(
        "--chart",
        help="For prometheus.rules.file of the Helm chart, which fills in of which release the rules are.",
    ),
]
_CONTROLLER: Final = "http://127.0.0.1:9467/alerts"
_STYLES: Final = {"page": "bold red", "warn": "yellow"}
_ASIDE: Final = frozenset({"alertname", "severity", "affiant_action", "cause"})
_TOKEN: Final = Path("/etc/affiant/controller.token")


@app.command()
def render(
    *,
    policy: PolicyOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="A folder for both files; else the rules are printed.", show_default=False
        ),
    ] = None,
    runbooks: RunbooksOption = "",
    limit: LimitOption = None,
    match: MatchOption = None,
    chart: ChartOption = False,
    controller: Annotated[
        str, typer.Option(help="The controller's webhook, as Alertmanager reaches it.")
    ] = _CONTROLLER,
    token_file: Annotated[
        Path, typer.Option(help="Where Alertmanager finds the controller's token.")
    ] = _TOKEN,
    ca_file: Annotated[
        Path | None, typer.Option(help="Certificates that the controller's must be of.", show_default=False)
    ] = None,
    email: Annotated[str | None, typer.Option(help="People, by mail.", show_default=False)] = None,
    smarthost: Annotated[
        str | None, typer.Option(help="host:port of the mail server.", show_default=False)
    ] = None,
    email_from: Annotated[str | None, typer.Option(help="The mails' sender.", show_default=False)] = None,
    slack_file: Annotated[
        Path | None,
        typer.Option(
            help="Where Alertmanager finds a file with a Slack webhook's address.", show_default=False
        ),
    ] = None,
    webhook: Annotated[
        str | None, typer.Option(help="Another webhook for people.", show_default=False)
    ] = None,
    force: ForceOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a policy's alert rules for Prometheus, and an Alertmanager's settings: who is told, people and controller.

    The same policy, limits and options give the same bytes. Limits are those of [alerts] in the settings file, if there
    is one. Paths of files are as Alertmanager sees them; none is read.

    Exit codes: 0 written; 2 wrong usage, policy or settings; 3 the governance log does not answer.

    Example: affiant alerts render --policy policy.yaml --out alerts/ --email ops@example.org --smarthost mail:25
    --email-from affiant@example.org
    """
    from monitoring.alerts.render import RULES_FILE, rules_data, rules_yaml
    from monitoring.alerts.routes import ROUTES_FILE, Receivers, routes_data, routes_yaml
    from monitoring.alerts.rules import in_vain
    from monitoring.alerts.scope import matches_of

    receivers = Receivers(
        controller, token_file, ca_file, email=email, smarthost=smarthost, email_from=email_from,
        slack_file=slack_file, webhook=webhook,
    )  # fmt: skip
    of = matches_of(match or ())
    told = routes_data(receivers, of)
    found = _policy(policy, config)
    for each in in_vain(found):
        warn(each)
    groups = _groups(found, limit, config, of, chart=chart)
    files: dict[str, str] = {}
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        content = {
            RULES_FILE: rules_yaml(groups, digest=found.digest, runbooks=runbooks),
            ROUTES_FILE: routes_yaml(receivers, of),
        }
        for name in content:
            check_output(out / name, force=force)
        for name, text in content.items():
            write_output(out / name, text.encode(), force=force)
            files[name] = str(out / name)
    if as_json:
        shown: dict[str, Any] = {"policy": found.digest, "rules": sum(len(group.rules) for group in groups)}
        shown |= (
            {"files": files}
            if files
            else {"prometheus": rules_data(groups, runbooks=runbooks), "alertmanager": told}
        )
        typer.echo(json_text(shown))
    elif out is None:
        typer.echo(rules_yaml(groups, digest=found.digest, runbooks=runbooks), nl=False)
    else:
        for path in files.values():
            typer.echo(f"wrote {printable(path)}")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The rules that Prometheus reads.", show_default=False)],
    policy: PolicyOption = None,
    limit: LimitOption = None,
    match: MatchOption = None,
    chart: ChartOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Whether a rules file is what the policy makes: a policy that was signed since, or an edit, is seen.

    Expressions, times and labels are compared; texts for people are not. `--limit`, `--match` and `--chart` as they
    were given to `affiant alerts render`.

    Exit codes: 0 it is; 1 it is not, and which alerts differ; 2 wrong usage, policy or settings; 3 the governance log
    does not answer.

    Example: affiant alerts check alerts/affiant-rules.yml --policy policy.yaml
    """
    from monitoring.alerts.compare import compare, read_rules
    from monitoring.alerts.scope import matches_of

    of = matches_of(match or ())
    found = _policy(policy, config)
    differences = compare(_groups(found, limit, config, of, chart=chart), read_rules(file))
    if as_json:
        typer.echo(json_text({"policy": found.digest, "same": not differences, "differences": differences}))
    else:
        for each in differences:
            typer.echo(printable(each))
        if not differences:
            typer.echo(f"{printable(str(file))} is what {found.digest} makes")
    if differences:
        raise typer.Exit(WRONG)


@app.command()
def firing(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show what fires now, pages first, as the running monitor evaluates it where there is no Prometheus.

    Exit codes: 0 nothing fires; 1 something does; 2 wrong usage or settings; 3 no monitor answers, or it leaves alerts
    to Prometheus.

    Example: affiant alerts firing
    """
    said = firing_of(load(config))
    if as_json:
        typer.echo(json_text({"firing": _sorted(said), "leads": said.leads}))
    else:
        show_firing(said, screen())
    if said.alerts:
        raise typer.Exit(WRONG)


def show_firing(said: Firing, out: Console) -> None:
    """For people: what `affiant alerts firing` prints of it."""
    from datetime import UTC, datetime

    if not said.leads:
        out.print(
            cell(
                f"the monitor at {said.address} does not lead: what packages answer is for another one to say"
            )
        )
    if not said.alerts:
        out.print("nothing fires")
        return
    grid = table("since", "severity", "alert", "of", "what")
    for each in _sorted(said):
        labels = each["labels"]
        of = " ".join(text for name, text in labels.items() if name not in _ASIDE and text)
        grid.add_row(
            cell(datetime.fromtimestamp(each["since"], UTC).isoformat(timespec="seconds")),
            cell(labels.get("severity", ""), _STYLES.get(labels.get("severity", ""), "")),
            cell(labels.get("alertname", "")), cell(of), cell(each["annotations"].get("summary", "")),
        )  # fmt: skip
    out.print(grid)


def _sorted(said: Firing) -> list[dict[str, Any]]:
    return sorted(said.alerts, key=lambda each: (each["labels"].get("severity") != "page", each["since"]))


def _policy(file: Path | None, config: Path | None) -> Policy:
    """Raises ConfigError: it is none, or none is in force; LogUnavailable."""
    from registry.policy import load_policy

    if file is not None:
        return load_policy(file)
    board = board_of(load(config))
    if board.policy is None:
        raise ConfigError("no policy is in force; give one with --policy")
    return board.policy.policy


def _groups(
    policy: Policy, given: list[str] | None, config: Path | None, of: Sequence[Match], *, chart: bool
) -> tuple[Group, ...]:
    from monitoring.alerts.limits import limits_of
    from monitoring.alerts.rules import groups_of
    from monitoring.alerts.scope import CHART, of_installation

    return of_installation(groups_of(policy, limits_of(config, given or ())), (*of, CHART) if chart else of)
