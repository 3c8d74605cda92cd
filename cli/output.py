"""A file that a command writes: nothing is overwritten unless that was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audit.errors import ConfigError
from audit.files import replace_file, write_once

ForceOption = Annotated[bool, typer.Option("--force", help="Replace the file when it is there already.")]


def check_output(path: Path, *, force: bool) -> None:
    """Whether the file may be written, asked before the work is done for it.

    Raises:
        ConfigError: it is there and is not to be replaced, is a folder, or has no folder to lie in.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        raise ConfigError(f"cannot write {path}: there is no folder {folder}")
    if path.is_dir():
        raise ConfigError(f"cannot write {path}: it is a folder, and a file's name is wanted")
    if path.exists() and not force:
        raise already_there(path)


def already_there(path: Path) -> ConfigError:
    """What is said of a file that is there."""
    return ConfigError(f"{path} is there already, and was left as it is; --force replaces it")


def write_output(path: Path, content: bytes, *, force: bool, mode: int = 0o644) -> None:
    """Write the whole file, or nothing. A file that came since `check_output` is left as it is, too.

    `mode`: 0o600 where people's payloads are in it.

    Raises:
        ConfigError: it cannot be written; the message says why.
    """
    try:
        if force:
            replace_file(path.absolute(), content, mode)
        elif not write_once(path.absolute(), content, mode):
            raise already_there(path)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}") from error
