"""`affiant drift status`: what stands now."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from audit.config import load

from .approvals_open import JsonOption
from .approvals_show import cell, screen, table
from .drift_monitor import figures_of
from .errors import WRONG
from .options import ConfigOption
from .text import json_text

_STYLES = {"page": "bold red", "warn": "yellow", None: "green"}


def status(
    service: Annotated[
        str | None, typer.Option("--service", "-s", help="One service; else all.", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Calm columns, too.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how far what is asked and answered is from the training data, most drifted first.

    KS is the distance of distribution functions, known between two bounds; PSI is less what chance alone gives; ln e
    alarms from the limit on. Of calm packages the five columns that are furthest away are shown.

    Any monitor of a group will do: one that does not lead asks the one that does.

    Exit codes: 0 nothing stands alarmed; 1 something does; 2 wrong usage or settings; 3 no monitor answers, or none
    leads.

    Example: affiant drift status --service credit
    """
    said = figures_of(load(config))
    found = [each for each in said.packages if service in (None, each["service"])]
    if as_json:
        typer.echo(json_text({"packages": found, "leader": said.leader or said.address}))
    else:
        if said.leader is not None:
            screen().print(cell(f"the monitor at {said.leader} leads; {said.address} has asked it"))
        _print(found, everything=everything)
    if any(each["alarms"] for each in found):
        raise typer.Exit(WRONG)


def _print(found: list[dict[str, Any]], *, everything: bool) -> None:
    out = screen()
    if not found:
        out.print("nothing was judged yet: nothing is deployed, or no pane is full")
    for package in found:
        out.print(cell(f"{package['service']} {package['slot']} {package['digest']}", "bold"))
        told = f"{package['rows']:,} rows in {package['checks']:,} panes; the window has {package['window_rows']:,}"
        out.print(cell(told))
        if package["unsupported"]:
            out.print(cell(package["unsupported"], "yellow"))
        if package.get("uncompared"):  # a monitor of before says nothing of it
            out.print(cell(package["uncompared"], "yellow"))
        _print_decided(out, package.get("decided"))
        _print_scores(out, package.get("scores"))
        _print_labels(out, package["labels"] or {})
        grid = table("column", "", "KS at least", "at most", "PSI", f"ln e of {package['threshold']:.1f}", "missing",
                     "out of range", "unseen")  # fmt: skip
        alarms = package["alarms"]
        columns = sorted(
            package["columns"], key=lambda each: (each["column"] not in alarms, -each["ks_lower"])
        )
        for each in columns if everything else columns[: max(5, len(alarms))]:
            severity = alarms.get(each["column"])
            grid.add_row(
                cell(each["column"]), cell(severity or "calm", _STYLES[severity]),
                cell(f"{each['ks_lower']:.3f}"), cell(f"{each['ks_upper']:.3f}"),
                cell(f"{each['psi_debiased']:.3f}"), cell(_log(each["log_e"]["page"])),
                *(cell(f"{each[name]:.1%}") for name in ("missing", "out_of_range", "unseen")),
            )  # fmt: skip
        out.print(grid)
        out.print()


def _print_decided(out: Any, decided: dict[str, int] | None) -> None:
    """A monitor of before says nothing of it."""
    if decided and decided["rows"]:
        out.print(cell(f"{decided['positive'] / decided['rows']:.1%} of all rows were decided positive"))


def _print_scores(out: Any, scores: dict[str, Any] | None) -> None:
    """Against the policy's interval, where it has one."""
    if not scores:
        return
    low, high = scores["between"]
    if scores["scores"]:
        share = scores["outside"] / scores["scores"]
        out.print(cell(f"{share:.1%} of all scores lie outside of {low:g} to {high:g}"))
    for each in scores["unheld"]:
        out.print(cell(each, "yellow"))


def _print_labels(out: Any, labels: dict[str, Any]) -> None:
    """What nobody looks at, and labels that are in no figure."""
    for attribute, why in (labels.get("unlooked") or {}).items():
        out.print(cell(f"decisions by {attribute} are not looked at: {why}", "yellow"))
    if labels.get("short"):
        out.print(cell(labels["short"], "yellow"))
    if labels.get("unmatched"):
        counts = ", ".join(f"{count:,} {reason}" for reason, count in labels["unmatched"].items())
        out.print(cell(f"labels of the service that are in no figure: {counts}"))


def _log(number: float) -> str:
    return f"{number:.1f}" if number > 0 else "–"
