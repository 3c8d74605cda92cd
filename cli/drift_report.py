"""`affiant drift report`: reference against window, as a page."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, cast

import typer
from rich.console import Console

from audit.config import Config, load
from audit.errors import ConfigError
from audit.log import configured_log
from audit.log.base import LogReader, Topic

from .approvals_open import JsonOption
from .audit_recompute_source import opened
from .controller_parts import monitor_url
from .drift_evidently import Beside, beside, held
from .drift_evidently import write as write_beside
from .drift_monitor import figures_of
from .options import ConfigOption
from .output import ForceOption, check_output, write_output
from .text import json_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from monitoring.figures import Evidence, Slot
    from monitoring.judging import Judged, Judging
    from monitoring.read import StorePackages
    from registry.package import Package
    from registry.policy import Policy


def report(
    service: Annotated[str, typer.Argument(help="The service.", show_default=False)],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="The page's file.")] = Path("drift.html"),
    digest: Annotated[
        str | None, typer.Option(help="The package, or its beginning; what is live.", show_default=False)
    ] = None,
    slot: Annotated[str, typer.Option(help="live, canary or shadow.")] = "live",
    event: Annotated[
        int | None,
        typer.Option(
            help="Of a rollback in the governance log, by its offset: what it was for.", show_default=False
        ),
    ] = None,
    again: Annotated[
        Path | None,
        typer.Option(
            help="A page that this command has written: of the same records, by the same policy.",
            show_default=False,
        ),
    ] = None,
    evidently: Annotated[
        Path | None,
        typer.Option(help="Evidently's own page too, of the same rows, in this file.", show_default=False),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="For it: the table that the package was trained on.", show_default=False),
    ] = None,
    force: ForceOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a page with the distribution of each column in the reference and in the window, most drifted first.

    Which records are looked at is the monitor's evidence, a rollback's, or another page's; what the page says is
    counted and judged again from the log, and it names the command that makes its very bytes again. It opens anywhere,
    with nothing from elsewhere in it. With --evidently the window's inputs are also given to Evidently (extra
    `reports`), against the training table: log and package keep no rows of that.

    Exit codes: 0 written; 2 wrong usage or settings, nothing of that package was judged, or another table; 3 the log,
    the store or the monitor does not answer.

    Example: affiant drift report credit --out drift.html --evidently evidently.html --reference train.csv
    """
    loaded = load(config)
    if again is not None and (event is not None or digest is not None):
        raise ConfigError("--again says which records: neither --event nor --digest goes with it")
    check_output(out, force=force)
    more = beside(evidently, reference, force=force)
    busy: Any = Console(stderr=True).status("counting the records") if sys.stderr.isatty() else nullcontext()
    with busy:
        if again is not None:
            found = _of_page(loaded, service, again)
        elif event is not None:
            found = _event(loaded, service, event)
        else:
            found = _now(loaded, service, digest, slot)
        judging, said, package, span, rows = _again(loaded, found, more)
        text = _page(said, judging, package, span, found, out.name)
        write_output(out, text.encode(), force=force)
        if more is not None and rows is not None:
            write_beside(more, package, rows, force=force)
    if as_json:
        both = {"file": str(out)} | ({} if more is None else {"evidently": str(more.page)})
        typer.echo(json_text(both | {"evidence": said.model_dump(mode="json")}))
    else:
        worst = said.columns[0]
        typer.echo(
            f"{out}: {len(said.columns)} columns; {worst.column} is furthest away (KS {worst.ks_lower:.3f})"
        )


class _Found(NamedTuple):
    """What is to be counted again, by which limits, and from where."""

    evidence: Evidence
    judged: Judged
    source: AbstractContextManager[tuple[Topic, LogReader]]
    made: str = ""
    """When, or of what, for people."""
    event: int | None = None
    file: str | None = None
    """The name of the page that is made again."""


class _Again(NamedTuple):
    """What was counted and judged again: the package, the time of the records, and, if wanted, the window's rows."""

    judging: Judging
    said: Evidence
    package: Package
    span: str
    rows: NDArray[np.float32] | None


def _now(config: Config, service: str, digest: str | None, slot: str) -> _Found:
    """What the monitor has now. Raises ConfigError: nothing of it."""
    from monitoring.controller.evidence import fetch
    from monitoring.judging import judged_by
    from monitoring.settings import ControllerSettings

    from .monitor import configured_governing

    found = [
        each for each in figures_of(config).packages if (each["service"], each["slot"]) == (service, slot)
    ]
    wanted = "" if digest is None else digest.removeprefix("sha256:")
    named = [each["digest"] for each in found if each["digest"].removeprefix("sha256:").startswith(wanted)]
    if not named:
        raise ConfigError(f"the monitor has judged nothing of {service} {slot} {digest or ''}".rstrip())
    if len(named) > 1:
        raise ConfigError(f"{service} {slot} is {', '.join(named)}: --digest says which")
    address = monitor_url(config, config.section("controller", ControllerSettings))
    governing = configured_governing(config)
    governing.read_on()
    evidence = fetch(address, service, named[0], cast("Slot", slot))
    made = f"Made {_time(time.time())}"
    return _Found(evidence, judged_by(governing.policy, service), _log(config), made)


@contextmanager
def _log(config: Config) -> Iterator[tuple[Topic, LogReader]]:
    log = configured_log(config, create=False)
    with closing(log.reader()) as reader:
        yield log.topic(), reader


def _event(config: Config, service: str, offset: int) -> _Found:
    """What a rollback was for. Raises ConfigError: there is no such event."""
    from audit.log import configured_governance_log
    from monitoring.burns import Burns
    from monitoring.controller.ground import Grounds, entries_of
    from monitoring.controller.review import NoSuchEvent, find_event
    from monitoring.controller.said import parse_because
    from monitoring.judging import judged_by
    from registry.approvals.board import first_root_of

    entries = list(entries_of(configured_governance_log(config, create=False), 0, None))
    grounds = Grounds(first_root_of(config), lambda _: None)
    grounds.take(entries)
    try:
        found = find_event(grounds, str(offset))
    except NoSuchEvent as error:
        raise ConfigError(f"--event {offset}: {error}") from error
    if found.content.service != service:
        raise ConfigError(f"--event {offset}: it is of {found.content.service}")
    because = parse_because(found.content.evidence or {})
    evidence = because.evidence
    if isinstance(evidence, Burns):
        raise ConfigError(
            f"--event {offset}: it was for its objectives, not for drift; `affiant audit recompute` has it"
        )
    # The policy that was decided by, and not one that came while it was signed.
    then = Grounds(first_root_of(config), lambda _: None)
    then.take(entries[: min(because.governance_end, found.offset)])
    policy = then.ledger.policy
    judged = judged_by(None if policy is None else policy.policy, service)
    if judged.policy != evidence.policy:
        typer.echo(
            f"the event names the policy {evidence.policy}; by the governance log {judged.policy} was in force, and "
            "the page is by that one: `affiant audit recompute` says more",
            err=True,
        )
    made = f"Of the rollback at offset {offset}, {_time(found.content.at)}"
    return _Found(evidence, judged, opened(config, found, archive_only=False), made, offset)


def _of_page(config: Config, service: str, path: Path) -> _Found:
    """What a page is of. Raises ConfigError: it is none, of another service, or of a policy that never was in force."""
    from audit.proof.errors import FormatError
    from monitoring.judging import judged_by
    from monitoring.report import kept_of

    try:
        kept = kept_of(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, FormatError) as error:
        raise ConfigError(f"--again {path}: {error}") from error
    if kept.evidence.service != service:
        raise ConfigError(f"--again {path}: it is of {kept.evidence.service}")
    judged = judged_by(_policy_of(config, kept.evidence.policy), service)
    if judged.policy != kept.evidence.policy:
        raise ConfigError(f"--again {path}: the policy {kept.evidence.policy} was never in force here")
    source = opened(config, None, archive_only=False)
    return _Found(kept.evidence, judged, source, kept.made, kept.event, kept.file)


def _policy_of(config: Config, digest: str) -> Policy | None:
    """The policy of a digest, where it is, or was, in force; else the one that is."""
    from audit.log import configured_governance_log
    from monitoring.controller.ground import Grounds, entries_of
    from monitoring.judging.limits import NOBODY
    from registry.approvals.board import first_root_of
    from registry.settings import GovernanceSettings

    from .monitor import configured_governing

    if digest == NOBODY:
        return None
    if config.section("governance", GovernanceSettings).root is None:
        return configured_governing(config).policy
    grounds = Grounds(first_root_of(config), lambda _: None)
    grounds.take(entries_of(configured_governance_log(config, create=False), 0, None))
    found = grounds.ledger.policy
    while found is not None and found.digest != digest:
        found = found.before
    return None if found is None else found.policy


def _again(config: Config, found: _Found, more: Beside | None) -> _Again:
    """Counted and judged again; the rows only where somebody wants them."""
    from monitoring.judging.again import judged_again
    from monitoring.judging.evidence import Where, written
    from monitoring.panes import Of
    from monitoring.read import StorePackages
    from monitoring.report.rows import rows_of
    from registry.stores import configured_store

    from .external import configured_external

    evidence, store = found.evidence, configured_store(config)
    package = store.pull(evidence.digest)
    if more is not None:
        held(package, more.table)
    packages: StorePackages = StorePackages(store)
    external = configured_external(config)
    with found.source as (topic, reader):
        if topic.id.hex() != evidence.topic:
            raise ConfigError(
                f"the evidence is of the topic {evidence.topic[:8]}…, and the log is another one"
            )
        judging, places = judged_again(evidence, reader, packages, found.judged, external)
        rows = None if more is None else rows_of(evidence, judging, reader, packages, external)
    of = Of(evidence.service, evidence.digest, evidence.slot)
    said = written(of, judging, places, Where(evidence.topic, evidence.pane_records, evidence.reached))
    window = judging.window
    span = f"up to {_time(window[-1].time / 1000)}; the window begins at {_time(window[0].time / 1000)}"
    return _Again(judging, said, package, span, rows)


def _page(evidence: Evidence, judging: Judging, package: Package, span: str, found: _Found, name: str) -> str:
    from monitoring.columns import feature_name
    from monitoring.report import Kept, page, shares_of

    features = {feature_name(each.name): each for each in package.signature.features}
    shares = {
        column.name: shares_of(column, counts, features.get(column.name))
        for column, counts in judging.counts()
    }
    return page(
        evidence, shares, name=package.signature.name, threshold=judging.threshold, span=span,
        kept=Kept(evidence, found.file or name, found.made, found.event),
    )  # fmt: skip


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
