"""`affiant erase`: payloads of single records, erased on request, after a signed statement."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from audit.config import Config, load
from audit.errors import ConfigError

from .approvals_open import signer_of, text_of
from .audit_open import IndexOption
from .audit_open import opened as records_of
from .erase_shown import elsewhere, tell
from .errors import WRONG
from .options import ConfigOption
from .record_ids import record_id_given
from .retention import bar

if TYPE_CHECKING:
    from audit.erasure.plan import Looked
    from registry.approvals.keys import KeySigner

    from .erase_open import House

_PSEUDONYM: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
app = typer.Typer(invoke_without_command=True)

JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.callback()
def erase(  # noqa: PLR0917 — one parameter an option
    context: typer.Context,
    record: Annotated[list[str] | None, typer.Option(help="A record id; may be repeated.")] = None,
    subject: Annotated[
        list[str] | None,
        typer.Option(
            help="A subject's pseudonym, hex (`affiant subjects pseudonym`); may be repeated. A person has one for "
            "each key."
        ),
    ] = None,
    person: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Ids of persons as clients send them, one a line: all their pseudonyms. Ids are not printed.",
            show_default=False,
        ),
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option(
            "--reason", "-m",
            help="Why, as text, or the name of a text file. It is signed and kept for ever: nobody's name in it.",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option("--key", help="Your key file, or the .pub file of a key that a URI names.", show_default=False),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do it. Without it, nothing is changed: what would be done is shown.")
    ] = False,
    despite_minimum: Annotated[
        bool,
        typer.Option(
            "--despite-minimum", help="Also what is younger than [retention] payload_min_days; the statement says so."
        ),
    ] = False,
    index: IndexOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Erase the payloads of records: what was asked and answered, and labels of it. Entries and proofs stay.

    Without --yes nothing is changed: it is shown what would be erased, and where copies stay. With it, a statement
    signed with --key goes to the governance log first; then the archive's payload files are written again without
    those payloads, and large ones removed from the object store. The key needs the role `erasure`, where the settings
    name a root. Answers of shadows to the same request, and labels that name one of the records, go too.

    What the log itself still has, or a bucket's versions, is named, and stays: exit code 1, and `affiant erase
    complete` later on.

    Exit codes: 0 nothing of it is anywhere that can be looked at (or, without --yes, shown); 1 some of it stays, or the
    key may not, or there is no such record; 2 wrong usage or settings; 3 a store or log does not answer: begin again,
    nothing is lost.

    Example: affiant erase --record 9f86d081884c7d659a2feaa0c55ad015-42 --reason "request 17" --key dan.key --yes
    """
    if context.invoked_subcommand is not None:
        return
    names, subjects = [record_id_given(each) for each in record or []], _pseudonyms(subject or [])
    loaded = load(config)
    if yes and (reason is None or key is None):
        raise ConfigError("--yes needs --reason and --key: an erasure is signed, and says why")
    if person is not None:
        from .erase_select import pseudonyms

        subjects += pseudonyms(loaded, person)
    if not names and not subjects:
        raise ConfigError(
            "say which records: --record, --subject or --person; `affiant erase show` tells of what was"
        )
    from .erase_open import house
    from .erase_select import select

    with records_of(config, index) as records:
        selected = select(records, list(dict.fromkeys(subjects)), names)
    with house(loaded) as found, bar("looking for payloads") as progress:
        looked = found.look(selected.wanted(), progress, minimum=not despite_minimum)
    erased: list[Looked] = []
    versions: list[str] = []
    if yes:
        assert key is not None
        assert reason is not None
        why, signer = text_of(reason, "--reason"), signer_of(key)
        with house(loaded) as found:
            erased = _erase(found, looked, signer, why, despite_minimum=despite_minimum)
            versions = found.versions() if any(each.reached for each in erased) else []
        with house(loaded) as found, bar("looking again") as progress:
            looked = found.look(selected.wanted(), progress, minimum=not despite_minimum)
    wrong = [
        *selected.wrong,
        *selected.doubtful,
        *(f"{each}: what was erased stays behind as a version" for each in versions),
    ]
    tell(looked, selected.why, erased, wrong, elsewhere(loaded), as_json=as_json, done=yes)
    if yes and (wrong or any(each.places for each in looked)):
        raise typer.Exit(WRONG)


@app.command()
def show(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show what signed statements say is erased, and whether it is there all the same.

    Nothing is changed. Exit codes: 0 none of it is anywhere that can be looked at; 1 some of it is; 2 wrong settings;
    3 a store or log does not answer.

    Example: affiant erase show
    """
    looked = _told(load(config), erase_them=False)
    tell(looked, {}, [], [], [], as_json=as_json, done=True)
    if any(each.places for each in looked):
        raise typer.Exit(WRONG)


@app.command()
def complete(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Erase what signed statements say is erased, and what is there all the same.

    For what a crash left, what was not archived yet, and what a restored backup brought back. Nothing new is said, so
    no key is needed: the right to write in the stores is enough.

    Exit codes: as `affiant erase show`.

    Example: affiant erase complete
    """
    loaded = load(config)
    erased = _told(loaded, erase_them=True)
    looked = _told(loaded, erase_them=False)
    tell(looked, {}, [each for each in erased if each.reached], [], [], as_json=as_json, done=True)
    if any(each.places for each in looked):
        raise typer.Exit(WRONG)


def _told(config: Config, *, erase_them: bool) -> list[Looked]:
    """What statements tell of, as it is, or was before it was erased."""
    from .erase_open import house

    with house(config) as found:
        with bar("looking for payloads") as progress:
            looked = found.look(found.told(), progress, minimum=False)
        if erase_them:
            with bar("erasing") as progress:
                found.erase(looked, progress)
    return looked


def _erase(
    found: House, looked: list[Looked], signer: KeySigner, why: str, *, despite_minimum: bool
) -> list[Looked]:
    """Say it, then do it: a crash leaves payloads that are told of and there, which the next run takes again."""
    from audit.erasure.plan import State
    from registry.erasure import ERASE_ROLE

    person = found.base.person(signer.id, ERASE_ROLE)
    if person is None:
        typer.echo(f"refused: the key {signer.id[:16]}… has not the role {ERASE_ROLE}", err=True)
        raise typer.Exit(WRONG)
    due = [each for each in looked if each.state is State.DUE]
    new = [each for each in due if each.told is None]
    if new:
        found.say(new, signer, person, why, despite_minimum=despite_minimum)
    with bar("erasing") as progress:
        found.erase(due, progress)
    return due


def _pseudonyms(given: Sequence[str]) -> list[str]:
    for each in given:
        if not _PSEUDONYM.fullmatch(each):
            raise ConfigError(
                f"--subject {each[:80]!r}: wanted a pseudonym, 32 hex digits (see `affiant subjects`), or --person"
            )
    return list(dict.fromkeys(given))
