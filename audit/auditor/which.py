"""Which trees there are, or should be: a tree whose files are gone is missed by whoever still names it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from audit.archive import Part
from audit.archive.names import files_of
from audit.errors import ConfigError
from audit.objects.base import Objects
from audit.proof.errors import FormatError
from audit.sealed import TreeId
from audit.trees import Trees

from .heads import kept_head

_TREE: Final = re.compile(r"([0-9a-f]{32})/(0|[1-9][0-9]{0,9})/.", re.ASCII)
_ORIGIN: Final = re.compile(r"(.+)/([0-9a-f]{32})/(0|[1-9][0-9]{0,9})", re.ASCII | re.DOTALL)
_MOST: Final = 10_000
"""Partitions that a topic may have ([log] partitions): more are nobody's."""

Place = tuple[bytes, int]
"""A topic's id, and a partition."""


def trees_of(trees: Trees, topics: Mapping[bytes, int]) -> list[TreeId]:
    """Trees that the store may have, without a look at all that is in it.

    Args:
        trees: of the store.
        topics: id → partitions, of topics that somebody knows, the log for one.

    Raises:
        ObjectsUnavailable: the store does not answer.
    """
    found = _of(topics) | _archived(trees.objects) | _tended(trees.objects)
    return _ids(trees, found or set(_stored(trees.objects)))


def trees_to_verify(trees: Trees, logged: Iterable[Place], kept: Iterable[tuple[str, bytes]]) -> list[TreeId]:
    """Trees that there are, and those that there should be.

    Named are they by their own files, whichever are left, by the archive, by the notary's note of the topics that it
    tends, by records in the log, and by checkpoints or receipts that somebody has kept elsewhere.

    Args:
        trees: of the store.
        logged: places of the log that have records.
        kept: checkpoints or receipts, each with its name.

    Raises:
        ConfigError: what was kept is of another log.
        ObjectsUnavailable: the store does not answer.
    """
    found = set(logged) | _archived(trees.objects) | _tended(trees.objects) | set(_stored(trees.objects))
    for name, raw in kept:
        place = _kept(trees.trust.name, name, raw)
        if place is not None:
            found.add(place)
    return _ids(trees, found)


def _ids(trees: Trees, found: Iterable[Place]) -> list[TreeId]:
    return [TreeId(trees.trust.name, *each) for each in sorted(found)]


def _of(topics: Mapping[bytes, int]) -> set[Place]:
    return {(topic, partition) for topic, partitions in topics.items() for partition in range(partitions)}


def _archived(objects: Objects) -> set[Place]:
    """The archive may lag behind in some partitions: those below its highest are named, too."""
    highest: dict[bytes, int] = {}
    for file in files_of(objects, Part.ENTRIES):
        highest[file.topic] = max(highest.get(file.topic, 0), file.partition + 1)
    return _of(highest)


def _tended(objects: Objects) -> set[Place]:
    """What the notary has written down of the topics that it seals. What nobody can read says nothing here."""
    found: dict[bytes, int] = {}
    for name in objects.list("topics/"):
        stored = objects.get(name)
        try:
            told = json.loads(stored.content) if stored is not None else {}
            found[bytes.fromhex(told["id"])] = min(int(told["partitions"]), _MOST)
        except (ValueError, KeyError, TypeError):
            continue  # the notary itself refuses to go on from it
    return _of({topic: partitions for topic, partitions in found.items() if len(topic) == 16})


def _stored(objects: Objects) -> Iterator[Place]:
    for name in objects.list(""):
        if found := _TREE.match(name):
            yield bytes.fromhex(found[1]), int(found[2])


def _kept(log: str, name: str, raw: bytes) -> Place | None:
    """Whose checkpoint it is. None of what is no checkpoint: the verification of each tree says so."""
    try:
        _, origin = kept_head(raw)
    except FormatError:
        return None
    found = _ORIGIN.fullmatch(origin)
    if found is None or found[1] != log:
        raise ConfigError(
            f"{name} is of another log: its origin is {origin!r}, and this one is named {log!r}"
        )
    return bytes.fromhex(found[2]), int(found[3])
