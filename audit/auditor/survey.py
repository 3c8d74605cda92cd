"""All names of a store, looked at once: which trees they are of, and which belong to nobody.

Whoever reads the archive with other tools reads whatever lies there, so a file that no notary writes is a flaw.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from audit.archive import Part
from audit.archive.names import parse_name
from audit.notary.noted import TOPICS, Noted, noted_topic
from audit.objects.base import Objects
from audit.objects.bucket import BucketObjects
from audit.objects.directory import DirectoryObjects
from audit.proof.errors import FormatError
from audit.proof.flaws import Flaw

from .verified import MAX_FLAWS

Place = tuple[bytes, int]
"""A topic's id, and a partition."""
MAX_GAPS: Final = 100
"""Partitions of one topic that somebody names and that have no files: so many are looked at, the others are counted."""

_ARCHIVE: Final = "archive/"
_PAYLOADS: Final = f"archive/{Part.PAYLOADS}/"
_TREE: Final = re.compile(r"([0-9a-f]{32})/(0|[1-9][0-9]{0,4})/.", re.ASCII | re.DOTALL)
_DRAFT: Final = re.compile(r"(archive/.*/)\.([^/]+)\.[0-9]{1,10}\.[0-9a-f]{8}", re.ASCII)
"""What a killed process leaves of a file that it wrote (audit/files.py)."""
_LOCK: Final = re.compile(r"(archive/payloads/.*/)\.([^/]+)\.lock", re.ASCII)
"""Of a payload file that was written again (audit/erasure); other tools read no file of that name."""


@dataclass(slots=True)
class Survey:
    """What a store's names say, and its notes of topics. Nothing of it is verified."""

    stored: set[Place] = field(default_factory=set)
    """Trees that have files of their own, whichever."""
    archived: set[Place] = field(default_factory=set)
    """Those that archive files are named after."""
    noted: dict[str, Noted] = field(default_factory=dict)
    """The notary's notes that can be read, by the topic's name."""
    unread: set[str] = field(default_factory=set)
    """Topics whose notes are there and cannot be read, by their names."""
    flaws: list[Flaw] = field(default_factory=list)
    remarks: list[Flaw] = field(default_factory=list)
    more: int = 0
    """Flaws that are counted beyond those."""

    def flaw(self, what: str, message: str, path: str | None = None) -> None:
        """Something is wrong with the store, and with no tree alone."""
        if len(self.flaws) < MAX_FLAWS:
            self.flaws.append(Flaw(what, message, path=path))
        else:
            self.more += 1

    def remark(self, what: str, message: str, path: str | None = None) -> None:
        """Something is to be known."""
        if len(self.remarks) < MAX_FLAWS:
            self.remarks.append(Flaw(what, message, path=path))

    def partitions(self) -> dict[bytes, int]:
        """How many each topic should have, by the archive (which may lag behind in some) and by the notes."""
        found: dict[bytes, int] = {}
        for topic, partition in self.archived:
            found[topic] = max(found.get(topic, 0), partition + 1)
        for note in self.noted.values():
            found[note.topic] = max(found.get(note.topic, 0), note.partitions)
        return found


def survey(objects: Objects, payload_objects: Objects | None = None) -> Survey:
    """Look at every name of a store.

    Args:
        objects: the store.
        payload_objects: where the archive's payload files are, when elsewhere; only `archive/` is looked at there.

    Raises:
        ObjectsUnavailable: a store does not answer.
    """
    found = Survey()
    # The payloads' may be the same one, or a folder in it.
    here = _place(objects)
    there = here if payload_objects is None else _place(payload_objects)
    inside = there.removeprefix(f"{here}/") + "/" if there.startswith(f"{here}/") else None
    aside = 0
    # Before the trees: a notary that runs meanwhile notes partitions when it has made their trees.
    for name in objects.list(TOPICS):
        _note(objects, name, found)
    for name in (*objects.list(""), *_hidden(objects)):
        if name.startswith(TOPICS) or (inside is not None and name.startswith(inside)):
            continue
        if there != here and name.startswith(_PAYLOADS) and parse_name(name) is not None:
            aside += 1
        else:
            _name(name, found)
    _noted_meanwhile(objects, found)
    if aside:
        said = (
            f"{aside} payload files are in the store itself, and are not looked at: they are kept elsewhere"
        )
        found.remark("archive", said, _PAYLOADS)
    if payload_objects is not None and there != here:
        for name in (*payload_objects.list(_ARCHIVE), *_hidden(payload_objects)):
            _archive_file(name, found, _PAYLOADS)
    return found


def _place(objects: Objects) -> str:
    """Where a store is; two that do not say are taken for the same when they are called the same."""
    return objects.place if isinstance(objects, DirectoryObjects | BucketObjects) else repr(objects)


def _name(name: str, found: Survey) -> None:
    if name.startswith(_ARCHIVE):
        _archive_file(name, found)
    elif tree := _TREE.match(name):
        found.stored.add((bytes.fromhex(tree[1]), int(tree[2])))
    else:
        found.flaw("file", "is no file of a store: no notary writes one of that name", name)


def gaps(found: Survey, partitions: Mapping[bytes, int]) -> set[Place]:
    """Partitions that a topic should have and that no file is named after, at most `MAX_GAPS` of each topic.

    A name or a note of a few bytes MUST NOT make anybody look for a hundred thousand trees. When there are more it is
    a flaw.
    """
    known = found.stored | found.archived
    counts: dict[bytes, int] = {}
    for topic, partition in known:
        counts[topic] = counts.get(topic, 0) + (partition < partitions.get(topic, 0))
    places: set[Place] = set()
    for topic, end in partitions.items():
        missing = end - counts.get(topic, 0)
        places.update(_first((place for at in range(end) if (place := (topic, at)) not in known), missing))
        if missing > MAX_GAPS:
            found.flaw(
                "topic", f"{topic.hex()} should have {end} partitions, by an archive file's name or a note, and of "
                f"{missing} of them there is nothing: the first {MAX_GAPS} are looked for",
            )  # fmt: skip
    return places


def _first(places: Iterator[Place], missing: int) -> Iterator[Place]:
    for _ in range(min(missing, MAX_GAPS)):
        yield next(places)


def _archive_file(name: str, found: Survey, prefix: str = _ARCHIVE) -> None:
    draft = _DRAFT.fullmatch(name) or _LOCK.fullmatch(name)
    file = parse_name(name if draft is None else draft[1] + draft[2])
    if file is None or not name.startswith(prefix):
        found.flaw(
            "archive", "is no file of the archive: no notary writes one of that name, and other tools read it with the "
            "archive", name,
        )  # fmt: skip
    elif draft is None:
        found.archived.add((file.topic, file.partition))


def _noted_meanwhile(objects: Objects, found: Survey) -> None:
    """A notary that has begun since the notes were read has noted its topic before its first tree."""
    if not {topic for topic, _ in found.stored} - {note.topic for note in found.noted.values()}:
        return
    for name in objects.list(TOPICS):
        topic = noted_topic(name)
        if topic is not None and topic not in found.noted and topic not in found.unread:
            _note(objects, name, found)


def _note(objects: Objects, name: str, found: Survey) -> None:
    topic = noted_topic(name)
    if topic is None:
        found.flaw("file", "is no note of a topic: no notary writes one of that name", name)
        return
    try:
        stored = objects.get(name)
        if stored is not None:
            found.noted[topic] = Noted.decode(stored.content)
    except FormatError as error:
        found.unread.add(topic)
        found.flaw("topic", f"is not what a notary has written: {error}", name)


def _hidden(objects: Objects) -> Iterator[str]:
    """Names that begin with a dot: in a bucket they are listed with the others."""
    return objects.hidden(_ARCHIVE) if isinstance(objects, DirectoryObjects) else iter(())
