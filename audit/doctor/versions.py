"""Python, and the libraries that are installed: of what is asked for, and of what was locked."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from audit.errors import ConfigError

from .base import Finding, Looked, Outcome

NAME: Final = "affiant"
_PIN: Final = re.compile(
    r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)\s*(?:;\s*([^\\]+?))?\s*\\?$"
)
_INSTALL: Final = (
    "install the locked requirements of the component again: pip install --require-hashes -r requirements/…"
)


def python() -> str:
    """This Python's version."""
    return ".".join(map(str, sys.version_info[:3]))


@cache
def installed() -> Mapping[str, str]:
    """Name → version of every library that this Python finds; of two of one name, the one that is imported."""
    found: dict[str, str] = {}
    for each in metadata.distributions():
        name = each.metadata["Name"]
        if name:
            found.setdefault(canonicalize_name(name), each.version)
    return MappingProxyType(found)


def look(
    there: Mapping[str, str],
    wanted: list[str],
    python: str,
    pythons: str,
) -> Iterator[Outcome]:
    """Whether what is there is of the versions that are asked for.

    Args:
        there: see `installed`.
        wanted: requirements, as the metadata has them; those of an extra are only held against what is there.
        python: this Python's version.
        pythons: what Affiant runs on, such as >=3.11,<3.14.
    """
    yield Looked("Python", python)
    if not SpecifierSet(pythons).contains(python, prereleases=True):
        remedy = "make the environment with one of them"
        yield Finding("python-version", sys.executable, f"Python is {python}, wanted {pythons}", remedy)
    yield Looked(NAME, there.get(NAME, "not installed: run from its source"))
    for text in wanted:
        each = Requirement(text)
        base = each.marker is None or each.marker.evaluate({"extra": ""})
        name = canonicalize_name(each.name)
        found = there.get(name)
        if found is None:
            if base:
                yield Finding(
                    "library-version", each.name, f"is not installed, wanted {each.specifier}", _INSTALL
                )
        elif name != NAME and not each.specifier.contains(found, prereleases=True):
            # An extra that is not installed asks for nothing; whose this one is cannot be told.
            yield Finding(
                "library-version", each.name, f"is {found}, wanted {each.specifier}", _INSTALL, grave=base
            )


def asked_for() -> tuple[list[str], str]:
    """The requirements of the installed package, and the Pythons that it runs on; nothing where it is not installed."""
    try:
        own = metadata.distribution(NAME)
    except metadata.PackageNotFoundError:
        return [], ">=3.11"
    return list(own.requires or ()), own.metadata["Requires-Python"] or ">=3.11"


def pins(file: Path) -> dict[str, str]:
    """Name → version that a file of locked requirements holds on this machine.

    Raises:
        ConfigError: not to be read, or without any.
    """
    found: dict[str, str] = {}
    try:
        for line in file.read_text().splitlines():
            pin = _PIN.match(line)
            if pin is None:
                continue
            if pin[3] is None or Requirement(f"x; {pin[3]}").marker.evaluate():  # type: ignore[union-attr]
                found[canonicalize_name(pin[1])] = pin[2]
    except (OSError, UnicodeDecodeError, InvalidRequirement) as error:
        raise ConfigError(f"--requirements {file}: cannot be read: {error}") from error
    if not found:
        raise ConfigError(f"--requirements {file}: holds no locked requirement (name==version)")
    return found


def look_locked(there: Mapping[str, str], file: Path) -> Iterator[Outcome]:
    """Whether what is there is exactly what was locked.

    Raises:
        ConfigError: see `pins`.
    """
    locked = pins(file)
    for name, version in locked.items():
        if there.get(name) != version:
            what = f"is {there[name]}" if name in there else "is not installed"
            yield Finding("library-not-locked", name, f"{what}, and {file} says {version}", _INSTALL)
    yield Looked("locked requirements", f"{len(locked)} of {file}")
