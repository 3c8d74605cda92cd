"""`affiant subjects`: pseudonyms of those whom requests are about."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from audit.config import load
from audit.errors import ConfigError
from audit.proof.errors import FormatError
from audit.proof.regular import read_regular
from audit.subjects import NoSubject, SubjectKeys, add_subject_key, read_subject_lines
from service.settings import GatewaySettings

from .options import ConfigOption

app = typer.Typer(
    no_args_is_help=True,
    help="Pseudonyms of those whom requests are about (`Affiant-Subject`).\n\n"
    "Example: affiant subjects pseudonym person.txt",
)

_MAX_IDS: Final = 16 << 20
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command("new-key")
def new_key(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Add a key to the file of [gateway] subject_keys_file, which is made when absent. It is written with from now on.

    A running gateway follows within a second; every gateway needs the same file, or a person has several pseudonyms.
    Earlier keys stay: what was recorded under them is found with them.

    Exit codes: 0 added; 2 there is no subject_keys_file, or it is not what it should be.

    Example: affiant subjects new-key
    """
    path = _file(config)
    count = add_subject_key(path)
    typer.echo(json.dumps({"file": str(path), "keys": count}) if as_json else f"{path} has a new key")


@app.command()
def pseudonym(
    ids: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="Ids as clients send them, one a line; the standard input, when not given.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell the pseudonyms of persons, for `affiant audit search --subject` and `bundle --subject`.

    Ids are read from a file or the standard input: a command line is for others to see, and is remembered. They are not
    printed. A person has one pseudonym for each key in the file; the newest comes first.

    Exit codes: 0 told; 2 there are no keys, or a line is no id.

    Example: affiant subjects pseudonym < person.txt
    """
    lines = read_subject_lines(_file(config))
    keys = SubjectKeys(tuple(bytes.fromhex(line.key) for line in lines))
    told = []
    for number, person in enumerate(read_ids(ids), start=1):
        try:
            found = keys.pseudonyms(person)
        except NoSubject as error:
            raise ConfigError(f"{ids or 'standard input'}: line {number}: {error}") from None
        for key, each in zip(reversed(lines), found, strict=True):
            told.append({"line": number, "pseudonym": each.hex(), "key_created": key.created.isoformat()})
    if as_json:
        typer.echo(json.dumps({"subjects": told}, indent=2))
        return
    for one in told:
        typer.echo(f"{one['pseudonym']}  line {one['line']}, key of {one['key_created']}")


def read_ids(path: Path | None) -> list[bytes]:
    """The lines, without the ends that editors and shells put behind them."""
    try:
        raw = sys.stdin.buffer.read(_MAX_IDS + 1) if path is None else read_regular(path, _MAX_IDS)
    except OSError as error:
        raise ConfigError(f"cannot read {path or 'the standard input'}: {error.strerror}") from error
    except FormatError as error:
        raise ConfigError(f"{path}: {error}") from error
    if len(raw) > _MAX_IDS:
        raise ConfigError(f"the standard input has more than {_MAX_IDS} bytes; give the ids in parts")
    lines = raw.splitlines()
    if not lines:
        raise ConfigError(f"{path or 'the standard input'}: no id is there")
    return lines


def _file(path: Path | None) -> Path:
    config = load(path)
    file = config.section("gateway", GatewaySettings).subject_keys_file
    if file is None:
        raise ConfigError(f'{config.path.name}: set [gateway] subject_keys_file = "subjects.json" first')
    return config.resolve(file)
