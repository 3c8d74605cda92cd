"""`affiant gate`: run the gates of a policy on a package, list the gates, show what the log has of a package."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from .approvals_show import cell, screen, table
from .gate_recompute import recompute
from .gate_run import run
from .gate_show import show

app = typer.Typer(
    no_args_is_help=True,
    help="What is measured of a package before it may answer.\n\n"
    "Example: affiant gate run sha256:5e66a605fa8c --service credit --policy policy.yaml --holdout holdout.csv",
)
app.command()(run)
app.command()(show)
app.command()(recompute)


@app.command("list")
def list_gates(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """List the gates, what each needs, and with --json the limits that a policy may set.

    Exit code: 0.

    Example: affiant gate list
    """
    from registry.gates.run import needs_of
    from registry.policy import GATES, schema

    known = schema()["$defs"]
    told = [_about(name, needs_of(name), known) for name in GATES]
    if as_json:
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    grid = table("gate", "judges", "needs")
    for each in told:
        grid.add_row(
            cell(each["name"]), cell(each["about"]), cell(", ".join(each["needs"]) or "the package alone")
        )
    screen().print(grid)


def _about(name: str, needs: tuple[str, ...], known: dict[str, Any]) -> dict[str, Any]:
    section = known["".join(word.title() for word in name.split("_"))]
    return {
        "name": name,
        "about": " ".join(section["description"].split()),
        "needs": list(needs),
        "limits": {
            key: {part: field[part] for part in ("description", "default") if part in field}
            for key, field in section["properties"].items()
        },
    }
