"""`affiant gate recompute`: what a drift gate found of recent traffic, computed again from the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from audit.config import load
from audit.errors import ConfigError

from .approvals_open import JsonOption, ServiceOption, digest_of
from .approvals_show import cell, screen, table
from .errors import WRONG
from .gate_traffic import ArchiveOption, opened, spans_of
from .lineage_open import board_about
from .model import DigestArgument, _find
from .options import ConfigOption
from .text import json_text, printable

if TYPE_CHECKING:
    from audit.config import Config
    from registry.gates.asked import Traffic
    from registry.gates.said import SaidResults

COMPARED = ("rows", "sha256", "counts_sha256", "columns")
"""Of the figures: the rows as they were recorded, what they count, and what came of it."""


def recompute(
    digest: DigestArgument,
    service: ServiceOption,
    offset: Annotated[
        int | None,
        typer.Option(help="Of the results in the governance log; else those that count.", show_default=False),
    ] = None,
    archive: ArchiveOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compute the drift gate's figures of recent traffic again: of the ranges that the signed results name, from the
    log or the archive, with the package of the store. Rows and counts must be the same to the bit, distances but for
    rounding: another processor may have computed them.

    Exit codes: 0 they are; 1 they are not, or there is nothing to compute; 2 wrong usage or settings; 3 the log or
    the store does not answer.

    Example: affiant gate recompute sha256:5e66a605fa8c --service credit
    """
    from monitoring.close import same
    from registry.gates.said import results_of
    from registry.stores import configured_store

    loaded = load(config)
    store = configured_store(loaded)
    whole = digest_of(store, digest)
    with board_about(loaded, whole) as board:
        said = results_of(board, whole, service)
    chosen = [each for each in said if (each.counts if offset is None else each.offset == offset)]
    if not chosen:
        known = ", ".join(str(each.offset) for each in said) or "none"
        raise ConfigError(f"no such gate results of {whole} for {service}; there are those at offset {known}")
    drift = _drift(chosen[0])
    if drift is None:
        typer.echo(f"offset {chosen[0].offset}: its drift gate has no figures of recent traffic", err=True)
        raise typer.Exit(WRONG)
    package = _find(store, whole)
    found, problem = _again(loaded, package, service, drift, archive=archive)
    signed = drift["figures"]["traffic"]
    differs = [name for name in COMPARED if not same(signed.get(name), found.get(name))]
    told = {
        "offset": chosen[0].offset,
        "same": not differs and not problem,
        "problem": problem,
        "differs": differs,
        "said": drift["figures"]["traffic"],
        "found": found,
    }
    _tell(told, as_json=as_json)
    if not told["same"]:
        raise typer.Exit(WRONG)


def _drift(said: SaidResults) -> dict[str, Any] | None:
    """The drift gate's result, if it has figures of traffic in the form of ours."""
    for each in said.results:
        figures = each.get("figures")
        if each.get("name") == "drift" and isinstance(figures, dict):
            traffic = figures.get("traffic")
            if isinstance(traffic, dict) and isinstance(each.get("limits"), dict):
                return each
    return None


def _again(
    loaded: Config, package: Any, service: str, drift: dict[str, Any], *, archive: bool
) -> tuple[dict[str, Any], str]:
    """The figures, and why they could not be computed.

    Raises:
        ConfigError: what the statement says is no drift gate's, or is of another log.
    """
    from monitoring.gate import distances
    from registry.gates import CannotJudge, Datasets
    from registry.gates.drift import judge
    from registry.policy.gates import DriftGate

    told = drift["figures"]["traffic"]
    try:
        limits = DriftGate.model_validate(drift["limits"], strict=False)
        which = ",".join(f"{each['partition']}:{each['first']}-{each['last']}" for each in told["ranges"])
        read = told["read"] / 1000
    except (ValidationError, KeyError, TypeError) as error:
        raise ConfigError(
            f"its drift gate's result is not of this form: {str(error).splitlines()[0]}"
        ) from None
    try:
        traffic = _read(loaded, service, which, told.get("topic"), read, archive=archive)
        # The hold-out is not here: of the traffic alone, by the same limits.
        outcome = judge(
            package,
            Datasets(measure=distances, traffic=traffic),
            limits.model_copy(update={"rows_of": "traffic"}),
        )
    except CannotJudge as error:
        return {}, str(error)
    figures: dict[str, Any] = outcome.figures["traffic"]
    return figures, ""


def _read(loaded: Config, service: str, which: str, topic: object, now: float, *, archive: bool) -> Traffic:
    from monitoring.traffic import read

    with opened(loaded, archive=archive) as log:
        if log.topic.hex() != topic:
            raise ConfigError(
                f"the results are of the topic {str(topic)[:32]}, and the log is {log.topic.hex()}"
            )
        return read(log, service, spans_of(log, which), now)


def _tell(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json_text(told))
        return
    grid = table("", "said", "found")
    for name in COMPARED:
        said, found = told["said"].get(name), told["found"].get(name)
        if name == "columns":
            said, found = (f"{len(each or {})} columns" for each in (said, found))
        same = name not in told["differs"]
        grid.add_row(cell(name, "" if same else "bold red"), cell(said), cell(found))
    screen().print(grid)
    if told["problem"]:
        typer.echo(f"it cannot be computed: {printable(told['problem'])}")
    typer.echo(
        f"the drift gate at offset {told['offset']} of the governance log: "
        + ("computed again, the same" if told["same"] else "DIFFERENT")
    )
