"""Writes the golden files beside it (`python -m tests.golden.pane.make`); they change with the format alone.

- `pane.cbor`: a pane with two packages, refusals, and records that could not be counted;
- `state.cbor`: the same, with what is after it, as a store keeps it;
- `canaries.cbor`: the same pane with two canaries beside, whose requests are told apart.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from monitoring.panes import CONFIDENCE_BINS, LATENCY_BOUNDS, At, Counts, Of, Pane, Tally
from monitoring.panes.codec import encode_finished, encode_pane
from monitoring.panes.collector import Finished, State

HERE = Path(__file__).parent
JOURNALS = bytes(range(16)), bytes(range(100, 116))


def counts(size: int, **bins: int) -> Counts:
    """`b7=2`: two in bin 7."""
    dense = np.zeros(size, np.int64)
    for name, number in bins.items():
        dense[int(name[1:])] = number
    return Counts.of(dense)


def pane() -> Pane:
    """By hand: counts of one, two and eight bytes, gaps of one and two."""
    live = Tally(
        7, 9, counts(2080, b0=1, b7=2, b300=5, b2079=1), counts(1030, b1029=9),
        counts(CONFIDENCE_BINS, b10=2, b19=7), counts(len(LATENCY_BOUNDS) + 1, b0=3, b12=3, b61=1), 4,
    )  # fmt: skip
    shadow = Tally(
        300, 2**40, counts(8, b1=300, b7=2**40), counts(8), counts(0), counts(len(LATENCY_BOUNDS) + 1, b9=300)
    )
    return Pane(
        partition=3,
        number=5,
        first=1280,
        end=1536,
        time=1_790_000_000_123,
        tallies={
            Of("credit", f"sha256:{'ab' * 32}", "live"): live,
            Of("credit", f"sha256:{'0c' * 32}", "shadow"): shadow,
        },
        statuses={At("credit", "live"): {200: 7, 422: 2}, At("", "live"): {0: 1, 404: 3}},
        unreadable={"not a record": 1, "duplicate": 12},
        reached={JOURNALS[1]: 41, JOURNALS[0]: 2**64 - 1},
        fresh=frozenset({b"f" * 16, b"e" * 16}),
    )


def with_canaries() -> Pane:
    """One has answered, and failed; the other has answered nothing."""
    made = pane()
    one, other = (Of("credit", f"sha256:{two * 32}", "canary") for two in ("0d", "0e"))
    tally = made.tallies[Of("credit", f"sha256:{'0c' * 32}", "shadow")]
    return replace(
        made,
        tallies=dict(made.tallies) | {one: tally},
        statuses=dict(made.statuses) | {At("credit", "canary"): {200: 300, 500: 7}},
        apart={one: {200: 300, 500: 2}, other: {500: 5}},
    )


def finished() -> Finished:
    """Journals stand in the order in which they were met."""
    made = pane()
    return Finished(made, State(made.end, made.time, ((JOURNALS[1], 90), (b"z" * 16, 0), (JOURNALS[0], 1))))


def write() -> None:
    """Write them."""
    (HERE / "pane.cbor").write_bytes(encode_pane(pane()))
    (HERE / "canaries.cbor").write_bytes(encode_pane(with_canaries()))
    (HERE / "state.cbor").write_bytes(encode_finished(finished()))


if __name__ == "__main__":
    write()
