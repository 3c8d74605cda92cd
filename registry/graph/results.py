"""What the query layer answers with: frozen, and nothing of it is text for a terminal (cli.text.printable)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from registry.lineage.deprecation import Deprecation
from registry.lineage.versions import DataUse


@dataclass(frozen=True, slots=True)
class Place:
    """Where a package serves now, by the service's newest deployment event that counts."""

    service: str
    digest: str
    slot: str
    """live, canary or shadow."""
    weight: float
    """Share of the requests, 0 to 1."""
    offset: int | None
    """Of the event in the governance log; None: the settings' plan says so."""
    since: int | None
    """When the event was logged, ms since 1970 UTC."""
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Spoken:
    """One statement about a package. It is somebody's word when `holds` is True and `person` is not None."""

    offset: int
    logged: int
    """The log's time, ms since 1970 UTC. Not signed."""
    type: str
    """gates, approval, rejection, revocation, deployment, …"""
    service: str | None
    person: str | None
    """Whose key it was, by the root of that time; None: no root knows the key."""
    author: str
    """The key id, hex."""
    holds: bool | None
    """Whether the signature holds; None: the key is unknown."""
    void: str | None
    """Of a deployment: why it changed nothing. None: it counted, or nobody asked the root."""
    says: Mapping[str, Any]
    """The predicate, as it was signed."""


@dataclass(frozen=True, slots=True)
class Data:
    """A data set that a package was made of, and whether that version is deprecated."""

    use: DataUse
    deprecated: Deprecation | None


@dataclass(frozen=True, slots=True)
class PackageLineage:
    """A package: what it came from, what was said of it, where it serves."""

    digest: str
    name: str
    created: str
    """RFC 3339, by the publisher."""
    model_type: str
    size: int
    """Bytes of all parts."""
    lineage: Mapping[str, Any]
    """lineage.json, held to the digest: the publisher's word."""
    data: tuple[Data, ...]
    said: tuple[Spoken, ...]
    """In the log's order."""
    serves: tuple[Place, ...]

    @property
    def publisher(self) -> str | None:
        """Who published it, by its lineage."""
        actor = self.lineage.get("actor")
        return actor if isinstance(actor, str) and actor else None

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody whose signature about it holds, and its publisher."""
        signed = (each.person for each in self.said if each.holds and each.person is not None)
        return tuple(dict.fromkeys([*([self.publisher] if self.publisher else []), *signed]))


@dataclass(frozen=True, slots=True)
class Line:
    """A package in a list."""

    digest: str
    name: str
    created: str
    serves: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Trained:
    """A package that was made of some data."""

    digest: str
    name: str
    created: str
    names: tuple[str, ...]
    """What it calls the data."""
    serves: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class DataLineage:
    """A version of data, and every package that was made of it."""

    version: str
    aliases: tuple[str, ...]
    """Other names of the same bytes, by these packages' own lineage: a DVC version and its SHA-256."""
    deprecated: tuple[Deprecation, ...]
    """Of the version or of an alias."""
    models: tuple[Trained, ...]


@dataclass(frozen=True, slots=True)
class DataLine:
    """A version of data in a list."""

    version: str
    names: tuple[str, ...]
    models: int
    deprecated: Deprecation | None


def plain(value: Any) -> Any:
    """A result as JSON has it: an object for each dataclass, with its fields' names."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
