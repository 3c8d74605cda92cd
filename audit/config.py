"""Reading `affiant.toml`: unknown settings are refused with a suggestion."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import ConfigError

DEFAULT_FILE: Final = "affiant.toml"
ENVIRONMENT: Final = "AFFIANT_CONFIG"
MAX_FILE: Final = 1 << 20

# Every table that some component reads; `plan` is an array of tables.
TABLES: Final = (
    "data",
    "gateway",
    "plan",
    "journal",
    "log",
    "sidecar",
    "fluentd",
    "encryption",
    "notary",
    "retention",
    "monitor",
    "controller",
    "alerts",
    "store",
    "governance",
    "telemetry",
)


class Section(BaseModel):
    """Base of every table's model. Fields are documented where they stand, in the attribute docstrings."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class DataSettings(Section):
    """[data]: where this machine keeps journals, bookkeeping, the local log and the layout store."""

    directory: Path = Path("affiant-data")
    """A directory that survives the process; relative to the settings file."""


S = TypeVar("S", bound=Section)


@dataclass(frozen=True, slots=True)
class Config:
    """A parsed settings file. `path` is absolute; `tables` is the raw content."""

    path: Path
    tables: Mapping[str, Any]

    def section(self, name: str, model: type[S]) -> S:
        """The table `name` as `model`; an absent table gives the defaults.

        Raises:
            ConfigError: names the key, what is wrong, and the nearest key that exists.
        """
        table = self.tables.get(name, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{self.path.name}: [{name}] must be a table")
        return validate(self.path.name, name, table, model)

    @property
    def data(self) -> Path:
        """The absolute data directory."""
        return self.resolve(self.section("data", DataSettings).directory)

    def resolve(self, path: Path) -> Path:
        """A path of the settings file, made absolute: relative ones are relative to the file."""
        return (self.path.parent / path.expanduser()).absolute()


def find() -> Path:
    """The settings file that the environment or the current directory names."""
    return Path(os.environ.get(ENVIRONMENT) or DEFAULT_FILE)


def load(path: Path | None = None) -> Config:
    """Read the settings file.

    Raises:
        ConfigError: absent, over 1 MiB, not TOML, or with a table that no component reads.
    """
    config = read(path)
    if unknown := unknown_tables(config):
        raise ConfigError("; ".join(unknown))
    return config


def read(path: Path | None = None) -> Config:
    """Read the settings file, whatever its tables are called: for who names every problem of it.

    Raises:
        ConfigError: absent, over 1 MiB, or not TOML.
    """
    path = (path or find()).absolute()
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}; `affiant init` writes a commented one"
        ) from error
    if len(raw) > MAX_FILE:
        raise ConfigError(f"{path} is over {MAX_FILE} bytes")
    try:
        tables = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    return Config(path, tables)


def unknown_tables(config: Config) -> list[str]:
    """Each table that no component reads, in a sentence."""
    return [
        f"{config.path.name}: unknown table [{name}]{suggest(name, TABLES)}"
        for name in config.tables
        if name not in TABLES
    ]


def validate(file: str, table: str, content: Mapping[str, Any], model: type[S]) -> S:
    """One table as its model, with errors that a person can act on."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False, include_input=False):
            key = ".".join(str(part) for part in problem["loc"])
            if problem["type"] == "extra_forbidden":
                lines.append(f"unknown setting {key!r}{suggest(key, tuple(model.model_fields))}")
            else:
                said = problem["msg"].removeprefix("Value error, ")  # pydantic's, before our own words
                lines.append(f"{key}: {said}" if key else said)
        raise ConfigError(f"{file}: [{table}] " + "; ".join(lines)) from error


def suggest(word: str, known: tuple[str, ...]) -> str:
    """`; did you mean 'x'?`, or the list of what there is."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(sorted(known))}"
