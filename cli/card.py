"""`affiant card`: model card, data sheet and risk assessment of a package."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audit.config import Config, load

from .approvals_open import JsonOption, board_of, digest_of
from .approvals_show import cell, day, screen, table
from .model import DigestArgument
from .options import ConfigOption
from .output import ForceOption, check_output, write_output
from .text import json_text, printable

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

    Exit codes: 0 kept, or nothing has changed; 1 the store does not have it, or a byte is wrong; 2 wrong usage,
    settings or documents, or a store that keeps no attachments; 3 the log or the store does not answer.

    Example: affiant card attach sha256:5e66a605fa8c --documents documents.yaml
    """
    from registry.cards.attached import Attachment
    from registry.stores import configured_store

    loaded = load(config)
    whole = digest_of(configured_store(loaded), digest)
    facts, cards = _cards(loaded, whole, documents)
    kept = _attachments(loaded)
    before = kept.attached(whole)
    changed = not before or before[0].facts != facts.digest
    name = before[0].digest if before else ""
    if changed:
        files = {**cards, "facts.json": json.dumps(facts.told(), sort_keys=True).encode()}
        if facts.documents is not None:
            files["documents.yaml"] = facts.documents.raw
        name = kept.attach(Attachment(facts.package, facts.digest, time.time(), files))
    if as_json:
        typer.echo(json_text({"digest": whole, "attached": name, "changed": changed, "facts": facts.digest}))
        return
    typer.echo(f"{name}: {'kept with' if changed else 'nothing has changed; already kept with'} {whole}")


@app.command("list")
def list_(digest: DigestArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the cards that are kept with a package, newest first.

    Exit codes: 0 listed; 1 the store does not have it, or a byte is wrong; 2 wrong usage or settings, or a store that
    keeps no attachments; 3 the store does not answer.

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
    from registry.cards.attached import NoAttachments
    from registry.cards.documents import load_documents, parse_documents

    if path is not None:
        return load_documents(path)
    try:
        kept = _attachments(loaded)
    except NoAttachments:
        return None
    raw = next(
        (
            kept.fetch(each, "documents.yaml")
            for each in kept.attached(digest)[:1]
            if "documents.yaml" in each.files
        ),
        None,
    )
    return None if raw is None else parse_documents(raw, "the attached documents.yaml")


def _attachments(loaded: Config) -> Attachments:
    from registry.cards.attached import configured_attachments

    return configured_attachments(loaded)
