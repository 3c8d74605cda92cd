"""`affiant doctor`: what is wrong around the components, where, and what to do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from audit.config import Config, load
from audit.doctor import rights
from audit.doctor.base import Report, examine

from .approvals_open import JsonOption
from .approvals_show import cell, screen, table
from .doctor_checks import Asked, checks
from .errors import USAGE, WRONG, explain
from .options import ConfigOption
from .tables import problems
from .text import counted, json_text, printable
from .up import PARTS, chosen, named

app = typer.Typer()
_STYLE = {True: "red", False: "yellow"}


@app.command()
def doctor(
    config: ConfigOption = None,
    only: Annotated[
        str | None,
        typer.Option(
            help="Look for these alone, separated by commas: components, or operator, auditor, follow.",
            show_default=False,
        ),
    ] = None,
    running: Annotated[
        bool, typer.Option("--running", help="They shall run now: one that does not answer is a finding.")
    ] = False,
    alertmanager: Annotated[
        str | None, typer.Option(help="Alertmanager's address, to be asked as well.", show_default=False)
    ] = None,
    requirements: Annotated[
        Path | None,
        typer.Option(help="Locked requirements that this environment was made from.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Look at disk, keys, certificates, log, stores, addresses, components, versions and clocks.

    Of the components that `affiant up` would run here, or of those in --only; with `--only operator` of who calls
    commands that sign, `auditor` of who looks, `follow` of who keeps cards. Nothing is changed; the disk gets a
    temporary file of 64 KiB. Each finding says what is wrong, where, and what to do; a remark breaks no promise. What
    each code means: docs/doctor.md.

    Exit codes: 0 nothing but remarks; 1 a finding; 2 wrong usage or settings, which are told as findings, too.

    Example: affiant doctor --running --alertmanager http://127.0.0.1:9093
    """
    loaded = load(config)
    wrong = problems(loaded)
    if wrong:
        _tell_settings(str(loaded.path), wrong, as_json=as_json)
        raise typer.Exit(USAGE)
    parts = _parts(only, loaded)
    asked = Asked(loaded, parts, running=running, alertmanager=alertmanager, requirements=requirements)
    report = look(asked, quiet=as_json)
    if as_json:
        typer.echo(json_text(content(report)))
    else:
        tell(report)
    if report.grave:
        raise typer.Exit(WRONG)


def _parts(only: str | None, config: Config) -> list[str]:
    """Components, and callers of commands. Raises ConfigError: there is no such one."""
    if only is None:
        return [part.name for part in chosen(None, config)]
    known = (*(part.name for part in PARTS), *rights.CALLERS)
    names = named(only, known)
    return [name for name in known if name in names]


def look(asked: Asked, *, quiet: bool) -> Report:
    """Run the checks, with a line that says at what the doctor is."""

    def told(error: Exception) -> str | None:
        known = explain(error)
        return None if known is None else known.line

    console = Console(stderr=True, quiet=quiet or not sys.stderr.isatty())
    with console.status("looking") as status:
        return examine(checks(asked), told, lambda area: status.update(f"looking at {area}"))


def content(report: Report) -> dict[str, object]:
    """As JSON has it."""
    return {
        "right": not report.grave,
        "findings": [
            {
                "area": area,
                "code": each.code,
                "grave": each.grave,
                "where": each.where,
                "what": each.what,
                "remedy": each.remedy,
            }
            for area, each in report.findings
        ],
        "looked": [{"area": area, "what": each.what, "said": each.said} for area, each in report.looked],
    }


def tell(report: Report) -> None:
    """As a table: what was looked at, then what is wrong."""
    seen = table("area", "what", "")
    for area, each in report.looked:
        seen.add_row(cell(area), cell(each.what), cell(each.said))
    screen().print(seen)
    for area, finding in report.findings:
        word = "WRONG " if finding.grave else "remark"
        style = _STYLE[finding.grave]
        screen().print(cell(f"\n{word} {finding.code} ({area}): {finding.where}", style), soft_wrap=True)
        screen().print(cell(f"       {finding.what}"), soft_wrap=True)
        screen().print(cell(f"       do: {finding.remedy}"), soft_wrap=True)
    grave = sum(each.grave for _, each in report.findings)
    remarks = len(report.findings) - grave
    typer.echo(f"\n{counted(grave, 'finding')}, {counted(remarks, 'remark')}")


def _tell_settings(path: str, wrong: list[str], *, as_json: bool) -> None:
    """Settings that are wrong: nothing else can be looked at by them."""
    remedy = "set it right; `affiant config check` looks again, docs/settings.md has every setting"
    if as_json:
        found = [
            {
                "area": "settings",
                "code": "settings",
                "grave": True,
                "where": path,
                "what": what,
                "remedy": remedy,
            }
            for what in wrong
        ]
        typer.echo(json_text({"right": False, "findings": found, "looked": []}))
        return
    for what in wrong:
        typer.echo(printable(f"WRONG  settings: {what}\n       do: {remedy}"), err=True)
