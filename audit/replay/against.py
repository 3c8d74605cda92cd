"""`against`: what would another model have answered?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from audit.erasure.told import NO_ERASURES, Erasures
from audit.proof.encryption import NO_KEYS, PayloadKeys
from audit.proof.entry import Key

from .base import Answerer, Difference, Logged, Number, Predictor, Unanswerable
from .intake import Asked, Intake, Openings
from .run import CHUNK, CHUNK_BYTES
from .verdict import Judged, bounded, compare, largest


@dataclass(frozen=True, slots=True)
class Compared:
    """A record beside what the other model says. `reason`: why they cannot be compared; None: they were."""

    record_id: str
    service: str
    digest: str
    reason: str | None = None
    rows: int = 0
    differences: tuple[Difference, ...] = ()
    flips: tuple[tuple[int, str, str], ...] = ()
    """Rows whose decision would have been another: row, decided then, decided by the other."""
    decided: int = 0
    """Rows for which both models' decisions are known: all of them, or none."""
    undecided: str | None = None
    """Why none are."""


@dataclass(slots=True)
class Comparison:
    """What came out, in numbers."""

    records: int = 0
    rows: int = 0
    changed: int = 0
    """Records with another number in them."""
    decided: int = 0
    """Rows for which both models' decisions are known."""
    undecided: Counter[str] = field(default_factory=Counter)
    """The other rows, by why."""
    flips: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By (decided then, decided by the other)."""
    largest: float = 0.0
    sum: float = 0.0
    """Of the largest difference of each record."""
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, compared: Compared) -> None:
        """Count one."""
        if compared.reason is not None:
            self.reasons[bounded(compared.reason, len(self.reasons))] += 1
            return
        self.records += 1
        self.rows += compared.rows
        self.decided += compared.decided
        if compared.undecided is not None:
            self.undecided[bounded(compared.undecided, len(self.undecided))] += compared.rows
        self.changed += bool(compared.differences)
        self.flips.update((then, other) for _, then, other in compared.flips)
        gap = largest(compared.differences)
        self.largest = max(self.largest, gap)
        self.sum += gap

    @property
    def mean(self) -> float:
        """Mean over the records of their largest difference."""
        return self.sum / self.records if self.records else 0.0

    def as_json(self) -> dict[str, Any]:
        """The same, for scripts."""
        return {
            "records": self.records,
            "rows": self.rows,
            "changed": self.changed,
            "mean_difference": self.mean,
            "largest_difference": self.largest,
            "decided": self.decided,
            "undecided": dict(self.undecided.most_common()),
            "flips": [
                {"from": then, "to": would, "rows": count}
                for (then, would), count in self.flips.most_common()
            ],
            "not_compared": dict(self.reasons.most_common()),
        }


def against(
    records: Iterable[Logged],
    predictor: Predictor,
    other: bytes,
    *,
    opening: Openings = lambda _: None,
    only: bytes | None = None,
    keys: PayloadKeys = NO_KEYS,
    erased: Callable[[], Erasures] = lambda: NO_ERASURES,
    progress: Callable[[int], None] = lambda _: None,
    tell: Callable[[Intake], None] = lambda _: None,
) -> Iterator[Compared]:
    """Ask the model of digest `other` what it says to the recorded requests, in log order.

    Requests are read again by the other model's signature. Explanations are compared by their predictions. `tell` is
    called at the end with what was passed over.

    Raises:
        Unanswerable: the other model cannot be asked at all.
    """
    intake = Intake(opening, only, keys, erased)
    model = predictor.open(other, None)
    waiting: list[Asked] = []
    read = size = 0
    for logged in records:
        read += 1
        asked = intake.take(logged)
        if isinstance(asked, Judged) and logged.wanted:
            assert asked.reason is not None
            yield Compared(asked.record_id, asked.service, asked.digest, asked.reason)
        elif isinstance(asked, Asked) and logged.wanted:
            waiting.append(asked)
            size += len(logged.payload)
        if len(waiting) >= CHUNK or size >= CHUNK_BYTES:
            progress(read)
            yield from _compare(predictor, model, waiting)
            waiting, read, size = [], 0, 0
    progress(read)
    yield from _compare(predictor, model, waiting)
    tell(intake)


def _compare(predictor: Predictor, model: Answerer, waiting: list[Asked]) -> Iterator[Compared]:
    answers = model.predictions([asked.question for asked in waiting])
    for asked, said in zip(waiting, answers, strict=True):
        yield _one(predictor, model, asked, said)


def _one(predictor: Predictor, model: Answerer, asked: Asked, said: list[Number] | Unanswerable) -> Compared:
    entry = asked.question.entry
    name = entry.record_id, entry.fields[Key.SERVICE], f"sha256:{entry.fields[Key.DIGEST].hex()}"
    if isinstance(said, Unanswerable):
        return Compared(*name, str(said))
    try:
        numbers = predictor.numbers(asked.question, asked.question.payload.response)
    except Unanswerable as error:
        return Compared(*name, f"the recorded answer is none: {error}")
    then = [number for number in numbers if number.output.startswith(PREDICTION)]
    differences = compare(then, said)
    if differences is None:
        return Compared(*name, "the other model's outputs are not those of the recorded answer")
    rows = len({number.row for number in said})
    decided = _decisions(predictor, model, asked, then, said)
    if isinstance(decided, str):
        return Compared(*name, None, rows, tuple(differences), undecided=decided)
    flips = tuple((row, one, two) for row, (one, two) in enumerate(decided) if one != two)
    return Compared(*name, None, rows, tuple(differences), flips, len(decided))


PREDICTION: Final = "prediction"
NO_RULE: Final = "the {} model decides nothing: no classification, or a binary one without a threshold"


def _decisions(
    predictor: Predictor, model: Answerer, asked: Asked, then: list[Number], said: list[Number]
) -> list[tuple[str, str]] | str:
    """What each row stood for then, by the recorded model's own rule, and by the other's; or why that is not known."""
    try:
        own = predictor.open(asked.question.entry.fields[Key.DIGEST], asked.ran)
    except Unanswerable as error:
        return f"the recorded model's rule is not known: {error}"
    found = []
    for one, two in zip(_by_row(then), _by_row(said), strict=True):
        was, would = own.decide(one), model.decide(two)
        if was is None or would is None:
            return NO_RULE.format("recorded" if was is None else "other")
        found.append((was, would))
    return found


def _by_row(numbers: list[Number]) -> list[list[Number]]:
    return [list(group) for _, group in groupby(numbers, lambda number: number.row)]
