"""Which trees there are, or should be: a tree whose files are gone is missed by whoever still names it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from audit.archive import Part
from audit.archive.names import files_of
from audit.errors import ConfigError
from audit.log.local import MOST_PARTITIONS
from audit.notary.noted import TOPICS, Noted, noted_topic
from audit.objects.base import Objects
from audit.proof.errors import FormatError
from audit.sealed import TreeId
from audit.trees import Trees

from .heads import kept_head
from .survey import Place, Survey, gaps, survey

_ORIGIN: Final = re.compile(r"(.+)/([0-9a-f]{32})/(0|[1-9][0-9]{0,9})", re.ASCII | re.DOTALL)


def trees_of(trees: Trees, topics: Mapping[bytes, int]) -> list[TreeId]:
    """Trees that the store may have, without a look at all that is in it.

    Args:
        trees: of the store.
        topics: id → partitions, of topics that somebody knows, the log for one.

    Raises:
        FormatError: archive or notes name more partitions than anybody seals.
        ObjectsUnavailable: the store does not answer.
    """
    found = _of(topics) | _archived(trees.objects)
    for note in _tended(trees.objects):
        found |= _of({note.topic: note.partitions})
        if len(found) > MOST_PARTITIONS:
            raise FormatError(
                f"the notes in {TOPICS} name more than {MOST_PARTITIONS} partitions: `affiant audit verify` says which"
            )
    return _ids(trees, found or survey(trees.objects).stored)


def trees_to_verify(
    trees: Trees,
    logged: Iterable[Place],
    kept: Iterable[tuple[str, bytes]],
    surveyed: Survey | None = None,
) -> list[TreeId]:
    """Trees that there are, and those that there should be.

    Named are they by their own files, whichever are left, by the archive, by the notary's note of the topics that it
    tends, by records in the log, and by checkpoints or receipts that somebody has kept elsewhere.

    Args:
        trees: of the store.
        logged: places of the log that have records.
        kept: checkpoints or receipts, each with its name.
        surveyed: the store, when it was looked at already; partitions that are named and not looked for are told there.

    Raises:
        ConfigError: what was kept is of another log.
        ObjectsUnavailable: the store does not answer.
    """
    surveyed = surveyed or survey(trees.objects, trees.payload_objects)
    found = set(logged) | surveyed.stored | surveyed.archived | gaps(surveyed, surveyed.partitions())
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
    found = Survey(archived={(file.topic, file.partition) for file in files_of(objects, Part.ENTRIES)})
    return found.archived | gaps(found, found.partitions())


def _tended(objects: Objects) -> Iterator[Noted]:
    """What the notary has written down of the topics that it seals. What nobody can read says nothing here."""
    for name in objects.list(TOPICS):
        if noted_topic(name) is None:
            continue
        try:
            stored = objects.get(name)
            if stored is not None:
                yield Noted.decode(stored.content)
        except FormatError:
            continue  # the notary itself refuses to go on from it, and `affiant audit verify` tells it


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
