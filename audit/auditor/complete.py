"""Is everything that was answered recorded, and everything that was recorded sealed? Counted, a minute at a time.

Three parties count, none of them for the others:

- the gateway's counter `affiant_recorded_answers`: answers that have left, by journal and status;
- the journal's sequence numbers, which have no gap: entries that were recorded;
- the trees: entries that are sealed.

So `answered` ≤ `recorded answers` for each status (an answer that was recorded may not have left: the client was
gone), and `recorded` = `sealed`. The index counts the sealed ones: what it says is the archive's word until
`affiant audit verify` has held the archive to the trees.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from audit.proof.errors import FormatError

from .index import Index

# Shadows are shown to nobody; `no-record` is the later record of a request whose 503 left without one.
_MINUTES: Final = """
    SELECT journal, date_trunc('minute', committing) AS minute, max(sequence), count(DISTINCT sequence),
        count(DISTINCT sequence) FILTER (kind = 'inference' AND slot IS DISTINCT FROM 'shadow'
            AND NOT ends_with(coalesce(reason, ''), ':no-record')),
        count(DISTINCT sequence) FILTER (kind = 'inference' AND slot = 'shadow'),
        count(DISTINCT sequence) FILTER (kind = 'aborted')
    FROM entries
    WHERE journal IS NOT NULL AND sequence IS NOT NULL AND committing IS NOT NULL
    GROUP BY ALL ORDER BY minute, journal
"""
_COUNTED: Final = """
    SELECT journal, date_trunc('minute', committing), sum(told) FROM (
        SELECT DISTINCT journal, sequence, committing, coalesce(list_sum(map_values(counted)), 0) AS told
        FROM entries
        WHERE counted IS NOT NULL AND journal IS NOT NULL AND sequence IS NOT NULL AND committing IS NOT NULL
    ) GROUP BY ALL
"""
_SEALED: Final = "SELECT count(DISTINCT sequence) FROM entries WHERE journal = ? AND sequence < ?"
_ANSWERS: Final = """
    SELECT status, count(DISTINCT sequence) FROM entries
    WHERE journal = ? AND sequence < ? AND epoch = ? AND kind = 'inference' AND slot IS DISTINCT FROM 'shadow'
        AND NOT ends_with(coalesce(reason, ''), ':no-record')
    GROUP BY status
"""
ANSWERED: Final = "affiant_recorded_answers"
EPOCH: Final = "affiant_journal_epoch"
SEQUENCE: Final = "affiant_journal_sequence"
WORKERS: Final = "affiant_workers"
MOST_WORKERS: Final = 64
"""`[gateway] workers` takes no more. A gateway is asked again for each, and MUST NOT say how often without end."""
_MOST: Final = 2**53
"""Prometheus writes numbers as floats, which count no further."""
_JOURNAL: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Minute:
    """One journal's minute, by the times of its entries. Everything counts entries, `counted` exchanges."""

    journal: str
    minute: datetime
    """Its beginning, UTC."""
    recorded: int
    """By the journal's sequence numbers."""
    sealed: int
    answers: int
    """Sealed entries of answers that left, or were to leave."""
    shadows: int
    aborted: int
    counted: int
    """Exchanges without an entry, told by the signed entries of that minute."""

    @property
    def missing(self) -> int:
        """Recorded and not sealed."""
        return self.recorded - self.sealed


def minutes(index: Index) -> list[Minute]:
    """Every minute of every journal that the index knows, in the order of time.

    Raises:
        IndexUnusable: the index is damaged.
    """
    counted = {(journal, minute): int(number) for journal, minute, number in index.select(_COUNTED)}
    found = []
    newest: dict[str, int] = defaultdict(lambda: -1)
    for journal, minute, last, sealed, answers, shadows, aborted in index.select(_MINUTES):
        recorded = max(0, last - newest[journal])
        newest[journal] = max(newest[journal], last)
        told = counted.get((journal, minute), 0)
        found.append(Minute(journal, minute, recorded, sealed, answers, shadows, aborted, told))
    return found


@dataclass(frozen=True, slots=True)
class Answered:
    """What one worker of a gateway says: how many answers have left since its journal was opened."""

    journal: str
    epoch: int
    sequence: int
    """The journal's next entry: everything that was answered stands below it."""
    by_status: Mapping[int, int] = field(default_factory=dict)
    workers: int = 0
    """How many its gateway has; 0: it does not say."""

    @property
    def answers(self) -> int:
        """Of any status."""
        return sum(self.by_status.values())


def parse_scrape(text: str) -> Answered:
    """What a worker's /metrics say.

    Raises:
        FormatError: they are not those of a gateway with a journal, or name a number or an id that none of it has.
    """
    numbers: dict[str, int] = {}
    by_status: dict[int, int] = {}
    journal, workers = "", 0
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == f"{ANSWERED}_total":
                    journal = _journal(sample)
                    by_status[int(sample.labels["status"])] = _number(sample)
                elif sample.name == WORKERS:  # of a worker that has not answered yet, too
                    journal, workers = _journal(sample), _number(sample, MOST_WORKERS)
                elif sample.name in (EPOCH, SEQUENCE):
                    numbers[sample.name] = _number(sample)
        return Answered(journal, numbers[EPOCH], numbers[SEQUENCE], by_status, workers)
    except FormatError:
        raise
    except (ValueError, KeyError) as error:
        raise FormatError(f"the metrics are not a gateway's with a journal ({error!r})") from error


def _journal(sample: Sample) -> str:
    journal = sample.labels["journal"]
    if _JOURNAL.fullmatch(journal) is None:
        raise FormatError(f"{sample.name}: its journal is no id of 32 hex digits")
    return journal


def _number(sample: Sample, most: int = _MOST) -> int:
    if not (0 <= sample.value <= most and sample.value == int(sample.value)):
        raise FormatError(f"{sample.name} is {sample.value:g}, wanted a whole number from 0 to {most:,}")
    return int(sample.value)


@dataclass(frozen=True, slots=True)
class Held:
    """One worker's answers held against its journal's entries, since the journal was opened."""

    now: Answered
    answers: int
    """Sealed entries of answers, of this epoch."""
    sealed: int
    """Sealed entries of the journal, of any kind and epoch, below `now.sequence`."""
    unrecorded: int
    """Answers that left and have no sealed entry of their status. None should, once nothing is behind."""

    @property
    def behind(self) -> int:
        """Recorded and not sealed (yet)."""
        return self.now.sequence - self.sealed


def hold(index: Index, now: Answered) -> Held:
    """Hold what a gateway says against what is sealed.

    Always since the journal's opening: of an answer that leaves while its gateway is asked, either look may tell.

    Args:
        index: brought up after `now` was asked for, so that what was recorded by then may be sealed.
        now: of a worker.

    Raises:
        IndexUnusable: the index is damaged.
    """
    (sealed,) = index.select(_SEALED, [now.journal, now.sequence])[0]
    found = dict(index.select(_ANSWERS, [now.journal, now.sequence, now.epoch]))
    unrecorded = sum(max(0, count - found.get(status, 0)) for status, count in now.by_status.items())
    return Held(now, sum(found.values()), sealed, unrecorded)


def since_last(each: Held, before: Mapping[str, Held]) -> dict[str, int]:
    """What was added since the last look. The two may differ by the answers that were on their way."""
    last = before.get(each.now.journal)
    if last is None or last.now.epoch != each.now.epoch:
        return {}
    return {
        "minute_answered": each.now.answers - last.now.answers,
        "minute_answers": each.answers - last.answers,
    }


def missing_of(rows: Iterable[Minute], held: Iterable[Held]) -> Counter[str]:
    """Entries that are recorded and not sealed, by journal; journals that miss none are left out."""
    missing: Counter[str] = Counter()
    for row in rows:
        missing[row.journal] += row.missing
    for each in held:
        missing[each.now.journal] = max(missing[each.now.journal], each.behind)
    return +missing
