"""Roots that are signed: signatures, those of several copies, and the way into the governance log."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audit.config import load
from audit.errors import AuditError, ConfigError
from audit.files import replace_file

from .approvals_open import JsonOption, KeyOption, YesOption, append, board_of, confirm, signer_of, warn
from .approvals_roots import print_root, signed_root, warn_of
from .approvals_show import changes_table, screen
from .errors import WRONG
from .options import ConfigOption

if TYPE_CHECKING:
    from registry.approvals.root import Root, RootModel


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

    Warned of: roles that it lacks (`policy`, `gates`), and what one person may do alone under it.

    Exit codes: 0 signed; 1 not a root; 2 wrong usage, or a key that has no role `root` in it.

    Example: affiant roles sign root.json --key ann.key
    """
    from registry.approvals.draft import check_people, content_of, read_root_file
    from registry.approvals.root import ROOT_ROLE, Root, add_signature, sign_root

    found = read_root_file(root)
    content = content_of(found)
    check_people(content)
    signer = signer_of(key)
    own = content.keys.get(signer.id)
    if own is None or signer.id not in content.roles[ROOT_ROLE].keys:
        if content.version == 1:
            raise ConfigError(
                f"the key {signer.id[:16]}… has not the role root in {root}: its signature would not count"
            )
        # Who leaves signs the root without them, since the root before wants their word.
        warn(f"{signer.id[:16]}… has the role root only in the root before this one, if at all")
    warned = warn_of(content)
    if not as_json:
        print_root(content, found.signers(found) if isinstance(found, Root) else set())
        _print_changes(content, previous, config)
    confirm(f"Sign this root with {key}?", yes=yes)
    made = add_signature(found, signer) if isinstance(found, Root) else sign_root(content, [signer])
    replace_file(root, made.envelope.encode() + b"\n")
    _told(made, as_json=as_json, warned=warned)


def merge(
    root: Annotated[Path, typer.Argument(help="A signed root; it is replaced.")],
    copies: Annotated[list[Path], typer.Argument(help="Copies of it that others have signed.")],
    as_json: JsonOption = False,
) -> None:
    """Put the signatures of several copies of a root into one file: people sign on machines of their own.

    Exit codes: 0 merged; 1 a copy is another root; 2 wrong usage.

    Example: affiant roles merge root.json from-ann/root.json from-bob/root.json
    """
    from registry.approvals.root import merge_signatures

    made = merge_signatures(signed_root(root), map(signed_root, copies))
    replace_file(root, made.envelope.encode() + b"\n")
    _told(made, as_json=as_json, warned=warn_of(made.content))


def publish(
    root: Annotated[Path, typer.Argument(help="A complete root, of version 2 or later.")],
    key: KeyOption,
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a later root into the governance log: from there on it is in force, for every gateway.

    Rejections that it ends, since nobody of its people who has the role has said so, are named before. It brings its
    own signatures; the key says who put it there. A first root is not published: gateways are given its
    file ([governance] root). What one person may do alone under it is warned of.

    Exit codes: 0 published; 1 it does not follow the one in force; 2 wrong usage, settings or key; 3 the log does not
    answer.

    Example: affiant roles publish root2.json --key ann.key
    """
    from registry.approvals.lifted import lifted
    from registry.approvals.root import root_predicate
    from registry.statement import ROOT, encode

    loaded = load(config)
    found, board = signed_root(root), board_of(loaded, create=True)
    if found.version == 1:
        raise ConfigError("a first root is not published: its file is what [governance] root names")
    found.check(board.roots.now)
    signer = signer_of(key)
    ended = lifted(board, found)
    if not as_json:
        print_root(found.content, found.signers(found))
    for each in ended:
        warn(f"this root ends a rejection: {each}")
    warned = warn_of(found.content, first_policy=board.policy is None)
    confirm("Put this root into force?", yes=yes)
    predicate = root_predicate(found) | {"at": round(time.time(), 3)}
    append(loaded, signer, [encode(found.digest, ROOT, predicate)])
    board = board_of(loaded)
    offset = next((at for at, each in board.roots.chain if each.digest == found.digest), None)
    told = {
        "digest": found.digest,
        "version": found.version,
        "offset": offset,
        "rejections_ended": list(ended),
        "warnings": warned,
    }
    if as_json:
        typer.echo(json.dumps(told))
    elif offset is not None:
        typer.echo(f"{found.digest}\nversion {found.version} is in force from offset {offset}")
    if offset is None:
        typer.echo("another root was faster: this one is in the log and not in force", err=True)
        raise typer.Exit(WRONG)


def _told(made: Root, *, as_json: bool, warned: list[str]) -> None:
    from registry.approvals.root import ROOT_ROLE

    there, wanted = len(made.signers(made)), made.content.roles[ROOT_ROLE].threshold
    if as_json:
        told = {"digest": made.digest, "version": made.version, "signed": there, "wanted": wanted}
        typer.echo(json.dumps(told | {"warnings": warned}))
        return
    typer.echo(
        f"{made.digest}\nversion {made.version}: signed by {there} of the {wanted} people that it wants itself"
    )


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
