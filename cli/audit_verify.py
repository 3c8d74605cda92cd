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
from audit.errors import ConfigError, LogError, NoSuchTopic, NotSealed
from audit.log import configured_governance_log, configured_log
from audit.objects import open_objects
from audit.proof.errors import FormatError
from audit.proof.note import COSIGNATURE, VerifierKey
from audit.proof.regular import read_regular
from audit.ship.external import configured_store
from audit.trees import Trees, Trust, configured_trees

from .erase_told import missing
from .errors import WRONG
from .options import ConfigOption
from .text import counted, printable

if TYPE_CHECKING:
    from audit.auditor.survey import Survey
    from audit.auditor.verified import TreeVerified
    from audit.auditor.verify import LiveLog
    from audit.sealed import TreeId

_ERRORS: Final = Console(stderr=True)
_ABSENT: Final = (
    "over their time, removed, or in an object store that nobody looked into; no statement tells of them"
)
_GONE: Final = "what the settings name is not there; what is sealed may be of it, so it may have been there"
"""Whoever reads it has a store with trees: "there is none yet" would be a beginner's advice."""
_SIGNERS: Final = 16
"""Journals that people are shown: whether they are gateways' is for them to compare."""
_MAX_KEPT: Final = 2 << 20
_LOGS: Final = (("log", configured_log), ("governance log", configured_governance_log))


def verify(  # noqa: PLR0917 — one parameter an option
    store: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="A directory, or s3://…, in place of the settings' store.",
            show_default=False,
        ),
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
    quorum: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="With --key: so many of the --witness must vouch; all of them when not said.",
            show_default=False,
        ),
    ] = None,
    partition: Annotated[
        int | None, typer.Option(metavar="NUMBER", min=0, help="This partition only.", show_default=False)
    ] = None,
    first: Annotated[
        int, typer.Option("--from", metavar="OFFSET", min=0, help="From this offset of each partition on.")
    ] = 0,
    last: Annotated[
        int | None,
        typer.Option("--to", metavar="OFFSET", min=0, help="Up to this one, included.", show_default=False),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="A checkpoint or receipt that you have kept: the log must continue it. May be repeated.",
        ),
    ] = None,
    payloads: Annotated[
        bool,
        typer.Option(
            "--payloads/--no-payloads", help="Fetch the payloads that are in the object store, too."
        ),
    ] = True,
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
    from audit.auditor.notes import check_notes
    from audit.auditor.survey import survey
    from audit.auditor.verify import Wanted, verify_trees
    from audit.auditor.which import trees_to_verify

    if last is not None and last < first:
        raise ConfigError(f"--from {first} --to {last}: the last offset comes before the first")
    settings = None if store is not None and key is not None else load(config)
    trees = _trees(settings, store, key, witness or [], quorum)
    kept = tuple((str(path), _read(path)) for path in checkpoint or [])
    with ExitStack() as stack:
        logs, absent = stack.enter_context(_logs(settings if log and store is None else None))
        whole = survey(trees.objects, trees.payload_objects)
        check_notes(whole, (live.topic for live in logs.values()))
        named = trees_to_verify(trees, _records(logs), kept, whole)
        _not_compared(whole, absent, {each.topic for each in named} - logs.keys(), as_json)
        if not named and whole.flaws:
            _tell([], as_json, whole)  # what lies there all the same; then that nothing is sealed
            if as_json:  # one object, and it has what is wrong
                raise typer.Exit(WRONG)
        which = _of_partition(named, partition, trees)
        _all_looked_at(kept, which, partition)
        wanted = Wanted(first, None if last is None else last + 1, kept=kept)
        columns = (SpinnerColumn(), TextColumn("verifying"), BarColumn(), MofNCompleteColumn(), Remaining())
        with Progress(*columns, console=_ERRORS, transient=True, disable=not _ERRORS.is_terminal) as bar:
            task = bar.add_task("verifying", total=_total(trees, which, wanted.start, wanted.end))
            archive = Archive(trees.objects, trees.payload_objects)
            gc.freeze()  # the libraries that are loaded need not be looked through again and again
            known = missing(settings if log else None)
            if payloads and store is None and settings is not None:
                known = known._replace(external=configured_store(settings).get)
            found = verify_trees(
                trees, which, archive, logs, wanted, lambda count: bar.advance(task, count), missing=known
            )
    wrong = _is_wrong(found, whole)
    if not wrong and all(each.beyond for each in found):
        raise ConfigError(_not_there(found, first, last))
    _tell(found, as_json, whole)
    if wrong:
        raise typer.Exit(WRONG)


def _of_partition(which: Sequence[TreeId], partition: int | None, trees: Trees) -> list[TreeId]:
    """Those of the partition that was named.

    Raises:
        NotSealed: nothing is.
        ConfigError: nothing of that partition is.
    """
    if not which:
        raise NotSealed(
            f"there was nothing to verify: nothing is sealed in {trees.objects!r} yet; `affiant notary run` (or "
            "`affiant up`) seals"
        )
    found = [each for each in which if partition in (None, each.partition)]
    if not found:
        there = ", ".join(str(each) for each in sorted({each.partition for each in which}))
        raise ConfigError(f"--partition {partition}: nothing of it is sealed, there is {there}")
    return found


def _all_looked_at(kept: Sequence[tuple[str, bytes]], which: Sequence[TreeId], partition: int | None) -> None:
    """Raises ConfigError: something that was kept is of a tree that would not be held to it."""
    from audit.auditor.heads import kept_head

    origins = {each.origin for each in which}
    for name, raw in kept:
        if (origin := kept_head(raw)[1]) not in origins:
            raise ConfigError(
                f"--checkpoint {name}: is of the tree {origin}, which --partition {partition} leaves out"
            )


def _not_there(found: Sequence[TreeVerified], first: int, last: int | None) -> str:
    """Of a range that no tree has all of: what there is. "Nothing is wrong" would be said of what nobody has seen."""
    asked = f"--from {first}" + ("" if last is None else f" --to {last}")
    there = "; ".join(
        f"{each.origin} has " + (f"offsets 0 to {each.size - 1}" if each.size else "no entry yet")
        for each in found
    )
    return f"{asked}: not all of it is sealed. {there}"


def _records(logs: Mapping[bytes, LiveLog]) -> Iterator[tuple[bytes, int]]:
    """Where the logs have records, which should be sealed."""
    for topic, live in logs.items():
        for partition in range(live.topic.partitions):
            if live.reader.bounds(partition)[1] > 0:
                yield topic, partition


def _trees(
    settings: Config | None, store: str | None, key: str | None, witnesses: Sequence[str], quorum: int | None
) -> Trees:
    if (witnesses or quorum is not None) and key is None:
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
    if quorum is None:
        quorum = len(set(believed))  # who names a witness wants its word
    elif quorum > len(believed):
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
    from audit.auditor.heads import kept_head

    try:
        raw = read_regular(path, _MAX_KEPT)
        kept_head(
            raw
        )  # whose signature holds, and whether the log continues it, is for the verification to say
        return raw
    except FormatError as error:
        raise ConfigError(f"--checkpoint {path}: is neither a checkpoint nor a receipt ({error})") from error
    except OSError as error:
        raise ConfigError(f"--checkpoint {path}: {error.strerror or error}") from error


@contextmanager
def _logs(settings: Config | None) -> Iterator[tuple[dict[bytes, LiveLog], dict[str, str]]]:
    """The log and the governance log of the settings, where they are and answer; and why one does not, by its name."""
    from audit.auditor.verify import LiveLog

    found: dict[bytes, LiveLog] = {}
    absent: dict[str, str] = {}
    with ExitStack() as stack:
        for name, open_log in _LOGS if settings is not None else ():
            assert settings is not None
            try:
                log = open_log(settings, create=False)
                topic = log.topic()
                reader = log.reader()
            except NoSuchTopic:
                absent[name] = _GONE
                continue
            except LogError as error:
                absent[name] = str(error)
                continue
            stack.callback(reader.close)
            found[topic.id] = LiveLog(reader, topic)
        yield found, absent


def _not_compared(whole: Survey, absent: Mapping[str, str], others: set[bytes], as_json: bool) -> None:
    """Say of a log of the settings that it is not there, when something that is sealed may be of it: as an error
    output's line, and in the JSON.

    Args:
        whole: takes the remarks.
        absent: why a log is not there, by its name.
        others: topics that are sealed, and that no log has.
        as_json: people read the error output.
    """
    for name, why in absent.items() if others else ():
        said = f"not compared with the {name}: {why}"
        typer.echo(printable(f"without the {name}: {why}"), err=True)
        if as_json:  # else people have just read it
            whole.remark("log", said)


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


def _is_wrong(found: Sequence[TreeVerified], whole: Survey | None) -> bool:
    return bool(whole is not None and whole.flaws) or any(each.flaws for each in found)


def _tell(found: Sequence[TreeVerified], as_json: bool, whole: Survey | None = None) -> None:
    """`whole`: what is to be said of the store, and of no tree alone."""
    flaws, remarks = ([], []) if whole is None else (whole.flaws, whole.remarks)
    if as_json:
        told = {
            "holds": not _is_wrong(found, whole),
            "trees": [_json(each) for each in found],
            "flaws": [flaw._asdict() for flaw in flaws],
            "more_flaws": 0 if whole is None else whole.more,
            "remarks": [remark._asdict() for remark in remarks],
        }
        typer.echo(json.dumps(told, indent=2))
        return
    for flaw in (*flaws, *(flaw for each in found for flaw in each.flaws)):
        typer.echo(printable(f"WRONG  {flaw}"))
    for remark in (*remarks, *(remark for each in found for remark in each.remarks)):
        typer.echo(printable(f"note   {remark}"))
    for each in found:
        for line in _lines(each):
            typer.echo(printable(line))
    more = 0 if whole is None else whole.more
    if more:
        typer.echo(f"WRONG  and {counted(more, 'thing')} more in the store")
    wrong = len(flaws) + more + sum(len(each.flaws) + each.more_flaws for each in found)
    if wrong:
        stopped = any(each.stopped_at is not None for each in found)
        typer.echo(
            f"{counted(wrong, 'thing is', 'things are')} wrong{', and not all was looked at' * stopped}"
        )
    elif not any(each.size for each in found):
        typer.echo("no entry is sealed yet: there was nothing to check")
    else:
        typer.echo("nothing is wrong")


def _lines(each: TreeVerified) -> Iterator[str]:
    yield (
        f"{each.origin}: {counted(each.size, 'entry', 'entries')}, root {each.root.hex()[:16]}…: "
        f"{each.entries} looked at, {each.archived} in the archive, {each.logged} in the log, "
        f"{counted(each.payloads, 'payload')}, {counted(each.checkpoints, 'checkpoint')}, "
        f"{counted(each.journals, 'journal')} with {counted(each.signatures, 'signature')}"
    )
    for count, one, more in (
        (
            each.holes,
            "hole: an offset of the log that had no record",
            "holes: offsets of the log that had no record",
        ),
        (
            each.without_payload,
            f"payload is neither in the archive nor in the log ({_ABSENT})",
            f"payloads are neither in the archive nor in the log ({_ABSENT})",
        ),
        (
            each.still_there,
            "payload is there, and a signed statement says that it was erased: `affiant erase complete`",
            "payloads are there, and signed statements say that they were erased: `affiant erase complete`",
        ),
        (each.duplicates, "benign duplicate", "benign duplicates"),
        (
            each.unchecked_signatures,
            "signature whose journal's opening is not in this range",
            "signatures whose journal's opening is not in this range",
        ),
    ):
        if count:
            yield f"  {counted(count, one, more)}"
    for signer in each.signers[:_SIGNERS]:
        yield f"  journal {signer['journal']}: {_signer(signer)}"
    if (kept := len(each.signers) - _SIGNERS) > 0:
        others = each.journals - _SIGNERS
        yield f"  {counted(others, 'journal')} more: --json has {'them' if kept == others else f'{kept:,} of them'}"
    if each.more_remarks:
        yield f"  {counted(each.more_remarks, 'note')} more"
    if each.more_flaws or each.stopped_at is not None:
        beyond = ""
        if each.stopped_at is not None:
            beyond = f"; it stopped before offset {each.stopped_at}, and nothing from there on was looked at"
        yield f"  {counted(len(each.flaws), 'thing')} wrong are named, {each.more_flaws} more are not{beyond}"
    if each.witnesses:
        yield f"  vouched for by {', '.join(each.witnesses)}"
    else:
        yield "  no witness that was named vouches for it"


def _signer(signer: Mapping[str, object]) -> str:
    """Where a journal was opened and last signed, by which key: no more than was seen at these offsets."""
    if signer["opened"] is None:
        return "not opened at these offsets, so its key is not known and no signature of it was checked"
    if signer["key"] is None:
        return f"opened at offset {signer['opened']}, and no signature of it holds: its key is not known"
    return f"opened at offset {signer['opened']}, last signed at {signer['last_signed']}, by the key {signer['key']}"


def _json(each: TreeVerified) -> dict[str, Any]:
    told = {name: getattr(each, name) for name in each.__slots__}
    told["root"] = each.root.hex()
    for name in ("flaws", "remarks"):
        told[name] = [flaw._asdict() for flaw in told[name]]
    return told
