"""`replay`: a verdict for every answer of the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final

from audit.erasure.told import NO_ERASURES, Erasures
from audit.proof.encryption import NO_KEYS, PayloadKeys
from audit.proof.record import Header

from .base import Answerer, Logged, Predictor, Ran, Unanswerable
from .intake import Asked, Intake, Openings, judged
from .keys import BATCH, DIGEST
from .verdict import SAME_CAUSES, Judged, Verdict, causes, compare, largest

_IDENTICAL: Final = Verdict.IDENTICAL
CHUNK: Final = 256
"""Questions that are put together: to a model that does not mind, in one call. With more of them at once the calls
cost no less, and the collector more."""
CHUNK_BYTES: Final = 16 << 20
REACH: Final = 4096
"""So many records of a partition further on, a batch's missing members are waited for no longer. They are
committed within moments of each other; an explanation comes a little later."""


def replay(
    records: Iterable[Logged],
    predictor: Predictor,
    *,
    opening: Openings = lambda _: None,
    only: bytes | None = None,
    tolerance: float | None = None,
    keys: PayloadKeys = NO_KEYS,
    erased: Callable[[], Erasures] = lambda: NO_ERASURES,
    progress: Callable[[int], None] = lambda _: None,
    tell: Callable[[Intake], None] = lambda _: None,
) -> Iterator[Judged]:
    """Answer the records again. In log order, but for answers that wait for the rest of their batch.

    Args:
        records: in log order; those that are not `wanted` are not judged.
        predictor: the gateway's own way to an answer.
        opening: the opening entry of an epoch that began before `records`.
        only: a digest; other models' records are passed over.
        tolerance: an absolute bound in place of each package's own.
        keys: open encrypted payloads; what they do not open is not replayable.
        erased: what signed statements say of payloads; asked where one is not there.
        progress: called with the number of records read since the last call.
        tell: called at the end with what was passed over.

    Raises:
        AuditError, RegistryError: what the source or a store raises: it does not answer.
    """
    run = _Run(Intake(opening, only, keys, erased), predictor, tolerance)
    read = 0
    for logged in records:
        read += 1
        if run.take(logged):
            progress(read)
            read = 0
            yield from run.answer()
    progress(read)
    yield from run.answer(last=True)
    tell(run.intake)


@dataclass(slots=True)
class _Batch:
    """Members of a recorded batch, in the order in which they came."""

    model: Answerer
    since: int
    size: int
    members: list[Asked] = field(default_factory=list)
    rows: int = 0


class _Run:
    """What is waiting to be asked."""

    def __init__(self, intake: Intake, predictor: Predictor, tolerance: float | None) -> None:
        self.intake: Final = intake
        self._predictor: Final = predictor
        self._tolerance: Final = tolerance
        self._taken = 0
        self._bytes = 0
        self._count = 0
        self._model: Answerer
        self._last: tuple[bytes, Ran | None] | None = None
        self._judged: list[Judged] = []
        self._groups: dict[int, tuple[Answerer, list[Asked]]] = {}
        self._batches: dict[tuple[bytes, int, int], _Batch] = {}

    def take(self, logged: Logged) -> bool:
        """One record; whether enough is waiting."""
        self._taken += 1
        self._count += 1
        asked = self.intake.take(logged)
        if isinstance(asked, Asked):
            self._wait(logged, asked)
        elif asked is not None and logged.wanted:
            self._judged.append(asked)
        return self._count >= CHUNK or self._bytes >= CHUNK_BYTES

    def _wait(self, logged: Logged, asked: Asked) -> None:
        digest, ran = asked.question.entry.fields[DIGEST], asked.ran
        if (digest, ran) != self._last:  # most records are of the model of the one before
            try:
                self._model = self._predictor.open(digest, ran)
            except Unanswerable as error:
                if logged.wanted:
                    self._judged.append(_unanswerable(logged, error))
                return
            self._last = digest, ran
        model = self._model
        if model.whole_batches and (name := asked.question.batch) is not None:
            self._join(name, model, asked)
        elif logged.wanted:
            self._groups.setdefault(id(model), (model, []))[1].append(asked)
        self._bytes += len(logged.payload)

    def _join(self, name: tuple[bytes, int, int], model: Answerer, asked: Asked) -> None:
        batch = self._batches.get(name)
        if batch is None:
            size = asked.question.entry.fields[BATCH][1]
            batch = self._batches[name] = _Batch(model, self._taken, size)
        batch.members.append(asked)
        batch.rows += _rows(asked)

    def answer(self, *, last: bool = False) -> Iterator[Judged]:
        """Ask the models, and judge; batches that are not whole wait, unless this is the end."""
        ready = list(self._groups.values())
        self._groups = {}
        whole: dict[int, tuple[Answerer, list[Asked]]] = {}
        for name, batch in list(self._batches.items()):
            short = batch.size - batch.rows
            if short > 0 and not last and self._taken - batch.since < REACH:
                continue
            del self._batches[name]
            if not any(asked.logged.wanted for asked in batch.members):
                continue
            if short > 0:
                verb = "is" if short == 1 else "are"
                missing = f"batch: {short} of its {batch.size} rows {verb} not in the log that was read"
                self._ask(batch.model, batch.members, missing)
            else:
                whole.setdefault(id(batch.model), (batch.model, []))[1].extend(batch.members)
        for model, questions in (*ready, *whole.values()):
            self._ask(model, questions)
        found, self._judged = self._judged, []
        self._count = self._bytes = 0
        found.sort(key=itemgetter(0, 1))
        return iter(found)

    def _ask(self, model: Answerer, questions: list[Asked], missing: str | None = None) -> None:
        bodies = model.answer([asked.question for asked in questions])
        for asked, body in zip(questions, bodies, strict=True):
            if not asked.logged.wanted:
                continue
            if isinstance(body, Unanswerable):
                self._judged.append(_unanswerable(asked.logged, body))
            elif body == asked.question.payload.response:
                self._judged.append(judged(asked.logged, _IDENTICAL))
            else:
                self._judged.append(self._differs(model, asked, body, missing))

    def _differs(self, model: Answerer, asked: Asked, body: bytes, missing: str | None) -> Judged:
        """The answer's bytes are not the recorded ones: by how much, and why."""
        why = list(causes(asked.ran, model, self._predictor.versions()))
        if missing is not None:
            why.append(missing)
        reason = "; ".join(why) or SAME_CAUSES
        question, logged = asked.question, asked.logged
        try:
            recorded = self._predictor.numbers(question, question.payload.response)
        except Unanswerable as error:
            return judged(logged, Verdict.DIFFERENT, f"the recorded answer is none: {error}")
        found = compare(recorded, self._predictor.numbers(question, body))
        if found is None:
            return judged(logged, Verdict.DIFFERENT, f"the answer has other outputs or rows; {reason}")
        if not found:
            return judged(
                logged, Verdict.DIFFERENT, f"every number is the same, the text around them is not; {reason}"
            )
        bound, difference = model.bound if self._tolerance is None else self._tolerance, largest(found)
        verdict = Verdict.WITHIN if difference <= bound else Verdict.DIFFERENT
        result = judged(logged, verdict, reason)
        return result._replace(bound=bound, difference=difference, differences=tuple(found))


def _rows(asked: Asked) -> int:
    """Rows of the recorded model input."""
    shape = asked.question.payload.header.get(Header.INPUT)
    return shape[1] if isinstance(shape, list) and len(shape) == 3 and isinstance(shape[1], int) else 0


def _unanswerable(logged: Logged, error: Unanswerable) -> Judged:
    return judged(logged, Verdict.DIFFERENT if error.replayable else Verdict.NOT_REPLAYABLE, str(error))
