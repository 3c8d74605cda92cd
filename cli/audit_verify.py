"""`affiant audit verify`: everything that is sealed, archived and logged, against what was signed."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.progress import TimeRemainingColumn as Remaining

from audit.config import Config, load
from audit.errors import ConfigError, LogError
from audit.log import configured_governance_log, configured_log
from audit.objects import open_objects
from audit.proof.errors import FormatError
from audit.proof.note import COSIGNATURE, VerifierKey
from audit.trees import Trees, Trust, configured_trees

from .errors import WRONG
from .options import ConfigOption

if TYPE_CHECKING:
    from audit.auditor.verified import TreeVerified
    from audit.auditor.verify import LiveLog
    from audit.sealed import TreeId

_ERRORS: Final = Console(stderr=True)
_MAX_KEPT: Final = 2 << 20


def verify(  # noqa: PLR0917 — one parameter an option
    store: Annotated[
        str | None,
        typer.Option(help="A directory, or s3://…, in place of the settings' store.", show_default=False),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            metavar="VKEY", help="The notary's vkey, in place of the settings'.", show_default=False
        ),
    ] = None,
    witness: Annotated[
        list[str] | None, typer.Option(metavar="VKEY", help="With --key: a witness's; may be repeated.")
    ] = None,
    quorum: Annotated[int, typer.Option(min=0, help="With --key: so many of them must vouch.")] = 0,
    partition: Annotated[
        int | None, typer.Option(min=0, help="This partition only.", show_default=False)
    ] = None,
    first: Annotated[int, typer.Option("--from", metavar="OFFSET", min=0, help="From this offset on.")] = 0,
    last: Annotated[
        int | None,
        typer.Option("--to", metavar="OFFSET", min=0, help="Up to this one, included.", show_default=False),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            help="A checkpoint or receipt that you have kept: the log must continue it. May be repeated."
        ),
    ] = None,
    log: Annotated[bool, typer.Option(help="Compare with the log of the settings, when it is there.")] = True,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Check the sealed log: tiles, entries, checkpoints, archive, payloads, journals, and the log itself.

    Everything is held to the signed checkpoint. What is wrong is named, with its tree, offset, file and byte.
    With --store and --key no settings are needed. Exit code 1 when something is wrong.

    Example: affiant audit verify --from 100000 --to 199999
    """
    from audit.archive import Archive
    from audit.auditor.verify import Wanted, verify_trees
    from audit.auditor.which import trees_to_verify

    if last is not None and last < first:
        raise ConfigError(f"--from {first} --to {last} is no range")
    settings = None if store is not None and key is not None else load(config)
    trees = _trees(settings, store, key, witness or [], quorum)
    kept = tuple((str(path), _read(path)) for path in checkpoint or [])
    with ExitStack() as stack:
        logs = stack.enter_context(_logs(settings if log and store is None else None))
        which = [
            each
            for each in trees_to_verify(trees, _records(logs), kept)
            if partition in (None, each.partition)
        ]
        if not which:
            raise ConfigError(f"nothing is sealed in {trees.objects!r}: no tree, or none of that partition")
        wanted = Wanted(first, None if last is None else last + 1, kept=kept)
        columns = (SpinnerColumn(), TextColumn("verifying"), BarColumn(), MofNCompleteColumn(), Remaining())
        with Progress(*columns, console=_ERRORS, transient=True, disable=not _ERRORS.is_terminal) as bar:
            task = bar.add_task("verifying", total=_total(trees, which, wanted.start, wanted.end))
            archive = Archive(trees.objects, trees.payload_objects)
            gc.freeze()  # the libraries that are loaded need not be looked through again and again
            found = verify_trees(trees, which, archive, logs, wanted, lambda count: bar.advance(task, count))
    _tell(found, as_json)
    if any(each.flaws for each in found):
        raise typer.Exit(WRONG)


def _records(logs: Mapping[bytes, LiveLog]) -> Iterator[tuple[bytes, int]]:
    """Where the logs have records, which should be sealed."""
    for topic, live in logs.items():
        for partition in range(live.topic.partitions):
            if live.reader.bounds(partition)[1] > 0:
                yield topic, partition


def _trees(
    settings: Config | None, store: str | None, key: str | None, witnesses: Sequence[str], quorum: int
) -> Trees:
    if (witnesses or quorum) and key is None:
        raise ConfigError("--witness and --quorum go with --key; else the settings' witnesses are believed")
    if settings is None:
        assert store is not None
        objects, payloads = open_objects(store, base=Path.cwd()), None
    else:
        configured = configured_trees(settings)
        objects = configured.objects if store is None else open_objects(store, base=Path.cwd())
        payloads = configured.payload_objects if store is None else None
        if key is None:
            return Trees(configured.trust, objects, payloads)
    assert key is not None
    vkey, believed = _key(key, "--key"), tuple(_key(each, "--witness") for each in witnesses)
    if quorum > len(believed):
        raise ConfigError(f"--quorum {quorum} needs as many --witness")
    return Trees(Trust(vkey.name, Path(), believed, quorum, vkey), objects, payloads)


def _key(text: str, option: str) -> VerifierKey:
    try:
        key = VerifierKey.parse(text)
    except FormatError as error:
        raise ConfigError(f"{option}: {error}") from error
    if option == "--witness" and key.algorithm != COSIGNATURE:
        raise ConfigError(f"{option}: not a witness's key")
    return key


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        raw = file.read(_MAX_KEPT + 1)
    if len(raw) > _MAX_KEPT:
        raise ConfigError(f"{path} is neither a checkpoint nor a receipt: over {_MAX_KEPT} bytes")
    return raw


@contextmanager
def _logs(settings: Config | None) -> Iterator[dict[bytes, LiveLog]]:
    """The log and the governance log of the settings, where they are and answer."""
    from audit.auditor.verify import LiveLog

    found: dict[bytes, LiveLog] = {}
    with ExitStack() as stack:
        for open_log in (configured_log, configured_governance_log) if settings is not None else ():
            assert settings is not None
            try:
                log = open_log(settings, create=False)
                topic = log.topic()
                reader = log.reader()
            except LogError as error:
                if open_log is configured_log:
                    _ERRORS.print(f"without the log: {error}", markup=False, highlight=False)
                continue
            stack.callback(reader.close)
            found[topic.id] = LiveLog(reader, topic)
        yield found


def _total(trees: Trees, which: Sequence[TreeId], start: int, end: int | None) -> int:
    """For the bar: what the checkpoints say, before anything is verified."""
    total = 0
    for each in which:
        stored = trees.objects.get(f"{each.prefix}/checkpoint")
        lines = b"" if stored is None else stored.content[:1000]
        parts = lines.split(b"\n")
        size = int(parts[1]) if len(parts) > 1 and parts[1].isdigit() and len(parts[1]) < 20 else 0
        total += max(0, min(size, size if end is None else end) - start)
    return total


def _tell(found: Sequence[TreeVerified], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"trees": [_json(each) for each in found]}, indent=2))
        return
    for each in found:
        for flaw in each.flaws:
            typer.echo(f"WRONG  {flaw}")
        for remark in each.remarks:
            typer.echo(f"note   {remark}")
    for each in found:
        typer.echo(
            f"{each.origin}: {each.size} entries, root {each.root.hex()[:16]}…: {each.entries} looked at, "
            f"{each.archived} in the archive, {each.logged} in the log, {each.payloads} payloads, "
            f"{each.checkpoints} checkpoints, {each.journals} journals with {each.signatures} signatures"
        )
        for count, words in (
            (each.holes, "holes: offsets of the log that had no record"),
            (
                each.without_payload,
                "payloads are neither in the archive nor in the log (erased, or in the object store)",
            ),
            (each.duplicates, "benign duplicates"),
            (each.unchecked_signatures, "signatures whose journal's opening is not in this range"),
        ):
            if count:
                typer.echo(f"  {count} {words}")
        if each.witnesses:
            typer.echo(f"  vouched for by {', '.join(each.witnesses)}")
    wrong = sum(len(each.flaws) for each in found)
    typer.echo(
        "nothing is wrong" if not wrong else f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong"
    )


def _json(each: TreeVerified) -> dict[str, Any]:
    told = {name: getattr(each, name) for name in each.__slots__}
    told["root"] = each.root.hex()
    for name in ("flaws", "remarks"):
        told[name] = [flaw._asdict() for flaw in told[name]]
    return told
