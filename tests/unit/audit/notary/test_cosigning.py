"""Witnesses of one head: who is waited for, whose word counts, and what is made of one that says the log was forked."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import pytest

from audit.errors import WitnessContradicts, WitnessUnavailable
from audit.notary.cosigning import Cosigners
from audit.proof.checkpoint import Checkpoint
from audit.proof.hashing import EMPTY_ROOT
from audit.proof.merkle import LeafNodes, Nodes
from audit.proof.note import Signature

HEAD = Checkpoint("log.example", 0, EMPTY_ROOT)


class Witness:
    """It vouches, or raises; as soon as it may."""

    def __init__(self, name: str, error: Exception | None = None) -> None:
        self.name, self.error = name, error
        self.may = threading.Event()
        self.may.set()
        self.answered = threading.Event()
        self.asked: list[bytes] = []

    def __repr__(self) -> str:
        return f"witness {self.name}"

    def cosign(self, checkpoint: Checkpoint, note: bytes, nodes: Nodes) -> Signature:
        self.asked.append(note)
        self.may.wait()
        self.answered.set()
        if self.error is not None:
            raise self.error
        return Signature(self.name, b"0000", note)

    def close(self) -> None:
        return


@contextmanager
def asking(witnesses: Sequence[Witness], quorum: int, late: float = 0) -> Iterator[Cosigners]:
    """`late`: seconds for those beyond the quorum; 60 where all of them answer."""
    with closing(Cosigners(witnesses, quorum, late)) as cosigners:
        try:
            yield cosigners
        finally:
            for each in witnesses:
                each.may.set()


def names(signatures: frozenset[Signature], note: bytes) -> list[str]:
    """Who has signed that note."""
    return sorted(each.name for each in signatures if each.value == note)


def test_a_slow_witness_beyond_the_quorum_holds_nobody_up_and_is_not_asked_beside() -> None:
    """Its answer counts for the head that it is of, when that is still the newest; else it is asked for the new one."""
    quick, slow = Witness("quick"), Witness("slow")
    slow.may.clear()
    with asking([slow, quick], 1) as cosigners:
        for _ in range(3):
            vouched = cosigners.ask(HEAD, b"one", LeafNodes([]))
            assert names(vouched.signatures, b"one") == ["quick"]
            assert vouched.missing == ("witness slow: has not answered yet",)
        assert slow.asked == [b"one"]
        slow.may.set()
        cosigners._late = 60  # both answer
        vouched = cosigners.ask(HEAD, b"one", LeafNodes([]))
        cosigners._late = 0
        assert (names(vouched.signatures, b"one"), vouched.missing) == (["quick", "slow"], ())
        assert slow.asked == [b"one"]
        slow.may.clear()
        cosigners.ask(HEAD, b"two", LeafNodes([]))
        slow.may.set()
        cosigners._asked[0].answer.exception()
        slow.may.clear()
        vouched = cosigners.ask(HEAD, b"three", LeafNodes([]))
        assert names(vouched.signatures, b"three") == ["quick"]
        assert slow.asked == [b"one", b"two", b"three"]


def test_the_quorum_is_waited_for() -> None:
    """Nothing could be published without it."""
    quick, slow = Witness("quick"), Witness("slow")
    slow.may.clear()
    waiter = threading.Thread(target=lambda: quick.answered.wait() and slow.may.set())
    with asking([quick, slow], 2) as cosigners:
        waiter.start()
        vouched = cosigners.ask(HEAD, b"one", LeafNodes([]))
        waiter.join()
    assert names(vouched.signatures, b"one") == ["quick", "slow"]


def test_a_head_that_is_the_same_is_shown_again() -> None:
    """A cosignature has the witness's time: that is what is renewed."""
    witness = Witness("w")
    with asking([witness], 1) as cosigners:
        for _ in range(2):
            cosigners.ask(HEAD, b"one", LeafNodes([]))
    assert witness.asked == [b"one", b"one"]


LIES = WitnessContradicts("liar: says that it knows 400 leaves")


@pytest.mark.parametrize(
    ("others", "quorum", "goes_on"),
    [
        ([None, None], 2, True),
        ([None, None], 3, False),
        ([None, WitnessUnavailable("absent")], 2, True),
        ([None, LIES], 2, False),
        ([None, LIES], 1, True),
        ([None], 0, True),
        ([], 0, False),
        ([], 1, False),
        ([LIES], 0, False),
    ],
)
def test_what_a_witness_says_against_the_log_stops_nobody_that_can_do_without_it(
    others: list[Exception | None], quorum: int, goes_on: bool
) -> None:
    """Nobody has signed it. It is missing, and is told; the log stops where the quorum needs it, or all say so."""
    witnesses = [Witness("liar", LIES), *(Witness(f"w{at}", error) for at, error in enumerate(others))]
    with asking(witnesses, quorum, 60) as cosigners:
        if not goes_on:
            with pytest.raises(WitnessContradicts, match="400 leaves"):
                cosigners.ask(HEAD, b"one", LeafNodes([]))
            return
        vouched = cosigners.ask(HEAD, b"one", LeafNodes([]))
    assert len(vouched.signatures) == others.count(None)
    assert len(vouched.missing) == 1 + len(others) - others.count(None)
    assert vouched.contradict == (str(LIES),) * (1 + others.count(LIES))


def test_anything_else_that_a_witness_raises_is_raised() -> None:
    """Also when nobody waited for it: a mistake of ours must not pass for an absent witness."""
    broken = Witness("w", ZeroDivisionError("ours"))
    with asking([broken], 1) as cosigners, pytest.raises(ZeroDivisionError):
        cosigners.ask(HEAD, b"one", LeafNodes([]))
    broken.may.clear()
    with asking([broken, Witness("quick")], 1) as cosigners:
        cosigners.ask(HEAD, b"one", LeafNodes([]))
        broken.may.set()
        cosigners._asked[0].answer.exception()
        with pytest.raises(ZeroDivisionError):
            cosigners.ask(HEAD, b"two", LeafNodes([]))
