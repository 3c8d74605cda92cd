"""Plots as SVG: a scale with what was measured on it, its interval, and the limit that it is held to.

Places are in percent of the width and heights in CSS pixels, as in audit/auditor/plots.py: the text beside a plot is
HTML, so that it keeps its size on a phone and can be read without the picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

_HEIGHT: Final = 22
_MIDDLE: Final = _HEIGHT / 2

# Only what audit/auditor/style.py does not have; its colours, which are light and dark.
CSS: Final = """
.scale{display:grid;grid-template-columns:minmax(9em,15em) 1fr minmax(11em,21em);gap:2px 14px;align-items:center;
padding:3px 0;font-size:13px}
.scale .name{overflow-wrap:anywhere}
.scale .said{font-variant-numeric:tabular-nums;color:var(--soft)}
.scale svg{height:22px}
.scale circle{stroke:var(--card);stroke-width:1.5}
.scale circle.good{fill:var(--good)}.scale circle.bad{fill:var(--bad)}
.scale .limit{stroke:var(--ink);stroke-width:2;stroke-dasharray:3 2}
.scale .live{stroke:var(--other);stroke-width:2}
.marks span{margin-right:16px;display:inline-block}
section p{margin:0 0 8px}
.failed{color:var(--bad);font-weight:600}
td.held{width:1%}
td.key{width:14em;color:var(--soft);white-space:normal}
td.value{white-space:normal;overflow-wrap:anywhere}
a{color:var(--good)}
th{white-space:nowrap}
dd code{font-size:12px;font-weight:400;overflow-wrap:anywhere}
@media screen and (max-width:760px){
.scale{grid-template-columns:1fr 1fr}.scale svg{grid-column:1/3;grid-row:2}.scale .said{text-align:right}
}
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """One line of a plot. Numbers are on the plot's scale, 0 to `top`."""

    name: str
    value: float
    said: str
    """The numbers, in words."""
    good: bool | None = True
    """None: shown, and not judged."""
    low: float | None = None
    high: float | None = None
    """The interval; a bar from 0 in its place when there is none."""
    limit: float | None = None
    live: float | None = None


def scales(marks: Sequence[Mark], top: float = 1.0) -> str:
    """Each mark on a scale of its own line, all scales alike."""
    return "".join(_scale(mark, top if top > 0 else 1.0) for mark in marks)


def _scale(mark: Mark, top: float) -> str:
    def at(value: float) -> str:
        share = value / top if math.isfinite(value) else 0.0
        return f"{100 * min(1.0, max(0.0, share)):.2f}%"

    style = "other" if mark.good is None else "good" if mark.good else "bad"
    parts = [
        f'<line class="grid" x1="{each}%" x2="{each}%" y1="0" y2="{_HEIGHT}"/>'
        for each in (0, 25, 50, 75, 100)
    ]
    if mark.low is None or mark.high is None:
        parts.append(
            f'<rect class="{style}" x="0" y="5" width="{at(mark.value)}" height="{_HEIGHT - 10}" rx="2"/>'
        )
    else:
        parts.append(
            f'<rect class="{style}" x="{at(mark.low)}" y="{_MIDDLE - 3}" width="{at(mark.high - mark.low)}" '
            f'height="6" rx="3"/>'
            f'<circle class="{style}" cx="{at(mark.value)}" cy="{_MIDDLE}" r="6"/>'
        )
    for value, kind in ((mark.live, "live"), (mark.limit, "limit")):
        if value is not None:
            parts.append(
                f'<line class="{kind}" x1="{at(value)}" x2="{at(value)}" y1="1" y2="{_HEIGHT - 1}"/>'
            )
    return (
        f'<div class="scale"><span class="name">{escape(mark.name)}</span>'
        f'<svg role="img" aria-label="{escape(f"{mark.name}: {mark.said}")}" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(f'{mark.name}: {mark.said}')}</title>{''.join(parts)}</svg>"
        f'<span class="said">{escape(mark.said)}</span></div>'
    )
