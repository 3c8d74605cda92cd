"""Verdicts, and their sum."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import zip_longest
from typing import Any, Final, NamedTuple

from audit.proof.entry import Entry

from .base import Answerer, Difference, Number, Ran
from .keys import DIGEST, SERVICE

ALWAYS: Final = ("affiant", "numpy")
"""Libraries that shape any answer; a runtime's are named by its answerer."""

FIRST: Final = 100
REASONS: Final = 1000


class Verdict(StrEnum):
    """What a replay says of a record."""

    IDENTICAL = "identical"
    WITHIN = "within tolerance"
    DIFFERENT = "different"
    NOT_REPLAYABLE = "not replayable"


class Judged(NamedTuple):
    """A record's verdict. `reason` is None exactly when it is identical."""

    partition: int
    offset: int
    entry: Entry
    verdict: Verdict
    reason: str | None = None
    difference: float = 0.0
    """The largest one, absolute."""
    bound: float = 0.0
    """What was within tolerance for this record."""
    differences: tuple[Difference, ...] = ()

    @property
    def record_id(self) -> str:
        """The record's name."""
        return self.entry.record_id

    @property
    def service(self) -> str:
        """In the request's path; empty where the entry does not say."""
        service: str = self.entry.fields.get(SERVICE, "")
        return service

    @property
    def digest(self) -> str:
        """sha256:…; empty where no model was found."""
        digest = self.entry.fields.get(DIGEST)
        return f"sha256:{digest.hex()}" if digest else ""


@dataclass(slots=True)
class Summary:
    """What came out, in numbers."""

    counts: Counter[Verdict] = field(default_factory=Counter)
    reasons: Counter[tuple[Verdict, str]] = field(default_factory=Counter)
    digests: Counter[tuple[str, str, Verdict]] = field(default_factory=Counter)
    """By service and digest."""
    worst: Judged | None = None
    """The record with the largest difference."""
    first: list[Judged] = field(default_factory=list)
    """The first of those that are different."""

    def add(self, judged: Judged) -> None:
        """Count one."""
        self.counts[judged.verdict] += 1
        self.digests[judged.service, judged.digest, judged.verdict] += 1
        if judged.reason is not None:
            self.reasons[judged.verdict, bounded(judged.reason, len(self.reasons))] += 1
        if judged.verdict is Verdict.DIFFERENT and len(self.first) < FIRST:
            self.first.append(judged)
        if judged.differences and (self.worst is None or judged.difference > self.worst.difference):
            self.worst = judged

    @property
    def records(self) -> int:
        """All of them."""
        return self.counts.total()

    @property
    def replayed(self) -> int:
        """Those with a verdict about their answer."""
        return self.records - self.counts[Verdict.NOT_REPLAYABLE]

    @property
    def wrong(self) -> bool:
        """Whether an answer is different."""
        return self.counts[Verdict.DIFFERENT] > 0

    def as_json(self) -> dict[str, Any]:
        """The same, for scripts."""
        pairs = sorted({(service, digest) for service, digest, _ in self.digests})
        worst = self.worst
        return {
            "records": self.records,
            "replayed": self.replayed,
            "verdicts": {str(verdict): self.counts[verdict] for verdict in Verdict},
            "models": [
                {
                    "service": service,
                    "digest": digest,
                    **{str(verdict): self.digests[service, digest, verdict] for verdict in Verdict},
                }
                for service, digest in pairs
            ],
            "reasons": [
                {"verdict": str(verdict), "reason": reason, "records": count}
                for (verdict, reason), count in self.reasons.most_common()
            ],
            "different": [
                {
                    "record": judged.record_id,
                    "partition": judged.partition,
                    "offset": judged.offset,
                    "reason": judged.reason,
                    "difference": judged.difference if math.isfinite(judged.difference) else None,
                }
                for judged in self.first
            ],
            "worst": None
            if worst is None
            else {
                "record": worst.record_id,
                "difference": worst.difference if math.isfinite(worst.difference) else None,
                "bound": worst.bound,
            },
        }


def bounded(reason: str, known: int) -> str:
    """The reason, or its kind alone when there are many already: some tell of a row and a value."""
    return reason if known < REASONS else f"{reason.partition(':')[0]}: …"


def compare(recorded: Sequence[Number], replayed: Sequence[Number]) -> list[Difference] | None:
    """Numbers that are not the same float32, bit for bit; None: they are not numbers of the same things."""
    found = []
    for one, other in zip_longest(recorded, replayed):
        if one is None or other is None or one.row != other.row or one.output != other.output:
            return None
        if one.value != other.value or math.copysign(1, one.value) != math.copysign(1, other.value):
            gap = abs(one.value - other.value)
            found.append(
                Difference(one.row, one.output, one.value, other.value, gap if gap == gap else math.inf)  # noqa: PLR0124
            )
    return found


def largest(differences: Sequence[Difference]) -> float:
    """The largest difference; 0 where there is none."""
    return max((one.difference for one in differences), default=0.0)


def causes(ran: Ran | None, answerer: Answerer, versions: Mapping[str, str]) -> Iterator[str]:
    """What is not now as it was when the record was made."""
    if ran is None:
        yield "what it ran with is not known: its epoch's opening entry is not there"
        return
    if ran.device != answerer.device:
        yield f"device: {ran.device} then, {answerer.device} now"
    for name in sorted(ran.versions.keys() | versions.keys()):
        if not name.startswith((*ALWAYS, answerer.libraries)):
            continue
        then, now = ran.versions.get(name), versions.get(name)
        if then != now:
            yield f"library: {name} {then or 'was not there'} then, {now or 'is not there'} now"


SAME_CAUSES: Final = "no reason is known: device, threads and libraries are those of the record"
