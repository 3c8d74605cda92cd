"""The witnesses of one tree: asked at once for each head, and waited for no longer than it needs.

- The quorum is met: the others get LATE_SECONDS more. Who is later goes on answering, and is not asked beside.
- It is not met: all are waited for, as nothing is published without it. Each of them has its own time-out.
- One says that the log was forked: nothing proves it, so it is one that is missing, and is told. When so many say so
  that the quorum cannot be met, or all do, nothing more is signed until they do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from audit.errors import WitnessContradicts, WitnessUnavailable
from audit.news import News
from audit.proof.checkpoint import Checkpoint
from audit.proof.merkle import Nodes
from audit.proof.note import Signature

LATE_SECONDS: Final = 0.25
"""How long sealing waits for witnesses that the quorum does not need."""


class Cosigner(Protocol):
    """A witness, as sealing sees it."""

    def cosign(self, checkpoint: Checkpoint, note: bytes, nodes: Nodes) -> Signature:
        """Its signature of the note, verified. `nodes` are those of the checkpoint's tree.

        Raises:
            WitnessContradicts: it says that it knows a larger tree, or another one.
            WitnessUnavailable: it does not answer, or does not know this log.
        """
        ...

    def close(self) -> None:
        """Let go of connections; it may be asked again."""
        ...


@dataclass(frozen=True, slots=True)
class Vouched:
    """What the witnesses say of one head."""

    signatures: frozenset[Signature]
    missing: tuple[str, ...]
    """Why the others do not vouch for it."""
    contradict: tuple[str, ...]
    """Those of them that say that the log was forked."""
    news: tuple[str, ...] = ()
    """Those of the missing's reasons that were not given before, since that witness last vouched."""


class _Asked(NamedTuple):
    note: bytes
    answer: Future[Signature]


class Cosigners:
    """All witnesses of one tree. For one thread; each of them is asked by one thread at a time."""

    def __init__(self, cosigners: Sequence[Cosigner], quorum: int, late: float = LATE_SECONDS) -> None:
        """`quorum`: so many must vouch. `late`: seconds for those beyond it."""
        self._cosigners = tuple(cosigners)
        self._quorum = quorum
        self._late = late
        self._pool = ThreadPoolExecutor(max(1, len(self._cosigners)), "witness")
        self._asked: dict[int, _Asked] = {}
        self._said: dict[int, News] = {}

    def ask(self, checkpoint: Checkpoint, note: bytes, nodes: Nodes) -> Vouched:
        """Show a head to all of them.

        Raises:
            WitnessContradicts: so many say that the log was forked that the quorum cannot be met, or all do.
        """
        for number, cosigner in enumerate(self._cosigners):
            before = self._asked.get(number)
            # One that is still awaited is not asked beside; what came too late counts, when it is for the same head.
            if before is None or (_answered(before) and not _vouches(before, note)):
                answer = self._pool.submit(cosigner.cosign, checkpoint, note, nodes)
                self._asked[number] = _Asked(note, answer)
        self._wait(note)
        return self._collect(note)

    def close(self) -> None:
        """Let go of threads and connections; a request that is under way ends by its time-out."""
        self._pool.shutdown()
        for each in self._cosigners:
            each.close()

    def _wait(self, note: bytes) -> None:
        """Until all have answered, or the quorum has and the others had their time."""
        waiting = {asked.answer for asked in self._asked.values()}
        while waiting and len(self._signatures(note)) < self._quorum:
            _, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        wait(waiting, self._late)

    def _signatures(self, note: bytes) -> frozenset[Signature]:
        """One that is named twice vouches once."""
        return frozenset(each.answer.result() for each in self._asked.values() if _vouches(each, note))

    def _collect(self, note: bytes) -> Vouched:
        signatures, contradict = self._signatures(note), []
        missing: dict[int, str] = {}
        for number, asked in list(self._asked.items()):
            if not _answered(asked) or (asked.note != note and asked.answer.exception() is None):
                missing[number] = f"{self._cosigners[number]!r}: has not answered yet"
                continue
            del self._asked[number]
            if error := asked.answer.exception():
                missing[number] = str(error)
                if isinstance(error, WitnessContradicts):
                    contradict.append(str(error))
        if contradict and len(self._cosigners) - len(contradict) < max(self._quorum, 1):
            raise WitnessContradicts("; ".join(contradict))
        return Vouched(signatures, tuple(missing.values()), tuple(contradict), self._news(missing))

    def _news(self, missing: Mapping[int, str]) -> tuple[str, ...]:
        """A witness that is away for a week is asked at each head, and has two or three reasons in turn. Of two that
        differ in their numbers alone (a size, a time) one is told.
        """
        self._said = {number: self._said.get(number) or News() for number in missing}
        return tuple(reason for number, reason in missing.items() if self._said[number](reason))


def _answered(asked: _Asked) -> bool:
    """Whether it has, with a signature or the reason why it has none. Anything else is raised."""
    if not asked.answer.done():
        return False
    error = asked.answer.exception()
    if error is not None and not isinstance(error, WitnessUnavailable):
        raise error
    return True


def _vouches(asked: _Asked, note: bytes) -> bool:
    """Whether it has answered for this head, with a signature."""
    return asked.note == note and _answered(asked) and asked.answer.exception() is None
