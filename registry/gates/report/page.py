"""The report of a run of the gates: one HTML page for people, with nothing in it from elsewhere.

No script, no link to elsewhere, no font: it opens from a disk in ten years, and prints. All texts are escaped: column
names, groups and categories are a table's. The style is that of the evidence bundle's report.
"""

from __future__ import annotations

from html import escape

from audit.auditor.style import CSS as HOUSE
from registry.gates.base import GateReport

from .plots import CSS
from .sections import section
from .summary import summary


def page(report: GateReport, name: str) -> str:
    """The page. `name`: of the model."""
    title = f"Gates: {name} for {report.service}"
    parts = [
        _head(report, name),
        _figures(report),
        _overview(report),
        *map(section, report.results),
        _about(),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{HOUSE}{CSS}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _head(report: GateReport, name: str) -> str:
    return (
        f"<header><p class=kicker>Affiant · gates</p><h1>{escape(name)} for {escape(report.service)}<br>"
        f"<code>{escape(report.package)}</code></h1><p>Made {escape(report.made)}.</p>"
        "<aside><strong>This page proves nothing by itself.</strong> What counts is the signed statement in the "
        "governance log, and whose key signed it:<pre>affiant gate show "
        f"{escape(report.package)}</pre></aside></header>"
    )


def _figures(report: GateReport) -> str:
    passed = sum(each.verdict == "passed" for each in report.results)
    told = {
        "verdict": "passed" if report.passed else "failed",
        "gates passed": f"{passed} of {len(report.results)}",
    }
    cells = "".join(f"<div><dt>{key}</dt><dd>{value}</dd></div>" for key, value in told.items())
    digests = {"policy": report.policy, "compared with": report.live, **report.data}
    more = "".join(
        f"<div><dt>{escape(key)}</dt><dd><code>{escape(value)}</code></dd></div>"
        for key, value in digests.items()
        if value is not None
    )
    return f'<dl class="figures">{cells}{more}</dl>'


def _overview(report: GateReport) -> str:
    rows = "".join(
        f'<tr><td class="held"><span class="pill {"good" if each.verdict == "passed" else "bad"}">'
        f'{escape(each.verdict)}</span></td><td class="held"><a href="#{escape(each.name)}">'
        f"{escape(each.name.replace('_', ' '))}</a></td>"
        f"<td class=value>{escape(summary(each) or each.reason)}</td></tr>"
        for each in report.results
    )
    return (
        '<section><h2>All gates</h2><div class="scroll"><table><tr><th>verdict</th><th>gate</th><th>found</th></tr>'
        f"{rows}</table></div></section>"
    )


def _about() -> str:
    lines = (
        "That the model is right, or fair: it kept to the limits of one policy on one hold-out.",
        "That the hold-out is like the traffic: drift is watched once it answers.",
        "That nothing personal is in the data: what no recogniser looks for is not found.",
    )
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<section><h2>What this does not show</h2><ul>{items}</ul></section>"
