"""Evidence, computed again from the log that it names: before a rollback, and by an auditor years later."""

from __future__ import annotations

from collections.abc import Iterator

from audit.log.base import LogReader
from monitoring.batch import panes_of
from monitoring.errors import EvidenceWrong
from monitoring.figures import Evidence
from monitoring.panes import Of, Pane
from monitoring.read import External, Packages, Profile

from .evidence import Where, judge_panes, written
from .judging import Judging, Taken
from .limits import Judged

MOST_BETWEEN = 200_000_000
"""Offsets from the first pane of a partition to its last: what is read for one evidence."""


class NotThose(EvidenceWrong, ValueError):  # noqa: N818 - the name says what happened
    """The evidence's panes are not such as could be judged."""


def again(
    evidence: Evidence,
    reader: LogReader,
    packages: Packages,
    judged: Judged,
    external: External | None = None,
) -> Evidence:
    """The same panes, counted from the log and judged anew. Of `evidence` only where it is of is believed.

    Args:
        evidence: topic, pane size, package, panes and what had come before them.
        reader: of the record log, or of an archive of it.
        packages: where the package's profile is had.
        judged: the limits; of the policy that was in force, or of another one.
        external: what the object store has under a digest.

    Raises:
        NotThose: a pane twice or left out, panes too far apart, or no such package.
        LogUnavailable, OffsetGone: the log does not have, or does not give, what stood there.
        StoreUnavailable: a package cannot be had now.
    """
    where = Where(evidence.topic, evidence.pane_records, evidence.reached)
    return written(_of(evidence), *judged_again(evidence, reader, packages, judged, external), where)


def judged_again(
    evidence: Evidence,
    reader: LogReader,
    packages: Packages,
    judged: Judged,
    external: External | None = None,
) -> tuple[Judging, list[tuple[int, int]]]:
    """As `again`; all that is said after the last pane, for a report."""
    profile = packages.get(evidence.service, evidence.digest)
    if profile is None:
        raise NotThose(f"{evidence.digest} never answered for {evidence.service!r}")
    if len(set(evidence.panes)) != len(evidence.panes):
        raise NotThose("the evidence has a pane twice")
    found = {
        (partition, pane.number): pane
        for partition in sorted({each for each, _ in evidence.panes})
        for pane in _panes(evidence, partition, reader, packages, external)
    }
    return judge_panes(profile, judged, _taken(evidence, _of(evidence), found, profile))


def _of(evidence: Evidence) -> Of:
    return Of(evidence.service, evidence.digest, evidence.slot)


def _panes(
    evidence: Evidence, partition: int, reader: LogReader, packages: Packages, external: External | None
) -> Iterator[Pane]:
    """From the first of a partition to its last, those in between included: journals go on in them."""
    size = evidence.pane_records
    numbers = [number for where, number in evidence.panes if where == partition]
    first, end = min(numbers) * size, (max(numbers) + 1) * size
    if end - first > MOST_BETWEEN:
        raise NotThose(f"partition {partition}: {end - first} offsets from the first pane to the last")
    reached = evidence.reached.get(str(partition), {})
    try:
        before = tuple((bytes.fromhex(journal), sequence) for journal, sequence in reached.items())
    except ValueError as error:
        raise NotThose(f"partition {partition}: a journal that is none") from error
    yield from panes_of(reader, partition, first, end, packages, dict(before), size=size, external=external)


def _taken(
    evidence: Evidence, of: Of, found: dict[tuple[int, int], Pane], profile: Profile
) -> Iterator[Taken]:
    """The panes in their order. None with rows of the package may be left out: who chooses finds any drift."""
    told = set(evidence.panes)
    for place, pane in found.items():
        if place not in told and of in pane.tallies and pane.tallies[of].rows:
            raise NotThose(
                f"partition {place[0]}, pane {place[1]} is left out, and has answers of {profile.digest}"
            )
    last: dict[int, int] = {}
    for partition, number in evidence.panes:
        if number <= last.get(partition, -1):
            raise NotThose(f"partition {partition}: pane {number} comes after pane {last[partition]}")
        last[partition] = number
        pane_ = found.get((partition, number))
        tally = pane_.tallies.get(of) if pane_ is not None else None
        if pane_ is None or tally is None:
            raise NotThose(
                f"partition {partition}, pane {number}: {profile.digest} has not answered anything in it"
            )
        yield Taken(partition, number, pane_.time, tally)
