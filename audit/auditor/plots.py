"""Plots as SVG, by hand: self-contained, printable, and with the numbers in their titles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple

WIDTH: Final = 680
HEIGHT: Final = 190
_LEFT: Final = 52
_BOTTOM: Final = 30
_TOP: Final = 10
_RIGHT: Final = 10


class Series(NamedTuple):
    """A value for each bin, and the class that gives it its colour."""

    name: str
    style: str
    values: Sequence[int]


def columns(
    series: Sequence[Series], labels: Sequence[str], ticks: Sequence[tuple[float, str]], what: str
) -> str:
    """Stacked columns over bins.

    Args:
        series: from the lowest up.
        labels: of each bin, for its title.
        ticks: (place from 0 to 1, text) below the axis.
        what: of the plot, for who cannot see it.
    """
    count = len(labels)
    totals = [sum(one.values[at] for one in series) for at in range(count)]
    top = nice(max(totals, default=0))
    width = (WIDTH - _LEFT - _RIGHT) / max(1, count)
    scale = (HEIGHT - _TOP - _BOTTOM) / top
    parts = [_frame(what, HEIGHT), *_grid(top, scale)]
    for at, label in enumerate(labels):
        y = float(HEIGHT - _BOTTOM)
        said = ", ".join(f"{one.name} {one.values[at]:,}" for one in series if one.values[at])
        bars = []
        for one in series:
            height = one.values[at] * scale
            if height:
                y -= height
                bars.append(
                    f'<rect class="{one.style}" x="{_LEFT + at * width + 0.5:.1f}" y="{y:.1f}" '
                    f'width="{max(0.6, width - 1):.1f}" height="{height:.1f}"/>'
                )
        if bars:
            parts.append(f"<g><title>{escape(label)}: {escape(said)}</title>{''.join(bars)}</g>")
    parts += [
        f'<text class="tick" text-anchor="{_anchor(place)}" x="{_LEFT + place * (WIDTH - _LEFT - _RIGHT):.1f}" '
        f'y="{HEIGHT - 10}">{escape(text)}</text>'
        for place, text in ticks
    ]
    return "".join((*parts, "</svg>"))


def _anchor(place: float) -> str:
    return "start" if place < 0.02 else "end" if place > 0.98 else "middle"


def _frame(what: str, height: float) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(what)}" '
        'xmlns="http://www.w3.org/2000/svg">'
    )


def _grid(top: float, scale: float) -> list[str]:
    lines = []
    for step in range(5):
        value = top * step / 4
        if value != int(value):
            continue
        y = HEIGHT - _BOTTOM - value * scale
        style = "axis" if step == 0 else "grid"
        lines.append(f'<line class="{style}" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(
            f'<text class="tick" text-anchor="end" x="{_LEFT - 6}" y="{y + 4:.1f}">{int(value):,}</text>'
        )
    return lines


def rows(bars: Sequence[tuple[str, int, str]], what: str) -> str:
    """Horizontal bars: (name, value, class), each with its number and share."""
    largest = max((value for _, value, _ in bars), default=0) or 1
    total = sum(value for _, value, _ in bars) or 1
    left, right, height = 200, 110, 26
    parts = [_frame(what, height * len(bars) + 4)]
    for at, (name, value, style) in enumerate(bars):
        y, width = at * height, max(1.0, value / largest * (WIDTH - left - right))
        shown = name if len(name) <= 28 else name[:27] + "…"
        parts.append(
            f"<g><title>{escape(name)}: {value:,}</title>"
            f'<text class="name" text-anchor="end" x="{left - 8}" y="{y + 18}">{escape(shown)}</text>'
            f'<rect class="{style}" x="{left}" y="{y + 4}" width="{width:.1f}" height="{height - 8}" rx="2"/>'
            f'<text class="value" x="{left + width + 6:.1f}" y="{y + 18}">{value:,} · {share(value, total)}</text></g>'
        )
    return "".join((*parts, "</svg>"))


def share(value: int, total: int) -> str:
    """As a percentage; what is there is never 0 %, what is missing never 100 %."""
    part = 100 * value / total
    if 0 < part < 0.1:
        return "< 0.1 %"
    if 99.9 < part < 100:
        return "> 99.9 %"
    return f"{part:.0f} %" if part in (0, 100) else f"{part:.1f} %"


def nice(largest: int) -> int:
    """The end of an axis: 4 times a round number, at least `largest`."""
    if largest <= 4:
        return 4
    unit = int(10 ** math.floor(math.log10(largest / 4)))
    return next(4 * unit * step for step in (1, 2, 3, 4, 5, 6, 8, 10) if 4 * unit * step >= largest)


def bin_of(value: float, low: float, high: float, count: int) -> int:
    """In which of `count` equal bins of [low, high] a value lies."""
    if high <= low:
        return 0
    return max(0, min(count - 1, int((value - low) / (high - low) * count)))
