"""`affiant audit recompute`: a rollback decided again from the log, and whether it was right."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from audit.config import load
from audit.errors import ConfigError, OffsetGone
from audit.log import configured_governance_log

from .approvals_open import JsonOption
from .approvals_show import cell, day, screen, table
from .audit_recompute_source import opened
from .errors import WRONG
from .options import ConfigOption
from .text import json_text

if TYPE_CHECKING:
    from monitoring.burns import BurnSaid
    from monitoring.controller.review import Review
    from monitoring.figures import ColumnSaid


def recompute(
    event: Annotated[
        str,
        typer.Argument(
            metavar="EVENT",
            help="Offset of the event in the governance log, or SERVICE@latest: the newest rollback for drift or "
            "objectives that counts.",
            show_default=False,
        ),
    ],
    archive: Annotated[
        bool, typer.Option("--archive", help="Read the archive alone: there is no log, or no way to it.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide about a controller's rollback, or a canary's step, once more, and say whether it was right.

    The figures are counted and judged again from the records at the event's offsets, read from the log, or from the
    archive what the log does not have any more; policy, approvals and deployments are those of that time. How far the
    log had come when it was decided is the one thing that is taken from the event; of a canary's step or its way back
    (by its offset alone) the design effect, and what waited and paged then, as well.

    Exit codes: 0 it was right; 1 it was not, or its records are gone; 2 wrong usage or settings, or no event with
    evidence; 3 the log, the archive or the store does not answer.

    Example: affiant audit recompute credit@latest
    """
    from monitoring.controller.ground import Grounds, entries_of
    from monitoring.controller.review import NoSuchEvent, find_event, review
    from monitoring.errors import EvidenceGone
    from monitoring.rollout.review import is_rollout
    from monitoring.rollout.review import review as review_rollout
    from registry.approvals.board import first_root_of
    from registry.stores import configured_store

    from . import audit_recompute_rollout as rollout
    from .controller_parts import again_under, burnt_under, publisher_of_store

    if not (event.isascii() and event.isdigit()) and not event.endswith("@latest"):
        raise ConfigError(
            f"EVENT is {event[:80]!r}, wanted an offset of the governance log or SERVICE@latest"
        )
    loaded = load(config)
    first, store = first_root_of(loaded), configured_store(loaded)
    errors = Console(stderr=True)
    busy: Any = (
        errors.status("counting the records of the event's offsets") if sys.stderr.isatty() else nullcontext()
    )
    with busy:
        entries = list(entries_of(configured_governance_log(loaded, create=False), 0, None))
        grounds = Grounds(first, publisher_of_store(store))
        grounds.take(entries)
        try:
            found = find_event(grounds, event)
            with opened(loaded, found, archive_only=archive) as (topic, reader):
                given = (entries, first, publisher_of_store(store), found, topic, reader)
                told: Any
                if is_rollout(found):
                    told = review_rollout(*given, *rollout.counting(loaded, store, grounds))
                else:
                    under = (again_under(loaded, store, grounds), burnt_under(loaded, store, grounds))
                    told = review(*given, *under)
        except NoSuchEvent as error:
            raise ConfigError(f"EVENT is {event}: {error}") from error
        except EvidenceGone as error:
            raise OffsetGone(str(error)) from error
    if as_json:
        typer.echo(json_text(rollout.as_json(told) if is_rollout(found) else _as_json(told)))
    elif is_rollout(found):
        rollout.show(told)
    else:
        _print(told)
    if not told.right:
        raise typer.Exit(WRONG)


def _print(told: Review) -> None:
    out, content, because = screen(), told.event.content, told.because
    out.print(
        cell(
            f"{content.service}: rolled back at offset {told.event.offset}, {day(told.event.logged / 1000)}",
            "bold",
        )
    )
    out.print(cell(f"{because.digest} ({because.slot}) → {because.to}"))
    out.print(cell(because.reason))
    ranges = ", ".join(f"{each.partition}:{each.first}-{each.end - 1}" for each in because.ranges)
    out.print(cell(f"records {ranges} of topic {because.evidence.topic[:8]}…, {told.computed.rows} rows"))
    out.print()
    out.print(_columns(told) if because.kind == "drift" else _burns(told))
    out.print()
    checks = table("", "", "")
    for each in told.checks:
        checks.add_row(
            cell("✓" if each.holds else "✗", "green" if each.holds else "red"),
            cell(each.what),
            cell(each.said),
        )
    out.print(checks)
    verdict = "it was right" if told.right else "it was NOT right"
    out.print(cell(verdict, "bold green" if told.right else "bold red"))


def _columns(told: Review) -> Any:
    from monitoring.close import same

    grid = table("column", "", "KS at least", "at most", "PSI", "log e (page)", "says")
    for signed, computed in told.columns:
        alike = same(signed and signed.model_dump(), computed and computed.model_dump())
        _row(grid, "signed", signed, "" if alike else "red")
        if not alike:
            _row(grid, "computed", computed, "red")
    return grid


def _burns(told: Review) -> Any:
    """Shares of bad requests in both windows of each rate, beside what the rate takes them for."""
    from monitoring.burns import Burns
    from monitoring.close import same

    grid = table("objective", "", "window", "bad", "of", "in the short one", "of", "page from", "says")
    both: list[tuple[str, tuple[BurnSaid, ...]]] = [
        (whose, evidence.burns)
        for whose, evidence in (("signed", told.because.evidence), ("computed", told.computed))
        if isinstance(evidence, Burns)
    ]
    alike = same(*([each.model_dump() for each in burns] for _, burns in both))
    for whose, burns in both[:1] if alike else both:
        for each in burns:
            words = (
                each.objective, whose, f"{each.long} s", f"{each.bad:,}", f"{each.requests:,}",
                f"{each.short_bad:,}", f"{each.short_requests:,}", f"{each.limit:.4g}", "page" if each.pages else "",
            )  # fmt: skip
            grid.add_row(*(cell(word, "" if alike else "red") for word in words))
    return grid


def _row(grid: Any, whose: str, said: ColumnSaid | None, style: str) -> None:
    if said is None:
        grid.add_row(cell("nothing", style), cell(whose, style))
        return
    numbers = (said.ks_lower, said.ks_upper, said.psi, said.log_e.get("page", 0.0))
    grid.add_row(
        cell(said.column, style),
        cell(whose, style),
        *(cell(f"{each:.4f}", style) for each in numbers),
        cell(said.severity or "", style),
    )


def _as_json(told: Review) -> dict[str, Any]:
    content, because = told.event.content, told.because
    return {
        "offset": told.event.offset,
        "service": content.service,
        "digest": because.digest,
        "slot": because.slot,
        "to": because.to,
        "right": told.right,
        "checks": [{"what": each.what, "holds": each.holds, "said": each.said} for each in told.checks],
        "ranges": [each.model_dump() for each in because.ranges],
        "signed": because.evidence.model_dump(mode="json"),
        "computed": told.computed.model_dump(mode="json"),
    }
