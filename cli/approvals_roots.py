"""Roots: the first one, those that follow, their signatures, and their way into the governance log."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audit.config import load
from audit.errors import AuditError, ConfigError
from audit.files import replace_file, write_once

from .approvals_open import JsonOption, KeyOption, YesOption, append, board_of, confirm, signer_of, warn
from .approvals_show import changes_table, people_table, roles_table, screen
from .errors import WRONG
from .options import ConfigOption

if TYPE_CHECKING:
    from registry.approvals.root import Root, RootModel

RootArgument = Annotated[Path, typer.Argument(help="A root file, or a draft of one.")]
OutArgument = Annotated[Path, typer.Argument(help="The draft that is written; nothing is overwritten.")]
RolesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        help="NAME=PERSON,PERSON… or NAME=N:PERSON,… when N people must sign; repeat it.",
        show_default=False,
    ),
]
KeysOption = Annotated[
    list[Path] | None,
    typer.Option("--key", help="A public key file (.pub) of a person; repeat it.", show_default=False),
]


def init(
    out: OutArgument, key: KeysOption = None, role: RolesOption = None, as_json: JsonOption = False
) -> None:
    """Write a draft of the first root from people's public keys and their roles. Nothing counts before it is signed.

    `root` (who signs roots), `policy` (who brings the first policy) and `gates` (the pipeline's key) are needed beside
    the roles that your policy names.

    Exit codes: 0 written; 1 not a root that may be; 2 wrong usage.

    Example: affiant roles init root.json --key ann.key.pub --role root=ann
    """
    from registry.approvals.draft import first_root
    from registry.approvals.keys import read_public

    made = first_root([read_public(each) for each in key or ()], _roles(role or ()))
    _write_draft(out, made, as_json=as_json)


def edit(
    root: RootArgument,
    out: OutArgument,
    add_key: Annotated[
        list[Path] | None,
        typer.Option(
            help="A public key file; of somebody who is there, it joins their roles.", show_default=False
        ),
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option(help="A person, or a key id: what they signed counts no more.", show_default=False),
    ] = None,
    role: RolesOption = None,
    drop_role: Annotated[list[str] | None, typer.Option(help="A role that goes.", show_default=False)] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a draft of the root that follows: other people, other roles. ROOT is the newest one, signed.

    Exit codes: 0 written; 1 not a root that may be; 2 wrong usage.

    Example: affiant roles edit root.json root2.json --remove dan --role legal=eve
    """
    from registry.approvals.draft import next_root
    from registry.approvals.keys import read_public

    made = next_root(
        signed_root(root),
        add=[read_public(each) for each in add_key or ()],
        remove=remove or (),
        roles=_roles(role or ()),
        drop=drop_role or (),
    )
    _write_draft(out, made, as_json=as_json)


def rotate(
    root: RootArgument,
    out: OutArgument,
    new: Annotated[Path, typer.Option(help="The public key file of the new key.", show_default=False)],
    old: Annotated[
        list[str] | None,
        typer.Option(
            help="A key id (or its beginning); else every key that the person has now.", show_default=False
        ),
    ] = None,
    until: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="What the old key signed before this offset of the log counts; the log's end now when not given.",
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a draft of the root that follows, in which a person's new key takes the place of the old one.

    What the old key signed goes on counting; it signs nothing more. For a key that somebody else may have, `edit
    --remove` it: then nothing that it ever signed counts.

    Exit codes: 0 written; 1 not a root that may be; 2 wrong usage; 3 the log does not answer.

    Example: affiant roles rotate root.json root2.json --new ann-2027.key.pub
    """
    from registry.approvals.draft import rotated
    from registry.approvals.keys import read_public

    before = signed_root(root)
    end = board_of(load(config)).end if until is None else until
    _write_draft(out, rotated(before, old or (), read_public(new), end), as_json=as_json)


def sign(
    root: Annotated[Path, typer.Argument(help="A draft, or a root that others have signed; it is replaced.")],
    key: KeyOption,
    previous: Annotated[
        Path | None,
        typer.Option(help="The root before it, to show what changes; else the one in force.", exists=True),
    ] = None,
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a root and what it changes of the one before it, and add your signature to its file.

    Exit codes: 0 signed; 1 not a root; 2 wrong usage, or a key that has no role `root` in it.

    Example: affiant roles sign root.json --key ann.key
    """
    from registry.approvals.draft import content_of, read_root_file
    from registry.approvals.root import ROOT_ROLE, Root, add_signature, sign_root

    found = read_root_file(root)
    content = content_of(found)
    signer = signer_of(key)
    own = content.keys.get(signer.id)
    if own is None or signer.id not in content.roles[ROOT_ROLE].keys:
        if content.version == 1:
            raise ConfigError(
                f"the key {signer.id[:16]}… has not the role root in {root}: its signature would not count"
            )
        # Who leaves signs the root without them, since the root before wants their word.
        warn(f"{signer.id[:16]}… has the role root only in the root before this one, if at all")
    if not as_json:
        print_root(content, found.signers(found) if isinstance(found, Root) else set())
        _print_changes(content, previous, config)
    confirm(f"Sign this root with {key}?", yes=yes)
    made = add_signature(found, signer) if isinstance(found, Root) else sign_root(content, [signer])
    replace_file(root, made.envelope.encode() + b"\n")
    there, wanted = len(made.signers(made)), content.roles[ROOT_ROLE].threshold
    if as_json:
        typer.echo(
            json.dumps({"digest": made.digest, "version": made.version, "signed": there, "wanted": wanted})
        )
        return
    typer.echo(
        f"{made.digest}\nversion {made.version}: signed by {there} of the {wanted} people that it wants itself"
    )


def publish(
    root: Annotated[Path, typer.Argument(help="A complete root, of version 2 or later.")],
    key: KeyOption,
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a later root into the governance log: from there on it is in force, for every gateway.

    It brings its own signatures; the key says who put it there. A first root is not published: gateways are given its
    file ([governance] root).

    Exit codes: 0 published; 1 it does not follow the one in force; 2 wrong usage, settings or key; 3 the log does not
    answer.

    Example: affiant roles publish root2.json --key ann.key
    """
    from registry.approvals.root import root_predicate
    from registry.statement import ROOT, encode

    loaded = load(config)
    found, board = signed_root(root), board_of(loaded, create=True)
    if found.version == 1:
        raise ConfigError("a first root is not published: its file is what [governance] root names")
    found.check(board.roots.now)
    signer = signer_of(key)
    if not as_json:
        print_root(found.content, found.signers(found))
    confirm("Put this root into force?", yes=yes)
    predicate = root_predicate(found) | {"at": round(time.time(), 3)}
    append(loaded, signer, [encode(found.digest, ROOT, predicate)])
    board = board_of(loaded)
    offset = next((at for at, each in board.roots.chain if each.digest == found.digest), None)
    if as_json:
        typer.echo(json.dumps({"digest": found.digest, "version": found.version, "offset": offset}))
    elif offset is not None:
        typer.echo(f"{found.digest}\nversion {found.version} is in force from offset {offset}")
    if offset is None:
        typer.echo("another root was faster: this one is in the log and not in force", err=True)
        raise typer.Exit(WRONG)


def _print_changes(content: RootModel, previous: Path | None, config: Path | None) -> None:
    """Against the root before; where nobody can say which that is, that is said."""
    from audit.proof.errors import FormatError, NotProved
    from registry.approvals.changes import root_changes
    from registry.errors import RegistryError

    if content.version == 1:
        return
    try:
        before = signed_root(previous) if previous is not None else board_of(load(config)).roots.now
    except (AuditError, RegistryError, FormatError, NotProved) as error:
        warn(f"what it changes is not shown (give --previous): {error}")
        return
    if before.digest != content.previous:
        warn(f"it does not follow version {before.version} ({before.digest}), with which it is compared here")
    screen().print(changes_table(root_changes(before.content, content)))


def _roles(options: Sequence[str]) -> dict[str, tuple[list[str], int]]:
    found: dict[str, tuple[list[str], int]] = {}
    for text in options:
        name, equals, rest = text.partition("=")
        count, colon, people = rest.partition(":")
        if not colon:
            count, people = "1", rest
        named = [each.strip() for each in people.split(",") if each.strip()]
        if not name or not equals or not count.isdecimal() or not named:
            raise typer.BadParameter(f"{text!r}: want NAME=PERSON,… or NAME=N:PERSON,…", param_hint="--role")
        if name in found:
            raise typer.BadParameter(f"{name} is there twice", param_hint="--role")
        found[name] = named, int(count)
    return found


def _write_draft(out: Path, made: RootModel, *, as_json: bool) -> None:
    from registry.approvals.draft import encode_draft

    if not write_once(out, encode_draft(made)):
        raise ConfigError(f"{out} is there already, and is not overwritten")
    if as_json:
        told: dict[str, Any] = {"file": str(out), "draft": True, **made.model_dump()}
        typer.echo(json.dumps(told, ensure_ascii=True))
        return
    print_root(made, set())
    typer.echo(f"\n{out} is a draft of version {made.version}; next: `affiant roles sign {out} --key …`")


def signed_root(path: Path) -> Root:
    """A root file with signatures. Raises ConfigError: it is a draft."""
    from registry.approvals.draft import read_root_file
    from registry.approvals.root import Root

    found = read_root_file(path)
    if not isinstance(found, Root):
        raise ConfigError(f"{path} is a draft: nobody has signed it yet")
    return found


def print_root(content: RootModel, signed: Iterable[str] = ()) -> None:
    """People and roles. `signed`: whose signatures on it hold."""
    out = screen()
    out.print(people_table(content, signed))
    out.print()
    out.print(roles_table(content))
