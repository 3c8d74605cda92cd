"""How `affiant gate run` tells what the gates found: a table, JSON, a page, a line for alerts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
import typer

from .approvals_show import cell, screen, table
from .text import json_text, printable

if TYPE_CHECKING:
    from registry.gates import GateReport


def write(report: GateReport, name: str, out: Path) -> None:
    """The page for people."""
    from registry.gates.report import page

    out.write_text(page(report, name), encoding="utf-8")


def tell(report: GateReport, *, offset: int | None, out: Path | None, as_json: bool) -> None:
    """What was found, and where it stands in the governance log; `offset` None: nowhere."""
    if as_json:
        content: dict[str, Any] = {
            "passed": report.passed,
            "signed": offset is not None,
            "offset": offset,
            "html": None if out is None else str(out),
            "report": report.model_dump(mode="json"),
        }
        typer.echo(json_text(content))
        return
    from registry.gates.report import summary

    grid = table("gate", "verdict", "found", "why")
    for each in report.results:
        style = "green" if each.verdict == "passed" else "bold red"
        grid.add_row(cell(each.name), cell(each.verdict, style), cell(summary(each)), cell(each.reason))
    view = screen()
    view.print(cell(f"{report.package} for {report.service}, under {report.policy}"))
    view.print()
    view.print(grid)
    view.print()
    failed = sum(each.verdict != "passed" for each in report.results)
    typer.echo(f"{failed} of {len(report.results)} gates failed" if failed else "all gates passed")
    if out is not None:
        typer.echo(f"report: {printable(str(out))}")
    if offset is None:
        typer.echo("nothing was written to the governance log: --key signs results into it")
    else:
        typer.echo(f"signed, at offset {offset} of the governance log")


def alert(report: GateReport) -> None:
    """One line of JSON, for whatever watches a pipeline's error output."""
    processors: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.JSONRenderer(),
    ]
    say = structlog.wrap_logger(structlog.PrintLogger(sys.stderr), processors=processors)
    failed = [each.name for each in report.results if each.verdict != "passed"]
    say.error(
        "gates failed", package=report.package, service=report.service, policy=report.policy, gates=failed
    )
