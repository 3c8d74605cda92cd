"""`affiant audit bundle`: records with their proofs and a report, in one file for somebody who trusts nobody."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from audit.config import load
from audit.errors import ConfigError
from audit.log import configured_log
from audit.proof.bundle import parse_bundle_file
from audit.proof.evidence import Shown, verify_parsed
from audit.proof.note import VerifierKey
from audit.proof.told import journals_json

from .audit_bundle_packages import packages
from .audit_open import IndexOption, opened, topic_of
from .errors import WRONG
from .options import ConfigOption
from .output import ForceOption, check_output, write_output
from .record_ids import record_id_given
from .text import counted, printable

if TYPE_CHECKING:
    from audit.auditor.evidence import Made, Selection
    from audit.auditor.records import Records

_ERRORS: Final = Console(stderr=True)
_SHOWN: Final = 20
"""Of what was left out, that are told one by one; the JSON has all."""
_RANGE: Final = re.compile(r"(0|[1-9]\d{0,9}):(\d{1,18})-(\d{1,18})", re.ASCII)
_PSEUDONYM: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)


def bundle(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write; only its owner may read it.")
    ],
    *,
    offsets: Annotated[
        str | None,
        typer.Option(
            "--range",
            metavar="PARTITION:FIRST-LAST",
            help="All records of these offsets.",
            show_default=False,
        ),
    ] = None,
    caller: Annotated[
        str | None, typer.Option(help="A caller's records: pseudonym, hex.", show_default=False)
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option(
            help="The records about somebody: pseudonym, hex (`affiant subjects pseudonym`).",
            show_default=False,
        ),
    ] = None,
    record: Annotated[list[str] | None, typer.Option(help="A record id; may be repeated.")] = None,
    topic: Annotated[
        str | None,
        typer.Option(help="With --range: the topic's id, hex, when there are several.", show_default=False),
    ] = None,
    chain: Annotated[
        int,
        typer.Option(
            "--chain",
            min=0,
            metavar="ENTRIES",
            help="So many entries at most go with the records, to lead from them to their gateway's next signature; "
            "without payloads, about 1 KB each, packed 200 bytes.",
        ),
    ] = 65_536,
    with_flaws: Annotated[
        bool,
        typer.Option(
            "--with-flaws",
            help="Write it also when something is wrong with the records, as evidence of that; still exit code 1.",
        ),
    ] = False,
    force: ForceOption = False,
    index: IndexOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Write an evidence bundle: records, proofs, checkpoints, packages' manifests, and a report for people.

    Who gets it checks it with `affiant-verify bundle FILE --key VKEY`, which needs nothing but the notary's key.
    It is verified here too before it is written. A --range shows that nothing was left out, and so do ids; of a
    --caller or --subject some records may be missing. It is said over how many records no gateway has signed; what
    would lead to its signature and does not verify is named, and left out.
    What of the packages is missing or changed in the model store is said, and left out. Exit code 1 when a record is
    not sealed or the bundle would not verify (two entries have one id, say), and nothing is written without
    --with-flaws; and, with what is whole written, when the store
    has a package that is damaged. One that the store does not have is a warning.

    Example: affiant audit bundle -o evidence.zip --range 0:0-9999
    """
    from audit.auditor.evidence import make_bundle

    asked = {"--range": offsets, "--caller": caller, "--subject": subject, "--record": record}
    given = " and ".join(name for name, value in asked.items() if value) or "none"
    if given not in asked:
        raise ConfigError(f"one of --range, --caller, --subject and --record is wanted, not {given}")
    names = [record_id_given(each) for each in record or []]
    check_output(output, force=force)
    with opened(config, index) as records:
        selection = _selected(records, offsets, caller, subject, names, topic, config)
        trust = records.trees.trust
        with _stages() as begin:
            made = make_bundle(
                records,
                selection,
                packages(config),
                by=f"affiant {version('affiant')}",
                budget=chain,
                begin=begin,
            )
            begin("packing", None)
            raw = made.bundle.encode()
            count = sum(len(part.records) for part in made.bundle.trees)
            key = VerifierKey(trust.name, trust.public_key())
            shown = verify_parsed(
                *parse_bundle_file(raw), key, trust.witnesses, trust.quorum, begin("verifying", count)
            )
            if shown.flaws and with_flaws:
                raw = made.flawed(shown.flaws).encode()  # the same, and its report says what is wrong
    for flaw in shown.flaws:
        typer.echo(f"WRONG  {printable(str(flaw))}", err=True)
    for line in made.broken[:_SHOWN]:
        typer.echo(f"WARNING  {printable(line)}: left out", err=True)
    if (more := len(made.broken) - _SHOWN) > 0:
        typer.echo(f"WARNING  {more:,} more ways to signatures do not verify: left out", err=True)
    if shown.flaws and not with_flaws:
        typer.echo(
            "nothing is written; --with-flaws writes it all the same, as evidence of what is wrong", err=True
        )
        raise typer.Exit(WRONG)
    write_output(output, raw, force=force, mode=0o600)
    _tell(output, len(raw), shown, made, chain, as_json=as_json)
    for lack in made.lacks:
        typer.echo(
            f"{'WRONG' if lack.wrong else 'WARNING'}  {printable(f'{lack.package}: {lack.said}')}", err=True
        )
    if shown.flaws or any(lack.wrong for lack in made.lacks):
        raise typer.Exit(WRONG)


def _tell(output: Path, size: int, shown: Shown, made: Made, chain: int, *, as_json: bool) -> None:
    """What the file shows. `chain`: the budget that was given."""
    journals, needed, lacks = shown.journals, made.needed, made.lacks
    told: dict[str, Any] = {
        "file": str(output), "bytes": size, "records": sum(tree.records for tree in shown.trees),
        "payloads": shown.payloads, "without_payload": shown.without_payload, "packages": shown.packages,
        "erased": list(made.erased),
        "missing_packages": shown.missing_packages, "package_lacks": [lack._asdict() for lack in lacks],
        "complete": shown.complete, "flaws": [flaw._asdict() for flaw in shown.flaws], "left_out": list(made.broken),
        "gateway_signature": {**journals_json(journals), "chain_needed": needed}, "not_shown": shown.not_shown(),
    }  # fmt: skip
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    held = f"{counted(told['records'], 'record')}, {counted(shown.payloads, 'payload')}"
    verdict = f"{len(shown.flaws)} WRONG, it does not verify" if shown.flaws else "it verifies"
    typer.echo(f"{output}: {held}, {size:,} bytes; {verdict}")
    if journals.asked:
        rest = "only what does not verify" if made.broken else "none"
        hint = f"; --chain {needed} leaves {rest} out" if journals.left_out and needed > chain else ""
        typer.echo(
            f"  the keys of their journals have signed over {journals.asked_sworn:,} of {journals.asked:,} "
            f"{'record' if journals.asked == 1 else 'records'} of journals{hint}"
        )
    for line in shown.not_shown():
        typer.echo(f"  it does not show {printable(line)}")
    for line in made.erased:
        typer.echo(f"  {printable(line)}")


@contextmanager
def _stages() -> Iterator[Callable[[str, int | None], Callable[[int], None]]]:
    """On a terminal: a bar of what is done now; of how many, where that is known."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=_ERRORS, transient=True, disable=not _ERRORS.is_terminal) as bar:

        def begin(what: str, total: int | None) -> Callable[[int], None]:
            for task in bar.task_ids:
                bar.remove_task(task)
            task = bar.add_task(what, total=total)
            return lambda count: bar.advance(task, count)

        yield begin


def _selected(
    records: Records,
    offsets: str | None,
    caller: str | None,
    subject: str | None,
    names: list[str],
    topic: str | None,
    config: Path | None,
) -> Selection:
    from audit.auditor.evidence import select_range, select_records, select_who

    if offsets is not None:
        found = _RANGE.fullmatch(offsets)
        if found is None or int(found[3]) < int(found[2]):
            raise ConfigError("--range: want PARTITION:FIRST-LAST, such as 0:0-9999")
        partition = int(found[1])
        named = _topic(records, partition, topic, config)
        return select_range(records, named, partition, int(found[2]), int(found[3]) + 1)
    for option, value in (("caller", caller), ("subject", subject)):
        if value is not None:
            if not _PSEUDONYM.fullmatch(value):
                raise ConfigError(f"--{option}: want a pseudonym of 32 lower-case hex digits")
            return select_who(records, option, value)
    return select_records(records, names)


def _topic(records: Records, partition: int, topic: str | None, config: Path | None) -> bytes:
    """The topic with that partition: the one that is named, else the log's, else the only one. Where the log is not
    there it MUST be named: the governance log's, or that of a log of before, is not meant without a word.
    """
    known = [tree.tree.topic for tree in records.heads if tree.tree.partition == partition]
    if topic is not None:
        known = [each for each in known if each.hex() == topic]
    elif len(known) > 1:
        log = topic_of(lambda: configured_log(load(config), create=False))
        known = [each for each in known if log is not None and each == log.id] or known
    if not known:
        which = "" if topic is None else f" of the topic {topic}"
        raise ConfigError(f"nothing of partition {partition}{which} is sealed")
    if len(known) != 1:
        raise ConfigError(
            f"partition {partition} is sealed of {len(known)} topics; say which with --topic: "
            + ", ".join(each.hex() for each in known)
        )
    return known[0]
