"""Plots as SVG, by hand: self-contained, printable, and with the numbers in their titles.

Widths are in percent of the page's and heights in CSS pixels, so that the text keeps its size on a phone; the room for
the axes is the element's padding (style.py), into which texts at places below 0 and above 100 % are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple

_HEIGHT: Final = 160
"""Of the columns alone, px."""
_ROW: Final = 42
_BAR: Final = 16
_GAP: Final = 0.12
"""Of a column's width that stays empty."""
_LONGEST: Final = 40
"""Characters of a name that a phone's width takes."""
_CHARACTER: Final = 0.028
"""Of a plot's width on a phone that a character of a label takes."""


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
    width = 100 / max(1, count)
    parts = [_frame(what, "columns", _HEIGHT), *_grid(top)]
    for at, label in enumerate(labels):
        y = float(_HEIGHT)
        said = ", ".join(f"{one.name} {one.values[at]:,}" for one in series if one.values[at])
        bars = []
        for one in series:
            height = one.values[at] * _HEIGHT / top
            if height:
                y -= height
                bars.append(
                    f'<rect class="{one.style}" x="{(at + _GAP / 2) * width:.3f}%" y="{y:.1f}" '
                    f'width="{(1 - _GAP) * width:.3f}%" height="{height:.1f}"/>'
                )
        if bars:
            parts.append(f"<g><title>{escape(label)}: {escape(said)}</title>{''.join(bars)}</g>")
    spare = _spare(ticks)
    parts += [
        f'<text class="tick{" spare" if at in spare else ""}" text-anchor="{_anchor(place)}" '
        f'x="{100 * place:.2f}%" y="{_HEIGHT + 20}">{escape(text)}</text>'
        for at, (place, text) in enumerate(ticks)
    ]
    return "".join((*parts, "</svg>"))


def _spare(ticks: Sequence[tuple[float, str]]) -> set[int]:
    """Which labels have no room on a phone beside those at both ends and, from the left, the others that are kept."""
    taken: list[tuple[float, float]] = []
    spare = set()
    for at in sorted(range(len(ticks)), key=lambda at: 0 < at < len(ticks) - 1):
        place, text = ticks[at]
        length = _CHARACTER * (len(text) + 1)
        start = place - {"start": 0.0, "middle": length / 2, "end": length}[_anchor(place)]
        if any(start < end and begin < start + length for begin, end in taken):
            spare.add(at)
        else:
            taken.append((start, start + length))
    return spare


def _anchor(place: float) -> str:
    return "start" if place < 0.02 else "end" if place > 0.98 else "middle"


def _frame(what: str, style: str, height: int) -> str:
    """`height` is of what is drawn; the room around it is the style's."""
    return (
        f'<svg class="{style}" style="--drawn:{height}px" role="img" aria-label="{escape(what)}" '
        'xmlns="http://www.w3.org/2000/svg">'
    )


def _grid(top: int) -> list[str]:
    lines = []
    for step in range(5):
        value = top * step / 4
        if value != int(value):
            continue
        y = _HEIGHT - value * _HEIGHT / top
        style = "axis" if step == 0 else "grid"
        lines.append(f'<line class="{style}" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(f'<text class="tick" text-anchor="end" x="-6" y="{y + 4:.1f}">{int(value):,}</text>')
    return lines


def rows(bars: Sequence[tuple[str, int, str]], what: str) -> str:
    """Horizontal bars: (name, value, class), each below its name, with its number and share."""
    largest = max((value for _, value, _ in bars), default=0) or 1
    total = sum(value for _, value, _ in bars) or 1
    parts = [_frame(what, "rows", _ROW * len(bars))]
    for at, (name, value, style) in enumerate(bars):
        y, width = at * _ROW, max(0.3, 100 * value / largest)
        shown = name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
        parts.append(
            f"<g><title>{escape(name)}: {value:,}</title>"
            f'<text class="name" x="0" y="{y + 14}">{escape(shown)}</text>'
            f'<rect class="{style}" x="0" y="{y + 20}" width="{width:.2f}%" height="{_BAR}" rx="2"/>'
            f'<text class="value" x="{width:.2f}%" dx="6" y="{y + 32}">{value:,} · {share(value, total)}</text></g>'
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
