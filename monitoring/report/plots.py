"""Reference and window in one plot, as SVG: percent of the width and CSS pixels, as in audit/auditor/plots.py."""

from __future__ import annotations

from html import escape
from typing import Final

import numpy as np

from .parts import Shares

_HEIGHT: Final = 150
_GAP: Final = 0.14
_FEW: Final = 6
"""Parts that have a label each."""
_LONGEST: Final = 22
"""Characters of a label."""
_LINE: Final = 16
_NAMESPACE: Final = 'xmlns="http://www.w3.org/2000/svg"'
_SURE: Final = 30
"""Characters that lie beside each other on the narrowest screen."""
_EXTRA_GAP: Final = 0.5
"""Of a part, between the range and what is beyond it."""

# Only what audit/auditor/style.py does not have.
CSS: Final = """
svg.both{padding:10px 6px 60px 48px;height:220px}
svg .narrow{display:none}
@media print,(max-width:860px){
svg .broad{display:none}svg .narrow{display:inline}
svg.both:has(.narrow){padding-bottom:0;height:calc(176px + 16px*var(--rows))}
}
h2{overflow-wrap:anywhere}
main th{white-space:nowrap}main th:nth-child(6){white-space:normal}
main td:first-child{white-space:normal;overflow-wrap:anywhere;min-width:13em}
@media print{main td:first-child{min-width:9em}}
rect.window{fill:var(--warn);fill-opacity:.75}
rect.window.page{fill:var(--bad)}rect.window.calm{fill:var(--good)}
rect.reference{fill:var(--other);fill-opacity:.35}
.legend i.reference{background:var(--other)}
.column p{margin:2px 0 8px;color:var(--soft);font-size:13px;font-variant-numeric:tabular-nums}
a{color:var(--good)}
td.number,th.number{text-align:right}
dd code{font-size:12px;font-weight:400;overflow-wrap:anywhere}
.figures div{min-width:0}
"""


def both(shares: Shares, style: str, what: str) -> str:
    """Narrow columns of the window before wide ones of the reference.

    Args:
        shares: of a column.
        style: page, warn or calm.
        what: of the plot, for who cannot see it.
    """
    count = len(shares.labels)
    slots = count + (_EXTRA_GAP if shares.extra else 0)
    width = 100 / max(1.0, slots)
    top = _top(float(max(np.max(shares.reference, initial=0), np.max(shares.window, initial=0))))
    parts = [
        f'<svg class="both" style="--rows:{_lines(shares)}" role="img" aria-label="{escape(what)}" {_NAMESPACE}>',
        *_grid(top),
    ]
    for at, (label, reference, window) in enumerate(
        zip(shares.labels, shares.reference.tolist(), shares.window.tolist(), strict=True)
    ):
        x = (at + (_EXTRA_GAP if at >= count - shares.extra else 0)) * width
        title = f"{label}: reference {reference:.2%}, window {window:.2%}"
        parts.append(
            f"<g><title>{escape(title)}</title>{_bar('reference', x, width, reference / top, 0.0)}"
            f"{_bar(f'window {style}', x, width, window / top, 0.22)}</g>"
        )
    return "".join((*parts, *_ticks(shares, width), "</svg>"))


def _bar(style: str, x: float, width: float, share: float, inset: float) -> str:
    height = share * _HEIGHT
    if height <= 0:
        return ""
    gap = _GAP + inset
    return (
        f'<rect class="{style}" x="{x + gap * width:.3f}%" y="{_HEIGHT - height:.2f}" '
        f'width="{(1 - 2 * gap) * width:.3f}%" height="{height:.2f}"/>'
    )


def _grid(top: float) -> list[str]:
    lines = []
    for step in range(5):
        y = _HEIGHT - step * _HEIGHT / 4
        style = "axis" if step == 0 else "grid"
        lines.append(f'<line class="{style}" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>')
        said = f"{top * step / 4:.1%}".replace(".0%", "%")
        lines.append(f'<text class="tick" text-anchor="end" x="-6" y="{y + 4:.1f}">{said}</text>')
    return lines


def _ticks(shares: Shares, width: float) -> list[str]:
    """Below the axis: each part where they are few, else the ends and the middle of the range; then what is beyond.

    Where labels might lie on each other there are two sets, and the style shows the one that fits: side by side, or, on
    a narrow screen and on paper, each on a line of its own.
    """
    inner, count = len(shares.labels) - shares.extra, len(shares.labels)
    named = range(inner) if inner <= _FEW else (0, inner // 2, inner - 1)
    ticks = [((at + 0.5) * width, _HEIGHT + 18, at) for at in named]
    ticks += [
        ((at + 0.5 + _EXTRA_GAP) * width, _HEIGHT + (34 if (at - inner) % 2 == 0 else 50), at)
        for at in range(inner, count)
    ]
    if sum(len(_short(shares.labels[at])) + 2 for at in named) <= _SURE:
        return [_tick("", place, y, shares.labels[at]) for place, y, at in ticks]
    lines = [(place, _HEIGHT + 18 + _LINE * line, at) for line, (place, _, at) in enumerate(ticks)]
    return [
        *(_tick("broad", place, y, shares.labels[at]) for place, y, at in ticks),
        *(_tick("narrow", place, y, shares.labels[at]) for place, y, at in lines),
    ]


def _lines(shares: Shares) -> int:
    """How many labels there are."""
    inner = len(shares.labels) - shares.extra
    return (inner if inner <= _FEW else 3) + shares.extra


def _tick(style: str, place: float, y: int, text: str) -> str:
    edge = 35 if style == "narrow" else 8
    anchor = "start" if place < edge else "end" if place > 100 - edge else "middle"
    return (
        f'<text class="{f"tick {style}".rstrip()}" text-anchor="{anchor}" x="{place:.2f}%" y="{y}">'
        f"{escape(_short(text))}</text>"
    )


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _top(largest: float) -> float:
    """The end of the axis: a round share, at least the largest."""
    steps = (0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.16, 0.2, 0.24, 0.32, 0.4, 0.48, 0.6, 0.8, 1.0)
    return next((step for step in steps if step >= largest), 1.0)
