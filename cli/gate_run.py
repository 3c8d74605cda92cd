"""`affiant gate run`: measure, tell, and with a key sign what was found into the governance log."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, Self

import typer

from audit.config import Config, load
from audit.errors import ConfigError

from .approvals_open import append, signer_of, warn
from .errors import WRONG
from .gate_told import alert, tell, write
from .gate_traffic import ArchiveOption, TrafficOption, check_which, traffic_of
from .lineage_open import board_about
from .model import DigestArgument, StoreOption, _find, _open, _progress, _whole
from .model_signatures import kept_for_gates
from .options import ConfigOption
from .text import printable

if TYPE_CHECKING:
    from registry.approvals.board import Board
    from registry.approvals.keys import KeySigner
    from registry.gates import GateReport
    from registry.gates.asked import Traffic
    from registry.gates.base import Measure
    from registry.policy import Policy

_READING = 2
"""Steps before the gates: the package, the data."""


def run(  # noqa: PLR0917 - a command takes its options one by one
    digest: DigestArgument,
    service: Annotated[str, typer.Option("--service", "-s", help="The service.", show_default=False)],
    policy: Annotated[
        Path | None,
        typer.Option(
            help="policy.yaml; else the policy that is in force.", show_default=False, dir_okay=False
        ),
    ] = None,
    holdout: Annotated[
        Path | None,
        typer.Option(help="Rows that the model has not seen: .csv or .parquet.", exists=True, dir_okay=False),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="The hold-out's target column; else that of the training.")
    ] = None,
    training: Annotated[
        Path | None,
        typer.Option(
            help="The table that it was trained on, for the privacy gate.", exists=True, dir_okay=False
        ),
    ] = None,
    documents: Annotated[
        Path | None,
        typer.Option(help="What people wrote of it: .yaml or .json.", exists=True, dir_okay=False),
    ] = None,
    suite: Annotated[
        Path | None,
        typer.Option(
            help="A Great Expectations suite, .json, for the data contract.", exists=True, dir_okay=False
        ),
    ] = None,
    traffic: TrafficOption = None,
    archive: ArchiveOption = False,
    live: Annotated[
        str | None,
        typer.Option(
            help="The digest to compare with; else what is live by the governance log.", show_default=False
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            help="Sign the results with this key file of the role gates, and append them to the governance log.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write a report for people: one HTML page.")
    ] = None,
    config: ConfigOption = None,
    store: StoreOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Run every gate that the policy has for a service. A gate that cannot run has failed.

    Without --key nothing is written to the log. A failure is also one line of JSON on the error output, for alerts;
    with --key the webhook of the settings is told of it, too.

    Exit codes: 0 all passed; 1 a gate failed, or the key may not sign (then nothing ran); 2 wrong usage, settings,
    policy or key; 3 the store or the log does not answer.

    Example: affiant gate run sha256:5e66a605fa8c --service credit --policy policy.yaml --holdout holdout.csv
    --documents documents.yaml --traffic 24h --key pipeline.key --out gates.html
    """
    from registry.gates import run_gates
    from registry.gates.inputs import Files, read_datasets

    if traffic is not None:
        check_which(traffic)
    loaded = load(config) if store is None or key is not None or policy is None else None
    place = _open(config, store)
    with _Log(loaded, _whole(place, digest)) as log:
        rules, signer = _ready(log, policy, key)
        if service not in rules.services:
            raise ConfigError(f"the policy has no service {service!r}; it has {', '.join(rules.services)}")
        if out is not None and not out.absolute().parent.is_dir():
            raise typer.BadParameter(f"there is no directory {out.parent}", param_hint="--out")
        before = _compared(log, rules, service, live, signs=signer is not None)
        gates = rules.services[service].gates.required
        files = Files(holdout, target, training, documents, suite)
        asked, problem = _asked(loaded, rules, service, traffic, archive=archive)
        with _progress("judging", _READING + len(gates)) as step:
            step("reading the package")
            package = _find(place, digest)
            compared = None if before is None else _find(place, before)
            step("reading the data")
            deprecated = _deprecated(log) if "lineage" in gates else None
            signatures = kept_for_gates(config, store, package.digest, asked="model_signing" in gates)
            datasets = read_datasets(files, package, compared, deprecated, signatures)
            if "drift" in gates:
                datasets = replace(datasets, measure=_measure(), traffic=asked, traffic_problem=problem)
            seen = None if signer is None else log.board.end
            report = run_gates(
                package, datasets, rules, service, now=datetime.now(UTC), seen=seen, progress=step
            )
        # Signed first: what comes of a full disk is not worth another run.
        offset, board = (
            (None, None) if signer is None or loaded is None else _append(loaded, log, signer, report, rules)
        )
        if out is not None:
            write(report, package.name, out)
        tell(report, offset=offset, out=out, as_json=as_json)
        if not report.passed:
            alert(report)
        if offset is not None and loaded is not None:
            _announce(loaded, report, package.name, board)
        if not report.passed:
            raise typer.Exit(WRONG)


def _announce(loaded: Config, report: GateReport, name: str, board: Board | None) -> None:
    """Tell the webhook of signed results: who is awaited, or what failed. A look of one's own tells nobody."""
    from .approvals_webhook import announce, announce_failure

    if report.passed:
        announce(loaded, report.service, report.package, board=board)
    else:
        announce_failure(loaded, report, name)


def _asked(
    loaded: Config | None, rules: Policy, service: str, which: str | None, *, archive: bool
) -> tuple[Traffic | None, str]:
    """Recent traffic, where the policy's drift gate judges it; None, and why, where it cannot be judged.

    Raises:
        ConfigError: some was named, and nobody judges it.
    """
    limits = rules.services[service].gates.drift
    if limits is None or not limits.traffic:
        if which is not None or archive:
            raise ConfigError(
                "--traffic, --archive: the policy's drift gate does not judge traffic (rows_of)"
            )
        return None, ""
    if loaded is None:
        return None, "with --store alone there are no settings that name a log of traffic"
    return traffic_of(loaded, service, limits, which, archive=archive)


def _measure() -> Measure:
    """What an upper room owns is handed down: how far rows are from a reference."""
    from monitoring.gate import distances

    return distances


class _Log:
    """What the governance log of the settings says of a package, read when somebody asks."""

    def __init__(self, loaded: Config | None, digest: str) -> None:
        self._loaded = loaded
        self._digest = digest
        self._open = ExitStack()
        self._board: Board | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def again(self) -> Board:
        """As it is now: read on. What was given before MUST NOT be asked any more: its index is closed."""
        assert self._loaded is not None
        self._open.close()
        self._board = self._open.enter_context(board_about(self._loaded, self._digest))
        return self._board

    @property
    def governed(self) -> bool:
        """Whether the settings name a root: else nobody's word counts."""
        from registry.settings import GovernanceSettings

        return (
            self._loaded is not None
            and self._loaded.section("governance", GovernanceSettings).root is not None
        )

    @property
    def board(self) -> Board:
        """What it said when it was read first. There MUST be settings."""
        return self._board if self._board is not None else self.again()


def _ready(log: _Log, policy: Path | None, key: Path | None) -> tuple[Policy, KeySigner | None]:
    """The policy, and who signs: whatever is wrong with either is said before anything is measured.

    Raises:
        typer.Exit: 1: the key has not the role.
    """
    from registry.gates.said import refusal, remark
    from registry.policy import load_policy

    if policy is not None:
        rules = load_policy(policy)
    elif log.board.policy is not None:
        rules = log.board.policy.policy
    else:
        raise ConfigError("no policy is in force, and --policy names none")
    if key is None:
        return rules, None
    board, signer = log.board, signer_of(key)
    if (why := refusal(board, signer.id)) is not None:
        _refuse(why)
    if (said := remark(board, rules)) is not None:
        warn(said)
    return rules, signer


def _refuse(why: str) -> NoReturn:
    typer.echo(f"refused: {printable(why)}; no gate was run", err=True)
    raise typer.Exit(WRONG)


def _compared(log: _Log, rules: Policy, service: str, named: str | None, *, signs: bool) -> str | None:
    """What to compare with: where the policy holds a metric against what is live, that is what is live by the
    governance log, and nobody need name it.

    Raises:
        typer.Exit: 1: another was named, and the results would be signed: admission would not take them.
    """
    wanted = rules.services[service].gates.compares
    live = log.board.live_at(service, log.board.end) if wanted and log.governed else None
    if live is None or named is None:
        return live or named
    if signs and not live.removeprefix("sha256:").startswith(named.removeprefix("sha256:")):
        _refuse(f"--live names {named}, and {live} is live for {service}: such results do not count")
    return named


def _deprecated(log: _Log) -> Mapping[str, str] | None:
    """Which data is deprecated, by the governance log; None where there is no root: then nobody's word counts."""
    from registry.lineage.deprecation import deprecated

    return deprecated(log.board.roots, log.board.said) if log.governed else None


def _append(
    loaded: Config, log: _Log, signer: KeySigner, report: GateReport, rules: Policy
) -> tuple[int | None, Board]:
    """Append the results; the offset where they are, and the log as it was read after them."""
    from registry.gates.said import results_of, statement

    append(loaded, signer, [statement(report)])
    board = log.again()
    said = results_of(board, report.package, report.service)
    offset = next((each.offset for each in reversed(said) if each.predicate.get("made") == report.made), None)
    if offset is not None and rules.services[report.service].gates.compares:
        was = board.live_at(report.service, offset)
        if was not in (None, report.live):
            warn(
                f"{was} became live for {report.service} while the gates ran: the results do not count, run them again"
            )
    return offset, board
