"""What `affiant model` prints of a package."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from registry.errors import PublishError
from registry.package import Package

from .text import json_text, printable

if TYPE_CHECKING:
    from registry.publish import Published

ERRORS: Final = Console(stderr=True)
SHORT: Final = 19
"""sha256: and twelve digits, enough to be told apart and to be typed."""


def judge_difference(published: Published, allowed: float | None) -> None:
    """Raises PublishError: the scores differ from the source model's by more, or are not there to be compared."""
    if allowed is None:
        return
    if published.comparison is None:
        raise PublishError("--max-difference needs --compare-predictions")
    if published.comparison.max_difference > allowed:
        raise PublishError(
            f"a score differs from the source model's by {published.comparison.max_difference:.3g}; "
            f"{allowed:g} is allowed; nothing was published"
        )


def predictions(path: Path) -> Any:
    """The scores of a file: its only column or columns, in order."""
    from registry.table import read_table

    try:
        return read_table(path).frame.to_numpy(float)
    except (ValueError, TypeError) as error:
        raise PublishError(f"{path.name} holds something that is no number: scores are wanted") from error


def tell(published: Published, as_json: bool) -> None:
    """What was published, and what is not known of it."""
    package, batching = published.package, published.batching
    comparison = asdict(published.comparison) if published.comparison else None
    if as_json:
        content = {
            **facts(package),
            "batching": asdict(batching),
            "comparison": comparison,
            "metrics": published.metrics,
            "warnings": list(published.warnings),
            "unknown": package.lineage["unknown"],
        }
        typer.echo(json_text(content))
        return
    unknown = package.lineage["unknown"]
    if unknown:
        ERRORS.print(f"[yellow]note:[/] not known: {escape(', '.join(unknown))}")
    if (package.lineage["git"] or {}).get("dirty"):
        ERRORS.print("[yellow]note:[/] the work tree differs from its commit, and the lineage says so")
    for warning in published.warnings:
        ERRORS.print(f"[yellow]note:[/] {escape(printable(warning))}")
    grid = _grid()
    grid.add_row("name", escape(printable(package.name)))
    grid.add_row("digest", package.digest)
    grid.add_row("task", package.signature.task)
    grid.add_row("features", str(package.signature.width))
    grid.add_row("answers", _batching(batching.kind, batching.rows, batching.bound))
    for key, value in published.metrics.items():
        grid.add_row(key.replace("_", " "), f"{value:.4f}")
    if published.comparison:
        row = published.comparison
        grid.add_row(
            "against the source",
            f"{row.rows} rows: at most {row.max_difference:.3g} apart, on average {row.mean_difference:.3g}; "
            f"{row.rows_beyond} by more than 0.0001",
        )
    wide().print(grid)
    typer.echo(f"\nNext: affiant model show {package.digest[:SHORT]}")


def _batching(kind: str, rows: int, bound: float) -> str:
    if kind == "exact":
        return "golden, bit for bit, in batches of any size"
    if kind == "padded":
        return f"golden, bit for bit, when batches are filled up to a multiple of {rows}"
    return f"within {bound:.3g} of the golden ones"


def facts(package: Package) -> dict[str, object]:
    """What every command says of a package, as JSON."""
    return {
        "digest": package.digest,
        "name": package.name,
        "created": package.created,
        "model_type": package.model_type,
        "task": package.signature.task,
        "schema_hash": package.schema_hash.hex(),
        "bytes": package.size,
    }


def _grid() -> Grid:
    grid = Grid(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    return grid


def wide() -> Console:
    """Digests are for copying: a pipe gets them on one line."""
    return Console() if sys.stdout.isatty() else Console(width=200)
