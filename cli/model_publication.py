"""`affiant model sign-publication`: who published a package says so by signature, in the governance log."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audit.config import Config, load

from .approvals_open import (
    KeyOption,
    RationaleOption,
    YesOption,
    append,
    board_of,
    confirm,
    digest_of,
    publisher_in,
    signer_of,
    text_of,
    warn,
)
from .errors import WRONG
from .lineage_open import board_about
from .model_options import DigestArgument, JsonOption
from .options import ConfigOption
from .text import printable

if TYPE_CHECKING:
    from registry.approvals.keys import KeySigner

PublisherKeyOption = Annotated[
    Path | None,
    typer.Option(
        "--key",
        help="Sign, with this key file of the role publish, that you published it: into the governance log.",
        show_default=False,
    ),
]
DEFAULT_RATIONALE = "published by `affiant model publish`"


def sign_publication(
    digest: DigestArgument,
    rationale: RationaleOption,
    key: KeyOption,
    yes: YesOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say by signature that you published a package: for one that was published elsewhere, such as from Python.

    Who and when then stand in the governance log, signed, and not in the package's own lineage alone. A policy may ask
    for it (`signed_publication`); whoever says so may not approve the package. `affiant model publish --key` does it at
    once.

    Exit codes: 0 signed; 1 it would not count, or the store does not have the package; 2 wrong usage, settings or key;
    3 the log or the store does not answer.

    Example: affiant model sign-publication sha256:5e66a605fa8c --rationale "release 7" --key pipeline.key
    """
    from registry.stores import configured_store

    loaded = load(config)
    store = configured_store(loaded)
    whole = digest_of(store, digest)
    reason = text_of(rationale)
    signer = publisher_of(loaded, key)
    stored, publisher = publisher_in(store, whole)
    if not stored:
        _refuse("the store does not have the package; nobody can have published it there")
    if not as_json:
        typer.echo(
            f"{whole}, published by {printable(publisher or 'nobody that is known')} as it says itself"
        )
    confirm(f"Sign with {key} that you published it?", yes=yes)
    offset = said(loaded, signer, whole, reason)
    if as_json:
        typer.echo(json.dumps({"signed": True, "digest": whole, "offset": offset}))
    else:
        typer.echo(f"signed, at offset {offset} of the governance log")


def publisher_of(loaded: Config, key: Path) -> KeySigner:
    """The signer, whose word would count; asked before anything is made.

    Raises:
        typer.Exit: 1: the key has not the role.
        ConfigError, KeyRefused, NotAdmitted, LogUnavailable: see `board_of` and `signer_of`.
    """
    from registry.lineage.publication import refusal

    signer, board = signer_of(key), board_of(loaded, create=True)
    if (why := refusal(board.roots, signer.id, board.end)) is not None:
        _refuse(why)
    return signer


def said(loaded: Config, signer: KeySigner, digest: str, rationale: str) -> int | None:
    """Append the statement; where it stands. None, and a warning: it is not found again."""
    from registry.lineage.publication import encode_publication

    with board_about(loaded, digest) as board:
        end = board.end
    body = encode_publication(digest, round(time.time(), 3), rationale, end)
    append(loaded, signer, [body])
    with board_about(loaded, digest) as board:
        found = next((each.offset for each in reversed(board.about(digest)) if each.raw == body), None)
    if found is None:
        warn("what was signed is not in the governance log")
    return found


def _refuse(why: str) -> None:
    typer.echo(f"refused: {printable(why)}", err=True)
    raise typer.Exit(WRONG)
