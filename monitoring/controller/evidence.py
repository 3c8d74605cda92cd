"""Evidence: asked of the monitor, held to the log that it names, and computed again."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import quote

from pydantic import ValidationError

from audit.direct import direct
from audit.errors import ArchiveGap, AuditError, OffsetGone
from audit.invalid import first_problem
from audit.log.base import LogReader, Topic
from monitoring.errors import EvidenceGone, EvidenceUnavailable, EvidenceWrong
from monitoring.figures import Evidence, Range, Slot, evidence_of
from registry.errors import RegistryError

from .base import Shown

MOST_BYTES: Final = 32 << 20
MOST_OFFSETS: Final = 20_000_000
"""Of all partitions of an evidence, from the first pane to the last: what a controller reads before it decides. An
auditor has more time (`monitoring.judging.again`).
"""
TIMEOUT: Final = 10.0
_READ: Final = 1 << 20

Again = Callable[[Evidence, LogReader], Evidence]
"""Counts and judges the evidence's ranges anew, under the policy in force.

Raises LogError, and ValueError when it cannot be of these ranges.
"""


def fetch(monitor: str, service: str, digest: str, slot: Slot, timeout: float = TIMEOUT) -> Evidence:
    """What the monitor has of a package.

    Raises:
        EvidenceUnavailable: it does not answer, or has none.
        EvidenceWrong: what it answers is no evidence, or of another package.
    """
    where = "/".join(quote(each, safe=":") for each in (service, digest, slot))
    try:
        with direct().open(f"{monitor.rstrip('/')}/evidence/{where}", timeout=timeout) as answer:
            raw = answer.read(MOST_BYTES + 1)
    except urllib.error.HTTPError as error:
        error.close()
        raise EvidenceUnavailable(f"the monitor answers {error.code} for the evidence") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise EvidenceUnavailable(f"the monitor does not answer ({type(reason).__name__})") from error
    if len(raw) > MOST_BYTES:
        raise EvidenceWrong(f"the monitor's evidence is over {MOST_BYTES} bytes")
    try:
        found = evidence_of(json.loads(raw))
    except ValidationError as error:
        raise EvidenceWrong(f"the monitor's evidence: {first_problem(error)}") from error
    except (ValueError, RecursionError) as error:
        raise EvidenceWrong("what the monitor answers is not JSON") from error
    short = found.digest.removeprefix("sha256:")
    if (found.service, found.slot) != (service, slot) or not short.startswith(digest.removeprefix("sha256:")):
        raise EvidenceWrong(f"the monitor's evidence is of {found.service} {found.digest} {found.slot}")
    return found


def show(evidence: Evidence, topic: Topic, reader: LogReader, again: Again) -> Shown:
    """The evidence, computed again, and its times.

    Args:
        evidence: what somebody says; only where it is of is taken from it.
        topic: of the log that `reader` reads.
        reader: of the record log, or of what an archive has of it.
        again: computes it.

    Raises:
        EvidenceWrong: it is of another log, or its panes are not such as a monitor judges.
        EvidenceUnavailable: the log does not have all of it.
    """
    _check(evidence, topic)
    with computing():
        bounds = held(evidence.ranges, reader)
        times = {
            (partition, number): time_of(reader, partition, (number + 1) * evidence.pane_records - 1)
            for partition in bounds
            for number in _outermost(evidence, partition)
        }
        newest = {partition: time_of(reader, partition, end - 1) for partition, (_, end) in bounds.items()}
        found = again(evidence, reader)
    last = max(times, key=lambda place: (times[place], place))
    return Shown(
        found,
        begun=min(times.values()),
        ended=times[last],
        newest=max(newest.values()),
        behind=bounds[last[0]][1] - (last[1] + 1) * evidence.pane_records,
    )


@contextmanager
def computing() -> Iterator[None]:
    """What may go wrong while evidence is computed, as `show` raises it."""
    try:
        yield
    except (OffsetGone, ArchiveGap) as error:
        raise EvidenceGone(f"the log: {error}") from error
    except (AuditError, RegistryError) as error:
        raise EvidenceUnavailable(f"the log or the store: {error}") from error
    except ValueError as error:
        raise EvidenceWrong(f"the evidence cannot be computed again: {error}") from error


def held(ranges: Iterable[Range], reader: LogReader) -> dict[int, tuple[int, int]]:
    """Each partition's bounds, which the ranges lie within.

    Raises:
        EvidenceGone: the log does not go so far back any more.
        EvidenceUnavailable: it has not come so far.
    """
    bounds: dict[int, tuple[int, int]] = {}
    for each in ranges:
        first, end = bounds[each.partition] = reader.bounds(each.partition)
        if each.first < first or each.end > end:
            kind = EvidenceGone if each.first < first else EvidenceUnavailable
            raise kind(
                f"partition {each.partition} has the offsets {first} to before {end}, and the evidence is of "
                f"{each.first} to before {each.end}"
            )
    return bounds


def same_log(named: str, topic: Topic) -> None:
    """Raises EvidenceWrong: evidence of the topic that is named is of another log."""
    if named != topic.id.hex():
        raise EvidenceWrong(f"the evidence is of the topic {named[:8]}…, the log is {topic.id.hex()[:8]}…")


def _check(evidence: Evidence, topic: Topic) -> None:
    same_log(evidence.topic, topic)
    if not evidence.panes:
        raise EvidenceWrong("the evidence has no panes")
    if len(set(evidence.panes)) != len(evidence.panes):
        raise EvidenceWrong("the evidence has a pane twice")
    if any(not 0 <= partition < topic.partitions or number < 0 for partition, number in evidence.panes):
        raise EvidenceWrong("the evidence has a pane of no partition")
    # Those between two panes are read, too: of two that are named there may be any number.
    outermost = [_outermost(evidence, each) for each in {partition for partition, _ in evidence.panes}]
    if not 0 < evidence.pane_records * sum(last + 1 - first for first, last in outermost) <= MOST_OFFSETS:
        raise EvidenceWrong(
            f"the evidence is of more than {MOST_OFFSETS} offsets, from the first pane of each partition to its last, "
            "or of none"
        )


def _outermost(evidence: Evidence, partition: int) -> tuple[int, int]:
    numbers = [number for where, number in evidence.panes if where == partition]
    return min(numbers), max(numbers)


def time_of(reader: LogReader, partition: int, offset: int) -> float:
    """The log's time of what stands there, seconds since 1970 UTC."""
    found = reader.read(partition, offset, _READ, TIMEOUT)
    if not found or found[0].offset != offset:
        raise EvidenceUnavailable(f"partition {partition} does not give the offset {offset}")
    return found[0].timestamp / 1000
