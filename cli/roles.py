"""`affiant roles`: keys of people, and the root that says who may say what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from audit.config import load

from .approvals_open import JsonOption, board_of, secret
from .approvals_roots import edit, init, print_root, rotate, signed_root, warn_of
from .approvals_roots_sign import merge, publish, sign
from .approvals_show import cell, root_told, screen, table
from .errors import WRONG
from .options import ConfigOption
from .text import printable

if TYPE_CHECKING:
    from registry.approvals.root import Root, RootModel

app = typer.Typer(
    no_args_is_help=True,
    help="Who may say what: keys of people, and the root file that gives them roles.\n\n"
    "Example: affiant roles keygen ann.key --person ann",
)

PersonOption = Annotated[
    str,
    typer.Option(
        help="Whose key it is: the name with which they publish models, so that publishers do not approve.",
        show_default=False,
    ),
]


@app.command()
def keygen(
    out: Annotated[Path, typer.Argument(help="The key's file; its public half goes beside it, with .pub.")],
    person: PersonOption,
    passphrase: Annotated[
        bool,
        typer.Option(help="Protect it by a passphrase: of AFFIANT_KEY_PASSPHRASE, else asked for."),
    ] = False,
    kind: Annotated[
        Literal["Ed25519", "P-256", "P-384"],
        typer.Option(help="Of the key; P-256 and P-384 where the rules of a house ask for ECDSA."),
    ] = "Ed25519",
    as_json: JsonOption = False,
) -> None:
    """Make a key that only its owner may read, and print its id. What is there already is left as it is.

    Exit codes: 0 made; 2 something is there, or the name cannot be one.

    Example: affiant roles keygen ann.key --person ann --passphrase
    """
    from registry.approvals.keys import generate

    made = generate(out, person, secret("passphrase for it") if passphrase else None, kind)
    if as_json:
        typer.echo(json.dumps({"id": made.id, **made.model_dump(), "file": str(out)}, ensure_ascii=True))
        return
    typer.echo(f"{made.id}\nthe key is in {out}; give {out}.pub to whoever makes the root")


@app.command("import")
def import_key(
    out: Annotated[Path, typer.Argument(help="The public key file that is written, such as ann.pub.")],
    person: PersonOption,
    uri: Annotated[
        str, typer.Option(help="Where the private half is, as securesystemslib says it.", show_default=False)
    ],
    public: Annotated[
        Path,
        typer.Option(help="The public half in PEM: Ed25519, P-256 or P-384.", exists=True, dir_okay=False),
    ],
    as_json: JsonOption = False,
) -> None:
    """Name a key that stays in a KMS or HSM: the file that this writes is what `--key` takes.

    Exit codes: 0 written; 2 something is there, a root does not take such a key, or the URI's scheme does not sign with
    it.

    Example: affiant roles import ann.pub --person ann --uri hsm:2?label=ann --public ann.pem
    """
    from registry.approvals.keys import import_public

    made = import_public(out, person, uri, public.read_bytes())
    if as_json:
        typer.echo(json.dumps({"id": made.id, **made.model_dump(), "file": str(out)}, ensure_ascii=True))
        return
    typer.echo(f"{made.id}\n{out} names it; nothing secret is in it")


for _command in (init, edit, rotate, sign, merge, publish):
    app.command()(_command)


@app.command()
def show(
    root: Annotated[
        Path | None, typer.Argument(help="A root file or a draft; the log's newest when not given.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show people, keys, roles and thresholds of a root file, or of the root that is in force and those before it.

    Exit codes: 0 shown; 1 not a root; 2 wrong usage or settings; 3 the log does not answer.

    Example: affiant roles show root.json
    """
    from registry.approvals.draft import content_of, read_root_file
    from registry.approvals.root import Root

    if root is not None:
        found = read_root_file(root)
        if as_json:
            told = root_told(found) if isinstance(found, Root) else {"draft": True, **found.model_dump()}
            typer.echo(json.dumps(told, indent=2, ensure_ascii=True))
            return
        typer.echo(_title(found))
        print_root(content_of(found), found.signers(found) if isinstance(found, Root) else set())
        return
    board = board_of(load(config))
    if as_json:
        chain = [root_told(each, None if offset < 0 else offset) for offset, each in board.roots.chain]
        typer.echo(json.dumps(chain, indent=2, ensure_ascii=True))
        return
    grid = table("version", "from offset", "digest")
    for offset, each in board.roots.chain:
        grid.add_row(cell(each.version), cell("first" if offset < 0 else offset), cell(each.digest))
    screen().print(grid)
    now = board.roots.now
    typer.echo("")
    print_root(now.content, now.signers(now))


@app.command()
def check(
    root: Annotated[Path, typer.Argument(help="A root file.")],
    previous: Annotated[
        Path | None,
        typer.Option(
            help="The root before it; else the one in force in the log, or none for version 1.", exists=True
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether a root is signed by enough people, of the root before it and of its own, and who is missing.

    Warned of: roles that it lacks (`policy`, `gates`), and what one person may do alone under it.

    Exit codes: 0 it may follow; 1 it may not, or is no root; 2 wrong usage or settings; 3 the log does not answer.

    Example: affiant roles check root2.json --previous root.json
    """
    found = signed_root(root)
    before = _before(found, previous, config)
    problem = _problem(found, before)
    warned = warn_of(found.content)
    signed = {
        f"version {each.version}": sorted(found.signers(each)) for each in (before, found) if each is not None
    }
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "digest": found.digest,
                    "version": found.version,
                    "holds": problem is None,
                    "problem": problem,
                    "signed_by": signed,
                    "warnings": warned,
                }
            )
        )
    else:
        typer.echo(_title(found))
        for name, people in signed.items():
            typer.echo(f"signed by, of the people of {name}: {printable(', '.join(people)) or 'nobody'}")
        typer.echo("it holds" if problem is None else printable(problem))
    if problem is not None:
        raise typer.Exit(WRONG)


def _before(found: Root, previous: Path | None, config: Path | None) -> Root | None:
    if previous is not None:
        return signed_root(previous)
    if found.version == 1:
        return None
    board = board_of(load(config))
    return next((each for _, each in board.roots.chain if each.version == found.version - 1), board.roots.now)


def _problem(found: Root, before: Root | None) -> str | None:
    from audit.proof.errors import NotProved

    try:
        found.check(before)
    except NotProved as error:
        return str(error)
    return None


def _title(found: Root | RootModel) -> str:
    from registry.approvals.root import Root

    if isinstance(found, Root):
        return f"{found.digest}, version {found.version}"
    return f"a draft of version {found.version}: nobody has signed it"
