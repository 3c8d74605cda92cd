"""Drafts of roots: the first one, and those that follow."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audit.config import load
from audit.errors import ConfigError
from audit.files import write_once

from .approvals_open import JsonOption, board_of, warn
from .approvals_show import people_table, roles_table, screen
from .options import ConfigOption

if TYPE_CHECKING:
    from registry.approvals.root import Root, RootModel

RootArgument = Annotated[Path, typer.Argument(help="A root file, or a draft of one.")]
OutArgument = Annotated[Path, typer.Argument(help="The draft that is written; nothing is overwritten.")]
RolesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        help="NAME=PERSON,PERSON…; for root and policy NAME=N:PERSON,… when N people must sign. Repeat it.",
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
    the roles that your policy names. Without `root` it is none; a warning says what does not go without the others, and
    what one person may do alone. `roles edit` adds roles to a root that is signed already.

    Exit codes: 0 written; 1 not a root that may be; 2 wrong usage.

    Example: affiant roles init root.json --key ann.key.pub --key bob.key.pub --key pipeline.key.pub
    --role root=2:ann,bob --role policy=2:ann,bob --role gates=pipeline --role legal=ann --role compliance=bob
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


def _roles(options: Sequence[str]) -> dict[str, tuple[list[str], int]]:
    """Role → (people, how many must sign). Raises typer.BadParameter."""
    from registry.approvals.root import COUNTED

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
        if int(count) > 1 and name not in COUNTED:
            raise typer.BadParameter(
                f"{text!r}: a root says how many must sign for {' and '.join(COUNTED)} only; of other roles "
                "the policy says it (`approvals.roles`)",
                param_hint="--role",
            )
        found[name] = named, int(count)
    return found


def _write_draft(out: Path, made: RootModel, *, as_json: bool) -> None:
    from registry.approvals.draft import encode_draft

    if not write_once(out, encode_draft(made)):
        raise ConfigError(f"{out} is there already, and is not overwritten")
    warned = warn_of(made)
    if as_json:
        told: dict[str, Any] = {"file": str(out), "draft": True, **made.model_dump(), "warnings": warned}
        typer.echo(json.dumps(told, ensure_ascii=True))
        return
    print_root(made, set())
    typer.echo(f"\n{out} is a draft of version {made.version}; next: `affiant roles sign {out} --key …`")


def warn_of(root: RootModel, *, first_policy: bool | None = None) -> list[str]:
    """Warn of what a root lacks, and of what one person may do alone under it; the warnings, for JSON.

    `first_policy`: whether that is still to come; None, where nobody has read the log: of a first root it is.
    """
    from registry.approvals.alone import of_root

    found = list(of_root(root, first_policy=root.version == 1 if first_policy is None else first_policy))
    for each in found:
        warn(each)
    return found


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
