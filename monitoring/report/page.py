"""The page: one HTML file with nothing in it from elsewhere.

No script, no link to elsewhere, no font: it opens from a disk in ten years, and prints. All texts are escaped: names of
columns and categories are a table's.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

from audit.auditor.style import CSS as HOUSE
from monitoring.figures import ColumnSaid, Evidence, Range

from .kept import Kept, kept_as_html
from .parts import Shares
from .plots import CSS, both

_LEGEND: Final = (
    '<p class="legend"><span><i class="reference"></i>reference</span><span><i class="good"></i>window, calm</span>'
    '<span><i class="warn"></i>window, warning</span><span><i class="bad"></i>window, page</span></p>'
)
_HEADS: Final = (
    "KS at least", "at most", "PSI", "less its expectation", "ln e", "design effect", "missing", "out of range",
    "unseen",
)  # fmt: skip
_MOST: Final = 60
"""Columns with a plot; the table has all."""
_PILLS: Final = {"page": ("bad", "page"), "warn": ("warn", "warning"), None: ("good", "calm")}
_STYLES: Final = {"page": "page", "warn": "warn", None: "calm"}


def page(
    evidence: Evidence,
    shares: Mapping[str, Shares],
    *,
    name: str,
    threshold: float,
    span: str,
    kept: Kept,
) -> str:
    """The report.

    Args:
        evidence: the figures.
        shares: column → reference and window.
        name: of the model.
        threshold: from which logarithm on an e-detector alarms.
        span: of which time the panes are, for people.
        kept: how somebody else makes it again. The page MUST follow from this, the log, the package and the policy.
    """
    title = f"Drift: {name} for {evidence.service}"
    shown = evidence.columns[:_MOST]
    parts = [
        _head(evidence, name, span, kept),
        _figures(evidence, threshold),
        _table(evidence),
        _LEGEND,
        *(_column(each, shares[each.column], threshold) for each in shown),
        _left_out(len(evidence.columns) - len(shown)),
        _ranges(evidence, kept),
        _about(),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{HOUSE}{CSS}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _head(evidence: Evidence, name: str, span: str, kept: Kept) -> str:
    return (
        f"<header><p class=kicker>Affiant · drift</p><h1>{escape(name)} for {escape(evidence.service)}, "
        f"{escape(evidence.slot)}<br><code>{escape(evidence.digest)}</code></h1>"
        f"<p>Records {escape(span)}. {escape(kept.made)}.</p>"
        "<aside><strong>This page proves nothing by itself.</strong> Its figures follow from the log, the package and "
        "the policy; whoever has these and the page makes it again, byte for byte:"
        f"<pre>{escape(kept.command)}</pre></aside></header>"
    )


def _figures(evidence: Evidence, threshold: float) -> str:
    worst = {each.severity for each in evidence.columns}
    verdict = "page" if "page" in worst else "warning" if "warn" in worst else "calm"
    told = {
        "verdict": verdict,
        "rows judged": f"{evidence.rows:,}",
        "rows in the window": f"{evidence.window_rows:,}",
        "panes": f"{len(evidence.panes):,} of {evidence.pane_records} offsets",
        "e-detectors alarm at": f"ln e ≥ {threshold:.1f}",
    }
    cells = "".join(
        f"<div><dt>{escape(key)}</dt><dd>{escape(value)}</dd></div>" for key, value in told.items()
    )
    policy = f"<div><dt>policy</dt><dd><code>{escape(evidence.policy)}</code></dd></div>"
    return f'<dl class="figures">{cells}{policy}</dl>'


def _table(evidence: Evidence) -> str:
    rows = "".join(
        f"<tr><td>{_name(each)}</td><td>{_pill(each)}</td>"
        + "".join(f"<td class=number>{value}</td>" for value in _values(each))
        + "</tr>"
        for each in evidence.columns
    )
    return (
        '<section><h2>All columns, most drifted first</h2><div class="scroll"><table><tr><th>column</th><th></th>'
        f"{''.join(f'<th class=number>{each}</th>' for each in _HEADS)}</tr>{rows}</table></div></section>"
    )


def _name(said: ColumnSaid) -> str:
    return f'<a href="#{escape(said.column)}">{escape(said.column)}</a>'


def _pill(said: ColumnSaid) -> str:
    style, text = _PILLS[said.severity]
    return f'<span class="pill {style}">{text}</span>'


def _values(said: ColumnSaid) -> tuple[str, ...]:
    return (
        f"{said.ks_lower:.3f}", f"{said.ks_upper:.3f}", f"{said.psi:.3f}", f"{said.psi_debiased:.3f}",
        _log(said), f"{said.effect:.2f}", f"{said.missing:.2%}", f"{said.out_of_range:.2%}",
        f"{said.unseen:.2%}",
    )  # fmt: skip


def _log(said: ColumnSaid) -> str:
    """Below 0 there is no evidence of anything."""
    found = said.log_e["page"]
    return f"{found:.1f}" if found > 0 else "–"


def _column(said: ColumnSaid, shares: Shares, threshold: float) -> str:
    what = f"{said.column}: reference and window, KS distance between {said.ks_lower:.3f} and {said.ks_upper:.3f}"
    return (
        f'<section class="column" id="{escape(said.column)}"><h2>{escape(said.column)} {_pill(said)}</h2>'
        f"<p>KS {said.ks_lower:.3f} to {said.ks_upper:.3f} · PSI {said.psi:.3f} · ln e {_log(said)} "
        f"of {threshold:.1f} · {said.rows:,} rows</p>{both(shares, _STYLES[said.severity], what)}</section>"
    )


def _left_out(count: int) -> str:
    return f'<p class="note">{count:,} calmer columns have no plot here.</p>' if count > 0 else ""


def _ranges(evidence: Evidence, kept: Kept) -> str:
    rows = "".join(_range(each) for each in evidence.ranges)
    return (
        "<section><h2>Which records</h2><p>Of the topic "
        f"<code>{escape(evidence.topic)}</code>, in the order of the log's time:</p>"
        '<div class="scroll"><table><tr><th class=number>partition</th><th class=number>from offset</th>'
        f"<th class=number>up to, not including</th></tr>{rows}</table></div>{kept_as_html(kept)}</section>"
    )


def _range(found: Range) -> str:
    cells = "".join(f"<td class=number>{value}</td>" for value in (found.partition, found.first, found.end))
    return f"<tr>{cells}</tr>"


def _about() -> str:
    lines = (
        "That the model is wrong where its inputs are other ones, or right where they are not: labels tell that.",
        "Why something has drifted: a season, another kind of customer, and a broken pipeline look alike.",
        "Drift of columns together that none of them shows alone: each is judged by itself.",
    )
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<section><h2>What this does not show</h2><ul>{items}</ul></section>"
