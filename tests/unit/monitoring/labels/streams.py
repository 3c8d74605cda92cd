"""Made predictions and labels, for tests of what joins them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from audit.labels import Label
from monitoring.labels import Answers, Prediction, answers_of
from monitoring.panes import Of

JOURNAL = bytes(range(16))
START = 1_767_225_600 * 10**9  # 2026-01-01
SECOND = 10**9
LIVE = Of("credit", "sha256:" + "11" * 32, "live")
SHADOW = Of("credit", "sha256:" + "22" * 32, "shadow")


def record(sequence: int, journal: bytes = JOURNAL) -> str:
    """A record id."""
    return f"{journal.hex()}-{sequence}"


def prediction(sequence: int, scores: Sequence[Any], *, package: Of = LIVE, **more: Any) -> Prediction:
    """An answer of a row for each score; it arrived `sequence` seconds after the start, unless it is said."""
    rows = np.array(scores, np.float32)
    time = more.pop("time_ns", START + sequence * SECOND)
    return Prediction(
        more.pop("record_id", record(sequence)), more.pop("request_id", None), time, *package,
        rows.reshape(len(rows), -1), time // 1_000_000 + 5, **more,
    )  # fmt: skip


def answers(*predictions: Prediction) -> Answers:
    """As columns."""
    return answers_of(predictions)


def label(target: str | int, value: Any, **more: Any) -> Label:
    """Of a record, by its sequence, or of a client's id; known an hour after the start, unless it is said."""
    by = "record" if isinstance(target, int) else "request"
    named = record(target) if isinstance(target, int) else target
    known = more.pop("known_ns", START + 3600 * SECOND)
    return Label(
        more.pop("service", "credit"),
        named,
        by,
        more.pop("row", None),
        value,
        known,
        more.pop("logged_ms", known // 1_000_000),
    )  # type: ignore[arg-type]
