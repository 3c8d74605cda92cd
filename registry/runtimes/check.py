"""The golden rows at load: does this machine give the published answers, in batches of any size?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Literal

import numpy as np

from registry.errors import GoldenMismatch
from registry.golden import Golden

from .base import Batching, Rows

BATCHES: Final = (1, 2, 3, 16, 64)
PADDINGS: Final = (2, 4, 8, 16, 32, 64)
TOLERANCE: Final = 1e-4
"""The largest difference from a golden answer: absolute, or relative to it where it is above 1. Rounding in
another batch size, processor or version stays far below; another model does not."""

Predict = Callable[[Rows], Rows]


def padded(predict: Predict, multiple: int) -> Predict:
    """`predict` with every batch filled up to a multiple of rows; the filling repeats the first row."""

    def predict_padded(rows: Rows) -> Rows:
        count = rows.shape[0]
        short = -count % multiple
        if not short:
            return predict(rows)
        filled = np.empty((count + short, rows.shape[1]), np.float32)
        filled[:count] = rows
        filled[count:] = rows[0]
        return predict(filled)[:count]

    return predict_padded


def check_golden(predict: Predict, golden: Golden) -> Batching:
    """Predict the golden rows in batches of 1, 2, 3, 16 and 64 and compare bit for bit.

    Another device or processor may round otherwise, and still give a row the same bits in every batch. So where the
    golden answers are not met to the bit, the answers of this machine are held to one another.

    Raises:
        GoldenMismatch: an answer differs by more than TOLERANCE, is not finite, or has another shape.
    """
    expected = golden.expected
    bound = max(_difference(predict, golden.rows, expected, size) for size in BATCHES)
    if bound == 0.0:
        return Batching("exact")
    for multiple in PADDINGS:
        attempt = padded(predict, multiple)
        if all(_difference(attempt, golden.rows, expected, size) == 0.0 for size in BATCHES):
            return Batching("padded", multiple)
    for multiple in (1, *PADDINGS):
        attempt = predict if multiple == 1 else padded(predict, multiple)
        if _agrees(attempt, golden.rows):
            kind: Literal["exact", "padded"] = "exact" if multiple == 1 else "padded"
            return Batching(kind, multiple, bound)
    return Batching("tolerance", bound=bound)


def _agrees(predict: Predict, rows: Rows) -> bool:
    """Whether each row's answer has the same bits in batches of every size."""
    alone = np.concatenate([predict(batch) for batch, _ in _batches(rows, rows, 1)])
    return all(
        predict(batch).tobytes() == answers.tobytes()
        for size in BATCHES[1:]
        for batch, answers in _batches(rows, alone, size)
    )


def _difference(predict: Predict, rows: Rows, expected: Rows, size: int) -> float:
    """The largest absolute difference at this batch size; 0.0 exactly when every bit agrees."""
    worst = 0.0
    for batch, answers in _batches(rows, expected, size):
        got = predict(batch)
        if got.shape[0] != batch.shape[0] or got.size != answers.size:
            raise GoldenMismatch(
                f"a batch of {size} golden rows gave answers of shape {got.shape}, not {answers.shape}"
            )
        got = got.reshape(answers.shape)
        if got.tobytes() == answers.tobytes():
            continue
        gap = np.abs(got.astype(np.float64) - answers)
        allowed = TOLERANCE * np.maximum(1.0, np.abs(answers))
        if not (gap <= allowed).all():  # also when an answer is NaN
            raise GoldenMismatch(
                f"in a batch of {size} the model does not give its golden answers: off by up to "
                f"{np.max(gap):.3g}, {TOLERANCE:g} is allowed"
            )
        # Only the sign of a zero differing is still another bit pattern.
        worst = max(worst, float(np.max(gap)), float(np.finfo(np.float32).smallest_subnormal))
    return worst


def _batches(rows: Rows, expected: Rows, size: int) -> Iterator[tuple[Rows, Rows]]:
    """The rows in batches of exactly `size`: the last one is filled up from the beginning."""
    count = rows.shape[0]
    for start in range(0, count, size):
        places = np.arange(start, start + size) % count
        yield np.ascontiguousarray(rows[places]), expected[places]
