"""`affiant card`: model card, data sheet and risk assessment of a package."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audit.config import Config, load

from .approvals_open import JsonOption, board_of, digest_of
from .approvals_show import cell, day, screen, table
from .audit_open import _bar
from .errors import WRONG
from .every import EveryOption, TouchOption, repeat
from .model import DigestArgument
from .options import ConfigOption
from .output import ForceOption, check_output, write_output
from .text import counted, json_text, printable

if TYPE_CHECKING:
    from registry.cards.attached import Attachments
    from registry.cards.documents import Documents
    from registry.cards.facts import Facts

app = typer.Typer(
    no_args_is_help=True,
    help="Model card, data sheet and risk assessment of a package, from its own facts, the governance log and what "
    "people wrote.\n\nExample: affiant card render sha256:5e66a605fa8c",
)

DocumentsOption = Annotated[
    Path | None,
    typer.Option(
        "--documents",
        "-d",
        help="What people wrote (documents.yaml); else what was attached last.",
        show_default=False,
    ),
]


@app.command()
def render(
    digest: DigestArgument,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="A folder for all cards; else the model card is printed.", show_default=False
        ),
    ] = None,
    documents: DocumentsOption = None,
    force: ForceOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the cards of a package, as Markdown and as HTML pages; or print the model card.

    Exit codes: 0 written; 1 the store does not have it, or a byte is wrong; 2 wrong usage, settings or documents;
    3 the log or the store does not answer.

    Example: affiant card render sha256:5e66a605fa8c --documents documents.yaml --out cards
    """
    from registry.stores import configured_store

    loaded = load(config)
    whole = digest_of(configured_store(loaded), digest)
    _, cards = _cards(loaded, whole, documents)
    if out is None and not as_json:
        typer.echo("\n".join(printable(line) for line in cards["model-card.md"].decode().splitlines()))
        return
    files = {} if out is None else {out / name: content for name, content in cards.items()}
    if out is not None and not out.exists():
        out.mkdir(parents=True)
    for path in files:
        check_output(path, force=force)
    for path, content in files.items():
        write_output(path, content, force=force)
    told: dict[str, Any] = {"digest": whole, "files": [str(each) for each in files]}
    if as_json:
        told |= {"cards": {name: each.decode() for name, each in cards.items() if name.endswith(".md")}}
        typer.echo(json_text(told))
        return
    for path in files:
        typer.echo(str(path))


@app.command()
def attach(
    digest: DigestArgument,
    documents: DocumentsOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep the cards with the package, when a fact has changed since they were kept last; older ones stay.

    `affiant card sync` does it for every package that has cards.

    Exit codes: 0 kept, or nothing has changed; 1 the store does not have it, or a byte is wrong; 2 wrong usage,
    settings or documents; 3 the log or the store does not answer.

    Example: affiant card attach sha256:5e66a605fa8c --documents documents.yaml
    """
    from registry.cards.keep import keep
    from registry.stores import configured_store

    loaded = load(config)
    whole = digest_of(configured_store(loaded), digest)
    facts, cards = _cards(loaded, whole, documents)
    kept = _attachments(loaded)
    done = keep(kept, kept.attached(whole), facts, cards, time.time())
    if as_json:
        told = {"digest": whole, "attached": done.attached, "changed": done.changed, "facts": facts.digest}
        typer.echo(json_text(told))
        return
    typer.echo(
        f"{done.attached}: {'kept with' if done.changed else 'nothing has changed; already kept with'} {whole}"
    )


@app.command()
def sync(
    config: ConfigOption = None,
    every: EveryOption = None,
    touch: TouchOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rewrite the cards of every package that has some, where a fact has changed since they were kept last.

    For cron and pipelines, or with --every beside the gateway: gates, approvals, revocations and deployments are signed
    without waiting for cards. What people wrote counts on as it was attached last; older cards stay; a package without
    cards gets none. With --every it outlives a log or a store that is away, and says so.

    Exit codes: 0 the cards say what is so, or --every was told to end; 1 a package or its cards are wrong: the others
    were rewritten; 2 wrong settings; 3 the log or the store does not answer.

    Example: affiant card sync --every 60
    """
    repeat(lambda: _sync(config, as_json), every, touch)


def _sync(config: Path | None, as_json: bool) -> None:
    """Once."""
    from registry.cards.keep import sync as rewrite
    from registry.settings import GovernanceSettings
    from registry.stores import configured_store

    loaded = load(config)
    governed = loaded.section("governance", GovernanceSettings).root is not None
    board = board_of(loaded) if governed else None
    with _bar("looking at cards") as begin:
        done = rewrite(configured_store(loaded), _attachments(loaded), board, time.time, begin)
    changed, wrong = [each for each in done if each.changed], [each for each in done if each.problem]
    if as_json:
        typer.echo(json_text({"changed": len(changed), "cards": [asdict(each) for each in done]}))
    else:
        for each in changed:
            typer.echo(f"{each.attached}: kept with {each.digest}")
        typer.echo(f"{counted(len(done) - len(wrong), 'package')} with cards; {len(changed)} rewritten")
    for each in wrong:
        typer.echo(printable(f"WRONG  package {each.digest}: {each.problem}"), err=True)
    if wrong:
        raise typer.Exit(WRONG)


@app.command("list")
def list_(digest: DigestArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the cards that are kept with a package, newest first.

    Exit codes: 0 listed; 1 the store does not have it, or a byte is wrong; 2 wrong usage or settings; 3 the store does
    not answer.

    Example: affiant card list sha256:5e66a605fa8c
    """
    from registry.stores import configured_store

    loaded = load(config)
    whole = digest_of(configured_store(loaded), digest)
    found = _attachments(loaded).attached(whole)
    if as_json:
        told = [
            {"attached": each.digest, "made": each.made, "facts": each.facts, "files": list(each.files)}
            for each in found
        ]
        typer.echo(json_text({"digest": whole, "cards": told}))
        return
    if not found:
        typer.echo("no cards are kept with it; `affiant card attach` keeps them")
        return
    grid = table("made", "attached", "facts")
    for each in found:
        grid.add_row(cell(day(each.made)), cell(each.digest), cell(each.facts))
    screen().print(grid)


@app.command()
def template() -> None:
    """Print a documents.yaml in which nothing is filled in, each field with what it asks.

    Exit code: 0.

    Example: affiant card template > documents.yaml
    """
    from registry.cards.fields import template as text

    typer.echo(text(), nl=False)


@app.command()
def schema() -> None:
    """Print the JSON schema of documents.yaml, for editors.

    Exit code: 0.

    Example: affiant card schema > documents.schema.json
    """
    from registry.cards.fields import schema as made

    typer.echo(json.dumps(made(), indent=2, ensure_ascii=False))


def _cards(loaded: Config, digest: str, documents: Path | None) -> tuple[Facts, Mapping[str, bytes]]:
    """The facts of a package now, and its cards."""
    from registry.cards.cards import render as made
    from registry.cards.facts import facts_of
    from registry.lineage.publisher import publisher_of
    from registry.settings import GovernanceSettings
    from registry.stores import configured_store

    package = configured_store(loaded).pull(digest)
    governed = loaded.section("governance", GovernanceSettings).root is not None
    board = board_of(loaded) if governed else None
    now, publisher = time.time(), publisher_of(package)
    facts = facts_of(package, board, _documents(loaded, digest, documents), now=now, publisher=publisher)
    return facts, made(facts, now=now, publisher=publisher)


def _documents(loaded: Config, digest: str, path: Path | None) -> Documents | None:
    """Those that are given, else those that were attached last."""
    from registry.cards.documents import load_documents
    from registry.cards.keep import documents_of

    if path is not None:
        return load_documents(path)
    kept = _attachments(loaded)
    return documents_of(kept, kept.attached(digest))


def _attachments(loaded: Config) -> Attachments:
    from registry.cards.attached import configured_attachments

    return configured_attachments(loaded)
