"""Where archive files lie: Hive partitions, and the offsets that each holds (docs/sealed-log.md, "The store")."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from audit.objects.base import Marking, Objects


class Part(StrEnum):
    """The three kinds of archive files."""

    ENTRIES = "entries"
    PAYLOADS = "payloads"
    CHECKPOINTS = "checkpoints"


_NAME: Final = re.compile(
    r"archive/(entries|payloads|checkpoints)/topic=([0-9a-f]{32})/date=([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"/partition=(0|[1-9][0-9]{0,4})/([0-9]{20})-([0-9]{20})\.parquet",
    re.ASCII,
)
"""Five digits of a partition: a topic has at most 100,000 of them, and a name MUST NOT make anybody count further."""
_LAST: Final = (1 << 63) - 2
"""The greatest offset that a row can have, and one may come after it."""


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """A file and what its name says: the rows of the offsets [`first`, `end`)."""

    part: Part
    topic: bytes
    day: date
    partition: int
    first: int
    end: int

    @property
    def name(self) -> str:
        """Its name in the store; `<last>` is the last offset, `end` - 1."""
        return (
            f"archive/{self.part}/topic={self.topic.hex()}/date={self.day.isoformat()}"
            f"/partition={self.partition}/{self.first:020d}-{self.end - 1:020d}.parquet"
        )


def parse_name(name: str) -> ArchiveFile | None:
    """What a name of the store says; None when it is not that of an archive file."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    part, topic, day, partition, first, last = found.groups()
    if not int(first) <= int(last) <= _LAST:
        return None
    try:
        when = date.fromisoformat(day)
    except ValueError:
        return None
    return ArchiveFile(Part(part), bytes.fromhex(topic), when, int(partition), int(first), int(last) + 1)


def files_of(
    objects: Objects, part: Part, topic: bytes | None = None, partition: int | None = None
) -> Iterator[ArchiveFile]:
    """The archive's files of one kind, of one topic and partition when these are said; days rise.

    Raises:
        ObjectsUnavailable: the store does not answer.
    """
    for name in objects.list(_prefix(part, topic)):
        file = parse_name(name)
        if file is not None and partition in (None, file.partition):
            yield file


def marks_of(objects: Objects, part: Part, topic: bytes, partition: int) -> dict[ArchiveFile, str]:
    """The same of one partition, each with a mark: another one once the file was written again.

    A store that has no marks is read for them.

    Raises:
        ObjectsUnavailable: the store does not answer.
    """
    if not isinstance(objects, Marking):
        stored = ((file, objects.get(file.name)) for file in files_of(objects, part, topic, partition))
        return {file: content.version for file, content in stored if content is not None}

    def wanted(name: str) -> bool:
        file = parse_name(name)
        return file is not None and file.partition == partition

    marked = objects.marks(_prefix(part, topic), wanted)
    return {file: mark for name, mark in marked if (file := parse_name(name)) is not None}


def _prefix(part: Part, topic: bytes | None) -> str:
    return f"archive/{part}/" + (f"topic={topic.hex()}/" if topic is not None else "")
