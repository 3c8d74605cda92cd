"""From records to their gateway's next signed entry: which entries a bundle takes along, under one budget.

A journal's signature covers an entry when all entries from it to a signed one are there. Each costs a bundle its
inclusion proof, about 640 bytes, and a heartbeat may be tens of thousands of entries away. So the entries of the whole
bundle share one budget, and what brings most records under a signature for least is taken first.

The index says where the entries are; nothing here is trusted: what the bundle shows is counted by its verifier.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from audit.proof.entry import JOURNAL_KINDS, Entry, Key

from .index import Index

BUDGET: Final = 65_536
"""Entries that a bundle takes along, unless it is told: some 60 MB."""
_MOST: Final = 2**63
"""Sequences from here on the index does not have as numbers."""

Place = tuple[bytes, int]
"""A topic's id, and a partition."""
Wanted = Mapping[bytes, Sequence[int]]
"""Journal → sequences of its records that were asked for, rising."""


class Span(NamedTuple):
    """Entries of a journal, from a record that was asked for to the next signed entry."""

    place: Place
    journal: bytes
    first: int
    signed: int
    """Sequences, both included."""


class _Group(NamedTuple):
    """Records that one signed entry is the next of, and what reaching back to each of them costs."""

    span: Span
    """Of all of them."""
    records: Sequence[int]
    """Their sequences, rising."""
    costs: Sequence[int]
    """costs[n]: entries that are not in the bundle yet, from record n to the signed one."""


def wanted_of(entries: Iterable[Entry]) -> Wanted:
    """The records of journals among these entries."""
    found: dict[bytes, set[int]] = {}
    for entry in entries:
        if entry.kind in JOURNAL_KINDS and entry.fields[Key.SEQUENCE] < _MOST:
            found.setdefault(entry.fields[Key.JOURNAL], set()).add(entry.fields[Key.SEQUENCE])
    return {journal: sorted(found[journal]) for journal in sorted(found)}


class Choice(NamedTuple):
    """Which entries to take along."""

    spans: list[Span]
    """None of them overlap."""
    ends: list[Span]
    """Of each journal of which records are left without a signature although there is one: the next signed entry after
    the last of them, alone, so that the bundle itself shows why. They are taken beyond the budget."""
    needed: int
    """The budget that would leave none without."""


def choose(wanted: Mapping[Place, Wanted], signed: Mapping[Place, Wanted], budget: int) -> Choice:
    """Which entries to take along.

    Args:
        wanted: what was asked for, by tree.
        signed: the sequences of the signed entries of the same journals.
        budget: so many entries at most, of all trees together.
    """
    groups = sorted(
        group
        for place, journals in wanted.items()
        for journal, sequences in journals.items()
        for group in _groups(place, journal, sequences, signed[place].get(journal, ()))
    )
    reached = _reach(groups, budget)
    taken: list[Span] = []
    cut: dict[tuple[Place, bytes], Span] = {}
    for group, at in zip(groups, reached, strict=True):
        if at < len(group.records) and group.costs[at]:  # else all of it is there already
            taken.append(group.span._replace(first=group.records[at]))
        if at > 0:  # the last of a journal's groups stays
            cut[group.span[:2]] = group.span._replace(first=group.span.signed)
    return Choice(taken, list(cut.values()), sum(group.costs[0] for group in groups))


def _reach(groups: Sequence[_Group], budget: int) -> list[int]:
    """Of each group, the first record that the budget reaches back to from the signed entry; all of them: 0."""
    steps = sorted(
        (average, number, at) for number, group in enumerate(groups) for average, at in _steps(group.costs)
    )
    reached = [len(group.records) for group in groups]
    ended: set[int] = set()
    for _, number, at in steps:
        if number in ended:
            continue
        costs, now = groups[number].costs, reached[number]
        have = costs[now] if now < len(costs) else 0
        fits = next((each for each in range(at, now) if costs[each] - have <= budget), now)
        budget -= (costs[fits] if fits < len(costs) else 0) - have
        reached[number] = fits
        if fits > at:
            ended.add(number)
    return reached


def _steps(costs: Sequence[int]) -> list[tuple[float, int]]:
    """From the signed entry back: steps over one or more records, with what each costs a record, rising.

    A record behind which there is much is not passed by for those behind it that cost little: they are one step.
    """
    steps: list[tuple[int, int, int]] = []  # cost, records, the record reached
    have = 0
    for at in reversed(range(len(costs))):
        cost, records, have = costs[at] - have, 1, costs[at]
        while steps and steps[-1][0] * records >= cost * steps[-1][1]:
            before = steps.pop()
            cost, records = cost + before[0], records + before[1]
        steps.append((cost, records, at))
    return [(cost / records, at) for cost, records, at in steps]


def _groups(place: Place, journal: bytes, wanted: Sequence[int], signed: Sequence[int]) -> Iterable[_Group]:
    """The records of a journal by the signed entry that is the next of them. Those after the last one are in none."""
    end = bisect_left(wanted, signed[-1] + 1) if signed else 0
    start = 0
    while start < end:
        stop = signed[bisect_left(signed, wanted[start])]
        last = bisect_left(wanted, stop + 1)
        records = wanted[start:last]
        # From a record on all records of the group are in the bundle; the signed entry is, if it was asked for.
        costs = [stop - first + 1 - (len(records) - at) for at, first in enumerate(records)]
        yield _Group(Span(place, journal, records[0], stop), records, costs)
        start = last


class Chains:
    """The index, asked for a tree's journals. `size`: its checkpoint's; entries beyond are not there."""

    def __init__(self, index: Index, place: Place, size: int) -> None:
        self._select: Callable[[str, Sequence[object]], list[tuple[Any, ...]]] = index.select
        self._tree = [place[0].hex(), place[1], size]

    def openings(self, epochs: Iterable[tuple[bytes, int]]) -> list[int]:
        """Offsets of what says that it is the opening of one of these epochs of journals, rising."""
        wanted = {(journal.hex(), min(epoch, _MOST - 1)) for journal, epoch in epochs}
        rows = self._select(
            'SELECT journal, epoch, "offset" FROM entries WHERE topic = ? AND partition = ? AND "offset" < ? '
            "AND kind = 'opening' AND journal IN (SELECT unnest(?::VARCHAR[])) ORDER BY \"offset\"",
            [*self._tree, sorted({journal for journal, _ in wanted})],
        )
        return [offset for journal, epoch, offset in rows if (journal, epoch) in wanted]

    def signed(self, journals: Iterable[bytes]) -> dict[bytes, dict[int, list[int]]]:
        """By journal and sequence, rising, the offsets of what says that it is a signed entry."""
        found: dict[bytes, dict[int, list[int]]] = {}
        rows = self._select(
            'SELECT journal, sequence, "offset" FROM entries WHERE topic = ? AND partition = ? AND "offset" < ? '
            "AND kind IN ('opening', 'heartbeat', 'closing') AND sequence IS NOT NULL "
            "AND journal IN (SELECT unnest(?::VARCHAR[])) ORDER BY ALL",
            [*self._tree, [journal.hex() for journal in journals]],
        )
        for journal, sequence, offset in rows:
            found.setdefault(bytes.fromhex(journal), {}).setdefault(sequence, []).append(offset)
        return found

    def places(self, spans: Sequence[Span]) -> dict[tuple[bytes, int], list[int]]:
        """Where entries of spans are, by journal and sequence; several, rising, when one was shipped twice, or when
        somebody has put another one under its sequence.
        """
        rows = self._select(
            'SELECT DISTINCT journal, sequence, entries."offset" FROM entries JOIN (SELECT unnest(?::VARCHAR[]) AS of, '
            "unnest(?::BIGINT[]) AS low, unnest(?::BIGINT[]) AS high) AS spans "
            "ON journal = spans.of AND sequence >= spans.low AND sequence <= spans.high "
            'WHERE topic = ? AND partition = ? AND "offset" < ? ORDER BY ALL',
            [
                [span.journal.hex() for span in spans],
                [span.first for span in spans],
                [span.signed for span in spans],
                *self._tree,
            ],
        )
        found: dict[tuple[bytes, int], list[int]] = {}
        for journal, sequence, offset in rows:
            found.setdefault((bytes.fromhex(journal), sequence), []).append(offset)
        return found
