"""`affiant payload-keys`: what payloads are encrypted with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from audit.config import Config, load
from audit.errors import ConfigError
from audit.payload_keys import EncryptionSettings, add_key, configured_keyring, read_lines

from .options import ConfigOption

app = typer.Typer(
    no_args_is_help=True,
    help="Keys that payloads are encrypted with, in the journal, the log and the archive.\n\n"
    "Example: affiant payload-keys new",
)

JsonOption = Annotated[bool, typer.Option("--json", help="As JSON; without the keys themselves.")]


@app.command()
def new(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Add a key to the file of [encryption] keys_file, which is made when absent. It is written with from now on.

    A running gateway follows within a second; monitors and auditors that have their own copy of the file need the new
    one first. Earlier keys stay: what they hid is read with them. Keep a copy: without its key nobody reads a payload.

    Exit codes: 0 added; 2 there is no keys_file, or it is not what it should be.

    Example: affiant payload-keys new
    """
    path = _file(load(config))
    name = add_key(path)
    typer.echo(
        json.dumps({"id": name, "file": str(path)}) if as_json else f"payload key {name} is added to {path}"
    )


@app.command("list")
def list_(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Print the ids of all keys, and when they were made; the last one is written with.

    Exit codes: 0 printed; 2 there are none, or they cannot be had.

    Example: affiant payload-keys list
    """
    loaded = load(config)
    settings = loaded.section("encryption", EncryptionSettings)
    if settings.keys_command:
        keyring = configured_keyring(loaded)
        assert keyring is not None
        told = [{"id": name.hex(), "created": None} for name in keyring.all.keys]
    else:
        told = [{"id": line.id, "created": line.created.isoformat()} for line in read_lines(_file(loaded))]
    if as_json:
        typer.echo(json.dumps({"keys": told, "newest": told[-1]["id"]}, indent=2))
        return
    for each in told:
        typer.echo(f"{each['id']}  {each['created'] or ''}".rstrip())


def _file(config: Config) -> Path:
    settings = config.section("encryption", EncryptionSettings)
    if settings.keys_file is None:
        raise ConfigError(
            f'{config.path.name}: set [encryption] keys_file = "payload-keys.json" first'
            if not settings.keys_command
            else "[encryption] keys_command says where keys come from: they are made there"
        )
    return config.resolve(settings.keys_file)
