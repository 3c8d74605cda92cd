"""What components keep on this machine and in the notary's store: is it of a version that this one reads?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from audit.files import parse_json
from audit.journal.layout import SEGMENT_MAGIC, segment_number
from audit.log.base import Topic
from audit.notary.state import FORMAT as STATE_FORMAT
from audit.notary.state import State
from audit.objects.base import Objects
from audit.proof import cbor
from audit.proof.errors import FormatError

from .base import Finding, Looked, Outcome

JSON_FORMAT: Final = 1
"""Of journal.json and topic.json."""
PARTITIONS: Final = 64
"""Trees whose state is looked at, of each topic."""
_MOST: Final = 64 << 10
_NEWER: Final = "run the version that wrote it, or a later one; a version never reads what a later one keeps"
_DAMAGED: Final = (
    "leave it as it is, it may be evidence; take it from a backup into another directory (docs/operations.md)"
)


def _newer(where: str, found: object, known: object) -> Finding:
    return Finding("state-newer", where, f"is of format {found}, and this version knows {known}", _NEWER)


def _damaged(where: str, why: object) -> Finding:
    return Finding("state-damaged", where, str(why), _DAMAGED)


def _described(path: Path) -> Iterator[Finding]:
    """A file `{"format": 1, …}`. One that is absent is its owner's matter: it makes it."""
    try:
        with path.open("rb") as file:
            content = parse_json(file.read(_MOST))
        found = content["format"]
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        yield _damaged(str(path), f"is not a description ({type(error).__name__})")
        return
    if isinstance(found, int) and found > JSON_FORMAT:
        yield _newer(str(path), found, JSON_FORMAT)
    elif found != JSON_FORMAT:
        yield _damaged(str(path), f"is of format {found!r}, which never was one")


def _segment(path: Path) -> Iterator[Finding]:
    with path.open("rb") as file:
        magic = file.read(len(SEGMENT_MAGIC))
    ours, number = SEGMENT_MAGIC[:-1], SEGMENT_MAGIC[-1:]
    if magic == SEGMENT_MAGIC or not magic.strip(b"\0"):  # zeros: allocated, and not begun
        return
    if magic[:-1] == ours and magic[-1:] > number:
        yield _newer(str(path), magic[-1:].decode(errors="replace"), number.decode())
    else:
        yield _damaged(str(path), "does not begin as a segment of a journal does")


def look_at_journals(journals: Path) -> Iterator[Outcome]:
    """Each journal's description, and its newest segment."""
    directories = sorted(path for path in journals.iterdir() if path.is_dir()) if journals.is_dir() else []
    for directory in directories:
        yield from _described(directory / "journal.json")
        segments = sorted(path for path in directory.iterdir() if segment_number(path.name) is not None)
        if segments:
            yield from _segment(segments[-1])
    yield Looked("journals", f"{len(directories)} in {journals}")


def look_at_topics(*directories: Path) -> Iterator[Outcome]:
    """Logs that are directories."""
    for directory in directories:
        yield from _described(directory / "topic.json")


def look_at_trees(objects: Objects, topic: Topic) -> Iterator[Outcome]:
    """The notary's state of each tree of a topic.

    Raises:
        ObjectsUnavailable: the store does not answer.
    """
    seen = 0
    for partition in range(min(topic.partitions, PARTITIONS)):
        name = f"{topic.id.hex()}/{partition}/state"
        stored = objects.get(name)
        if stored is None:
            continue
        try:
            seen += 1
            content = cbor.decode(stored.content, "state")
            found = content.get("format") if isinstance(content, dict) else None
            if isinstance(found, int) and found > STATE_FORMAT:
                yield _newer(name, found, STATE_FORMAT)
            else:
                State.decode(stored.content)
        except FormatError as error:
            yield _damaged(name, error)
    yield Looked(f"what is sealed of {topic.name}", f"{seen} of {topic.partitions} trees are begun")
