"""What a replay reads, and what it must be handed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from audit.errors import AuditError
from audit.proof.entry import Entry, Key
from audit.proof.record import Payload

from .keys import BATCH, EPOCH, JOURNAL


class Unanswerable(AuditError):  # noqa: N818 — says what happened
    """This question gets no answer here. `replayable`: the log says that it should, so the verdict is
    `different`; else it is `not replayable`.
    """

    def __init__(self, reason: str, *, replayable: bool = True) -> None:
        super().__init__(reason)
        self.replayable = replayable


class Logged(NamedTuple):
    """One offset of the log, or one row of the archive."""

    partition: int
    offset: int
    entry: Entry | None
    """None: not a record."""
    payload: bytes
    """Empty: not there; erased, or removed."""
    wanted: bool = True
    """False: read only for what it says about others (openings, members of a batch)."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What an epoch ran with, as its opening entry says."""

    versions: Mapping[str, str]
    device: str
    threads: int

    @classmethod
    def of(cls, opening: Entry) -> Ran:
        """Out of an opening entry."""
        fields = opening.fields
        return cls(dict(fields[Key.VERSIONS]), fields[Key.DEVICE], fields[Key.THREADS])


class Question(NamedTuple):
    """A recorded request that was answered, with all that was recorded of it."""

    entry: Entry
    payload: Payload

    @property
    def batch(self) -> tuple[bytes, int, int] | None:
        """Names the batch that it was predicted in: journal, epoch and batch id."""
        fields = self.entry.fields
        batch = fields.get(BATCH)
        return None if batch is None else (fields[JOURNAL], fields[EPOCH], batch[0])


class Number(NamedTuple):
    """A number of an answer: of which row of the request, which output, and a float32's value."""

    row: int
    output: str
    value: float


class Difference(NamedTuple):
    """A number that is another one now. `difference` is absolute; infinite where one is not finite."""

    row: int
    output: str
    recorded: float
    replayed: float
    difference: float


class Answerer(Protocol):
    """A package, loaded, that answers recorded requests again."""

    @property
    def device(self) -> str:
        """What it was loaded for here, as openings say it: cpu or cuda."""
        ...

    @property
    def bound(self) -> float:
        """By how much its answers may differ: the package's own bound, measured here; 0 as a rule."""
        ...

    @property
    def whole_batches(self) -> bool:
        """Whether an answer depends on the rows that it is predicted with, so that `answer` MUST be given all
        questions of a batch at once.
        """
        ...

    @property
    def libraries(self) -> str:
        """How the names of the libraries begin that this model runs in, as openings have them."""
        ...

    def answer(self, questions: Sequence[Question]) -> list[bytes | Unanswerable]:
        """The answers' bodies, as the gateway writes them.

        MUST ask the model with the recorded request, read again; MUST refuse (Unanswerable) a question whose
        model input is not, byte for byte, the recorded one. Questions may be of any journals and batches.
        """
        ...

    def predictions(self, questions: Sequence[Question]) -> list[list[Number] | Unanswerable]:
        """What this model says to requests that another one answered; outputs are called as in `numbers`."""
        ...

    def decide(self, row: Sequence[Number]) -> str | None:
        """The class that a row's predictions stand for, by the threshold of the signature or the largest
        probability; None where the task is no classification, or a binary one without a threshold.
        """
        ...


class Predictor(Protocol):
    """Loads packages by digest."""

    def open(self, digest: bytes, ran: Ran | None) -> Answerer:
        """The package, with the device and the threads that it ran with; on the CPU where that device is not
        here. Called again and again: what was opened MUST be remembered.

        Raises:
            Unanswerable: the store does not have it, or it is not to be loaded any more.
        """
        ...

    def numbers(self, question: Question, body: bytes) -> list[Number]:
        """The numbers of an answer in the question's protocol: `prediction`, and of explanations the rest.

        Raises:
            Unanswerable: the body is not an answer of that protocol.
        """
        ...

    def versions(self) -> Mapping[str, str]:
        """Of the libraries that run here, named as openings name them."""
        ...
