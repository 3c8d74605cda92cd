"""Figures and plots over the records of a bundle."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Final

from audit.auditor.plots import Series, bin_of, columns, rows

from .exchange import Exchange
from .texts import clock, duration, exact, tick, utc

_BINS: Final = 60
_SCORES: Final = 100_000
_FEWEST: Final = 5
_CLASSES: Final = ((200, "good"), (400, "warn"), (500, "bad"))
_Plot = tuple[str, str, str]
"""Title, SVG, note."""


def figures(exchanges: Sequence[Exchange]) -> str:
    """How many, when, how fast."""
    times = [each.committing for each in exchanges if each.committing]
    answered = sum(each.status is not None and each.status < 400 for each in exchanges)
    models = {each.digest for each in exchanges if each.digest}
    waits = sorted(each.wait for each in exchanges if each.wait is not None)
    shown = [
        ("records", f"{len(exchanges):,}"),
        ("answered", f"{answered:,}"),
        ("models", f"{len(models):,}"),
        ("first (UTC)", exact(min(times)) if times else "–"),
        ("last (UTC)", exact(max(times)) if times else "–"),
        ("median time to commit", duration(waits[len(waits) // 2]) if waits else "–"),
    ]
    cells = "".join(f"<div><dt>{name}</dt><dd>{escape(text)}</dd></div>" for name, text in shown)
    return f"<dl class=figures>{cells}</dl>"


def plots(exchanges: Sequence[Exchange]) -> list[str]:
    """Those that have something to draw; of a few records the list says more."""
    if len(exchanges) < _FEWEST:
        return []
    drawn = [
        _over_time(exchanges),
        _status(exchanges),
        _by_model(exchanges),
        _waits(exchanges),
        _score_plot(exchanges),
    ]
    return [
        f"<section><h2>{escape(title)}</h2>{svg}<p class=note>{escape(note)}</p></section>"
        for title, svg, note in drawn
        if svg
    ]


def _over_time(exchanges: Sequence[Exchange]) -> _Plot:
    timed = [(each.committing, each) for each in exchanges if each.committing]
    if len(timed) < 2:
        return "", "", ""
    low, high = min(time for time, _ in timed), max(time for time, _ in timed)
    if high == low:
        return "", "", ""
    counts = {style: [0] * _BINS for style in ("good", "warn", "bad", "other")}
    for time, each in timed:
        counts[style_of(each.status)][bin_of(time, low, high, _BINS)] += 1
    names = {"good": "answered", "warn": "refused", "bad": "failed", "other": "without a status"}
    series = [Series(names[style], style, values) for style, values in counts.items() if any(values)]
    step = (high - low) / _BINS
    begin = exact if high - low < 60 * 10**9 else utc
    labels = [
        f"{begin(int(low + at * step))} to {clock(int(low + (at + 1) * step), high - low)}"
        for at in range(_BINS)
    ]
    ticks = [
        (place, tick(int(low + place * (high - low)), high - low)) for place in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    svg = columns(series, labels, ticks, "records over time, by status")
    legend = "".join(f'<span><i class="{one.style}"></i>{escape(one.name)}</span>' for one in series)
    return (
        "Records over time",
        f"<p class=legend>{legend}</p>{svg}",
        (f"By the time at which the gateway committed them, UTC; each column is {duration(int(step))}."),
    )


def _status(exchanges: Sequence[Exchange]) -> _Plot:
    counts = Counter((each.status, each.kind) for each in exchanges)
    if not counts:
        return "", "", ""
    bars = [
        (f"{status} · {kind}" if status is not None else kind, count, style_of(status))
        for (status, kind), count in sorted(counts.items(), key=lambda item: (item[0][0] or 1000, item[0][1]))
    ]
    return (
        "Status",
        rows(_few(bars), "records by status"),
        "HTTP status of the answer, and kind of entry.",
    )


def _by_model(exchanges: Sequence[Exchange]) -> _Plot:
    counts = Counter((each.service or "–", each.digest, each.slot) for each in exchanges if each.digest)
    if not counts:
        return "", "", ""
    bars = [
        (f"{service} · {str(digest)[:8]} · {slot}", count, "good")
        for (service, digest, slot), count in counts.most_common()
    ]
    return (
        "Models",
        rows(_few(bars), "records by model"),
        "Service, the first digits of the package's digest, slot.",
    )


def _waits(exchanges: Sequence[Exchange]) -> _Plot:
    waits = sorted(each.wait for each in exchanges if each.wait is not None)
    if len(waits) < 2:
        return "", "", ""
    low = math.floor(math.log10(max(1_000, waits[0])) * 2) / 2
    high = max(low + 0.5, math.ceil(math.log10(max(1_000, waits[-1])) * 2) / 2)
    values = [0] * _BINS
    for wait in waits:
        values[bin_of(math.log10(max(1_000, wait)), low, high, _BINS)] += 1
    edge = [10 ** (low + (high - low) * at / _BINS) for at in range(_BINS + 1)]
    labels = [f"{duration(int(edge[at]))} to {duration(int(edge[at + 1]))}" for at in range(_BINS)]
    powers = [
        low,
        *(power for power in range(math.ceil(low), math.floor(high) + 1) if low < power < high),
        high,
    ]
    ticks = [((power - low) / (high - low), duration(10**power)) for power in powers]
    svg = columns([Series("records", "good", values)], labels, ticks, "time from arrival to commit")
    said = ", ".join(f"{name} {duration(waits[min(len(waits) - 1, int(len(waits) * part))])}"
                     for name, part in (("median", 0.5), ("95 %", 0.95), ("99 %", 0.99)))  # fmt: skip
    return (
        "From arrival to commit",
        svg,
        (
            f"How long the gateway took until it gave the entry to its journal: {said}. Logarithmic. "
            "The answer left after that, when the entry was on disk."
        ),
    )


def _score_plot(exchanges: Sequence[Exchange]) -> _Plot:
    scores: list[float] = []
    for each in exchanges:
        scores += each.scores
        if len(scores) >= _SCORES:
            break
    if len(set(scores)) < 2:
        return "", "", ""
    low, high = min(scores), max(scores)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    values = [0] * _BINS
    for score in scores:
        values[bin_of(score, low, high, _BINS)] += 1
    step = (high - low) / _BINS
    labels = [f"{low + at * step:.4g} to {low + (at + 1) * step:.4g}" for at in range(_BINS)]
    ticks = [(place, f"{low + place * (high - low):.3g}") for place in (0.0, 0.25, 0.5, 0.75, 1.0)]
    svg = columns([Series("rows", "good", values)], labels, ticks, "distribution of scores")
    return "Scores", svg, f"The first number of each row that was answered: {len(scores):,} rows."


def style_of(status: int | None) -> str:
    """The class that gives a status its colour."""
    if status is None:
        return "other"
    return next((style for bound, style in reversed(_CLASSES) if status >= bound), "other")


def _few(bars: Sequence[tuple[str, int, str]], most: int = 12) -> list[tuple[str, int, str]]:
    rest = sum(count for _, count, _ in bars[most - 1 :])
    return (
        list(bars)
        if len(bars) <= most
        else [*bars[: most - 1], (f"{len(bars) - most + 1} others", rest, "other")]
    )
