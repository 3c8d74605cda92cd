"""Where a journal is shipped: chosen once, written down, never changed.

    route.json  {"format":1,"journal":hex,"backend":…,"topic":…,"topic_id":hex,"partition":n,"start":offset}

`start` is the partition's end when the route was chosen: nothing of this journal stands before it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from audit.errors import LogError
from audit.files import make_directory, parse_json, sync_directory, write_once
from audit.log.base import Log, Topic

FILE: Final = "route.json"
_ID_SIZE: Final = 16


class RouteBroken(LogError):  # noqa: N818 — says what happened
    """The route names another topic than the log has now, or is not a route: a person must look."""


@dataclass(frozen=True, slots=True)
class Route:
    """A journal's place in the log."""

    journal: bytes
    backend: str
    topic: str
    topic_id: bytes
    partition: int
    start: int


def partition_of(journal: bytes, partitions: int) -> int:
    """The partition of a new journal: spread by hash, the same wherever it is computed."""
    return int.from_bytes(sha256(b"affiant-route\n" + journal).digest()[:8], "big") % partitions


def read_route(directory: Path) -> Route | None:
    """The route, or None before it was chosen.

    Raises:
        RouteBroken: the file is not a route.
    """
    path = directory / FILE
    try:
        return _parse(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise RouteBroken(f"{path}: not a route ({error})") from error


def _parse(raw: bytes) -> Route:
    """Raises ValueError."""
    match parse_json(raw):
        case {
            "format": 1,
            "journal": str(journal),
            "backend": str(backend),
            "topic": str(topic),
            "topic_id": str(topic_id),
            "partition": int(partition),
            "start": int(start),
        }:
            route = Route(bytes.fromhex(journal), backend, topic, bytes.fromhex(topic_id), partition, start)
            if len(route.journal) == len(route.topic_id) == _ID_SIZE and min(partition, start) >= 0:
                return route
        case {"format": int(other)} if other != 1:
            raise ValueError(f"format {other}, this version knows 1")
    raise ValueError(f"want ids of {_ID_SIZE} bytes, a partition and an offset")


def choose_route(directory: Path, journal: bytes, log: Log) -> Route:
    """The journal's route: read, or chosen now and made durable before anything is sent.

    MUST refuse a topic that was deleted and made again: its offsets name other records.

    Raises:
        RouteBroken: the log has another topic than the route names, or the route is another journal's.
        LogUnavailable: the log does not answer.
    """
    topic = log.topic()
    if read_route(directory) is None:
        partition = partition_of(journal, topic.partitions)
        reader = log.reader()
        try:
            _, start = reader.bounds(partition)
        finally:
            reader.close()
        make_directory(directory)
        write_once(
            directory / FILE, _encode(Route(journal, topic.backend, topic.name, topic.id, partition, start))
        )
    else:
        # Who chose it may have died, or met a failing disk, before its name was durable. A route that a power
        # failure takes would be chosen anew, behind what was shipped, and all of that shipped again.
        sync_directory(directory)
    route = read_route(directory)
    assert route is not None
    _check(route, journal, topic)
    return route


def _check(route: Route, journal: bytes, topic: Topic) -> None:
    if route.journal != journal:
        raise RouteBroken(f"the route is of journal {route.journal.hex()}, not of {journal.hex()}")
    if (route.backend, route.topic, route.topic_id) != (topic.backend, topic.name, topic.id):
        raise RouteBroken(
            f"journal {journal.hex()} is shipped to {route.backend} topic {route.topic!r} with id "
            f"{route.topic_id.hex()}; the log has {topic.backend} topic {topic.name!r}, id {topic.id.hex()}. "
            "A recreated topic is another log: nothing is shipped until a person decides"
        )
    if route.partition >= topic.partitions:
        raise RouteBroken(
            f"journal {journal.hex()} is shipped to partition {route.partition}; the topic has {topic.partitions}"
        )


def _encode(route: Route) -> bytes:
    return json.dumps(
        {
            "format": 1,
            "journal": route.journal.hex(),
            "backend": route.backend,
            "topic": route.topic,
            "topic_id": route.topic_id.hex(),
            "partition": route.partition,
            "start": route.start,
        }
    ).encode()
