"""Burn rates, out of the log alone: nobody is asked where to look, and what was computed once is computed again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from audit.log.base import LogReader, Topic
from monitoring.burns import Burns, paged
from monitoring.errors import EvidenceUnavailable, EvidenceWrong
from monitoring.figures import Range
from monitoring.judging.limits import NOBODY
from monitoring.panes import Of
from registry.policy import ServicePolicy

from .base import Shown
from .evidence import MOST_OFFSETS, computing, held, same_log, time_of

SLACK: Final = 60_000
"""ms that a look at the ends of all partitions may take: the log goes on meanwhile."""
AgainBurns = Callable[[Burns, LogReader], Burns]
"""Counts the burn rates of the ranges anew, under the policy in force.

Raises LogError, and ValueError when it cannot be of these ranges.
"""


def look(
    of: Of, since: int, section: ServicePolicy, size: int, topic: Topic, reader: LogReader, again: AgainBurns
) -> Shown:
    """What the log has of a package's objectives now: of the shortest windows that page, else of the longest.

    Args:
        of: the package.
        since: when it got its place, ms since 1970 UTC by the log's clock.
        section: of the policy in force.
        size: offsets of a pane.
        topic: of the log that `reader` reads.
        reader: of the record log.
        again: computes.

    Raises:
        EvidenceWrong: the log does not go back so far.
        EvidenceUnavailable: the log does not answer, has no whole pane yet, or more than is read for one decision.
    """
    shown: Shown | None = None
    for reach in sorted({each.long for each in paged(section.slo)}):
        with computing():
            ranges = ranges_of(topic, reader, size, since, reach)
        many = sum(each.end - each.first for each in ranges)
        if not 0 < many <= MOST_OFFSETS and shown is not None:
            break
        if not 0 < many <= MOST_OFFSETS:
            raise EvidenceUnavailable(
                f"the log has {many} records of the last {reach} s, and up to {MOST_OFFSETS} are read"
            )
        given = Burns(
            topic=topic.id.hex(), pane_records=size, service=of.service, digest=of.digest, slot=of.slot,
            policy=NOBODY, since=since, reach=reach, ranges=ranges,
        )  # fmt: skip
        shown = show_burns(given, topic, reader, again)
        found = shown.evidence
        assert isinstance(found, Burns)
        if found.paging and found.window_rows >= section.drift.minimum_rows:
            break
    assert shown is not None
    return shown


def ranges_of(topic: Topic, reader: LogReader, size: int, since: int, reach: int) -> tuple[Range, ...]:
    """The whole panes of every partition, up to the log's end, from the newest one on that is from before a window of
    `reach` seconds, or from before `since` (ms).

    Raises:
        LogUnavailable: the log does not answer.
    """
    panes = {}
    for partition in range(topic.partitions):
        first, end = reader.bounds(partition)
        begin = -(-first // size)
        panes[partition] = (begin, max(begin, end // size))
    newest = [
        _ends(reader, partition, end - 1, size) for partition, (first, end) in panes.items() if end > first
    ]
    before = max(max(newest, default=0) - 1000 * reach, since)
    return tuple(
        Range(
            partition=partition,
            first=_begin(reader, partition, first, end, size, before) * size,
            end=end * size,
        )
        for partition, (first, end) in panes.items()
    )


def _begin(reader: LogReader, partition: int, first: int, end: int, size: int, before: int) -> int:
    """The newest pane in [first, end) that ends by that time; `first` when none does. Log times mostly grow: where they
    do not, less is found than there is, and `monitoring.burns` sees it.
    """
    low, high = first, end
    while high - low > 1:
        middle = (low + high) // 2
        if _ends(reader, partition, middle, size) <= before:
            low = middle
        else:
            high = middle
    return low


def _ends(reader: LogReader, partition: int, number: int, size: int) -> int:
    """The log's time at a pane's end, ms."""
    return round(1000 * time_of(reader, partition, (number + 1) * size - 1))


def show_burns(given: Burns, topic: Topic, reader: LogReader, again: AgainBurns) -> Shown:
    """The burn rates of these ranges, computed, and their times.

    Args:
        given: only where it is of is taken from it.
        topic: of the log that `reader` reads.
        reader: of the record log, or of what an archive has of it.
        again: computes them.

    Raises:
        EvidenceWrong: it is of another log, or of ranges that burn rates cannot be of.
        EvidenceUnavailable: the log does not have all of it.
    """
    same_log(given.topic, topic)
    _check(given, topic)
    with computing():
        bounds = held((each for each in given.ranges if each.first < each.end), reader)
        newest = [time_of(reader, partition, end - 1) for partition, (_, end) in bounds.items()]
        found = again(given, reader)
        _whole(found, topic, reader)
    return Shown(
        found,
        begun=found.begun / 1000,
        ended=found.ended / 1000,
        newest=max(newest),
        behind=max(bounds[each.partition][1] - each.end for each in given.ranges if each.partition in bounds),
    )


def _whole(found: Burns, topic: Topic, reader: LogReader) -> None:
    """No partition has a whole pane behind its range that was there when the windows ended: who leaves calm ones out
    finds any burn rate.
    """
    size = found.pane_records
    for partition in range(topic.partitions):
        first, end = reader.bounds(partition)
        told = found.ranges[partition].end if partition < len(found.ranges) else 0
        behind = max(told, -(-first // size) * size)
        if behind + size <= end and _ends(reader, partition, behind // size, size) <= found.ended - SLACK:
            raise EvidenceWrong(
                f"partition {partition}: the evidence leaves out what is from offset {behind} on"
            )


def _check(given: Burns, topic: Topic) -> None:
    size, ranges = given.pane_records, given.ranges
    if size < 1 or any(each.first % size or each.end % size or each.end < each.first for each in ranges):
        raise EvidenceWrong("the evidence is not of whole panes")
    if [each.partition for each in ranges] != list(range(len(ranges))) or len(ranges) > topic.partitions:
        raise EvidenceWrong("the evidence leaves out a partition, or has one that there is not")
    if not 0 < sum(each.end - each.first for each in ranges) <= MOST_OFFSETS:
        raise EvidenceWrong(f"the evidence is of more than {MOST_OFFSETS} offsets, or of none")
