"""What the page shows of each gate: plots where they say more than numbers, tables for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

from registry.gates.base import GateResult
from registry.policy.gates import LOWER_IS_BETTER

from .plots import Mark, scales
from .summary import number, span


def section(result: GateResult) -> str:
    """One gate: its verdict, why, what was measured, the limits, the libraries."""
    good = result.verdict == "passed"
    why = f'<p class="failed">{escape(result.reason)}</p>' if result.reason else ""
    shown = _SHOWN.get(result.name, _values)(result) if result.figures else ""
    limits = _definitions(
        "Limits", {name: value for name, value in result.limits.items() if value not in (None, [], {})}
    )
    libraries = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    note = f'<p class="note">{escape(libraries)}</p>' if libraries else ""
    return (
        f'<section id="{escape(result.name)}"><h2>{escape(result.name.replace("_", " "))} '
        f'<span class="pill {"good" if good else "bad"}">{escape(result.verdict)}</span></h2>'
        f"{why}{shown}{limits}{note}</section>"
    )


def _quality(result: GateResult) -> str:
    figures: Mapping[str, Any] = result.figures
    limits: Mapping[str, Any] = result.limits
    wanted = limits.get("metrics", {})
    ones: list[Mark] = []
    others: list[Mark] = []
    for name, found in figures.items():
        if isinstance(found, dict):
            mark = _metric(name, found, wanted.get(name, {}))
            (others if name in {"mae", "rmse"} else ones).append(mark)
    # Errors in the target's unit have no natural end: each has a scale of its own.
    parts = [scales(ones), *(scales([mark], 1.15 * max(_ends(mark))) for mark in others)]
    return (
        f"<h3>On {figures['rows']:,} rows, with {float(limits['confidence']):.0%} intervals of the bootstrap</h3>"
        f"{''.join(parts)}{_LEGEND}"
    )


def _metric(name: str, found: Mapping[str, float], limit: Mapping[str, Any]) -> Mark:
    lower = name in LOWER_IS_BETTER
    bound = limit.get("maximum" if lower else "minimum")
    end = found["high"] if lower else found["low"]
    good = bound is None or (end <= bound if lower else end >= bound)
    worse, live = limit.get("worse_than_live_by"), found.get("live")
    if worse is not None and live is not None:
        measured = (live - found["value"]) * (-1 if lower else 1)
        good = good and (found["worse_high"] if limit.get("worse_than_live_surely") else measured) <= worse
    said = [span(found)]
    if bound is not None:
        said.append(f"{'at most' if lower else 'at least'} {bound:g}")
    if live is not None:
        said.append(f"live {number(live)}")
    if "worse_low" in found:  # not in results that are older than it
        low, high = number(found["worse_low"]), number(found["worse_high"])
        said.append(f"worse than that by {number(found['worse'])} [{low}, {high}]")
    return Mark(name, found["value"], " · ".join(said), good, found["low"], found["high"], bound, live)


def _ends(mark: Mark) -> list[float]:
    return [each for each in (mark.high, mark.limit, mark.live, mark.value) if each is not None]


_LEGEND: Final = (
    '<p class="note marks"><span>point: measured</span><span>line: interval</span>'
    "<span>dashes: the limit, which the interval must not cross</span><span>grey line: what is live</span></p>"
)


def _fairness(result: GateResult) -> str:
    limits: Mapping[str, Any] = result.limits
    figures: Mapping[str, Any] = result.figures
    parts = []
    for name, found in figures.items():
        groups = found["groups"]
        rates = [each["rate"] for each in groups.values() if each["judged"]]
        ratio = limits.get("demographic_parity_ratio")
        # Where the four-fifths rule (or what the policy has in its place) draws the line for the worst-off group.
        line = max(rates, default=0.0) * ratio if ratio is not None else None
        marks = [_group(label, each, line) for label, each in groups.items()]
        told = {key: value for key, value in found.items() if key != "groups"}
        parts.append(f"<h3>{escape(name)}</h3>{scales(marks)}{_definitions('', told)}")
    favourable = escape(str(limits.get("favourable", "")))
    note = (
        f'<p class="note">Bars: the share of each group that gets the favourable decision ({favourable}). '
        "Grey: too few to be judged. Dashes: what the ratio asks for. TPR, FPR: of those who deserve it, and of those "
        "who do not, the share that gets it; – where nobody is. Interval: what chance may have made of the difference; "
        "the limit is held against the difference itself.</p>"
    )
    return "".join(parts) + note


def _group(label: str, found: Mapping[str, Any], line: float | None) -> Mark:
    good = None if not found["judged"] else line is None or found["rate"] >= line
    said = (
        f"{found['rate']:.1%} of {found['count']:,.0f} · TPR {_share(found['true_positive_rate'])} "
        f"· FPR {_share(found['false_positive_rate'])}"
    )
    return Mark(label, found["rate"], said, good, limit=line if found["judged"] else None)


def _share(value: Any) -> str:
    return "–" if value is None else f"{value:.1%}" if isinstance(value, float) else str(value)


def _robustness(result: GateResult) -> str:
    figures: Mapping[str, Any] = result.figures
    turned: Mapping[str, float] = figures["decisions_changed_by_missing"]
    allowed: Any = result.limits.get("decisions_changed")
    marks = [
        Mark(name, share, f"{share:.1%} turned", allowed is None or share <= allowed, limit=allowed)
        for name, share in sorted(turned.items(), key=lambda each: -each[1])
        if share
    ]
    said = (
        f"<h3>Decisions that a missing value turns, on {figures['rows']:,} rows</h3>{scales(marks)}"
        if marks
        else ""
    )
    if none := len(turned) - len(marks):
        said += f'<p class="note">Of {none} columns a missing value turns none.</p>'
    return f"<p>{figures['predictions']:,} predictions of missing and extreme values.</p>{said}"


def _contract(result: GateResult) -> str:
    figures: Mapping[str, Any] = result.figures
    columns: Mapping[str, Mapping[str, float]] = figures.get("columns", {})
    kinds = ("missing", "unknown", "out_of_range", "not_whole")
    rows = [
        [name, *(f"{each[kind]:.2%}" if kind in each else "" for kind in kinds)]
        for name, each in columns.items()
        if any(each.values())
    ]
    told = _table(("column", *(kind.replace("_", " ") for kind in kinds)), rows) if rows else ""
    clean = len(columns) - len(rows)
    suite = figures.get("suite")
    return (
        f"<p>{figures['rows']:,} rows; {clean} of {len(columns)} columns have nothing to tell.</p>{told}"
        f"{_suite(suite) if suite else ''}"
    )


def _suite(suite: Mapping[str, Any]) -> str:
    rows = [
        ["held" if each["held"] else "did not hold", each["type"], each["column"], each["said"]]
        for each in suite["results"]
    ]
    return (
        f"<h3>Suite {escape(suite['name'])}</h3>{_table(('', 'expectation', 'column', 'unexpected'), rows)}"
    )


def _privacy(result: GateResult) -> str:
    figures: Mapping[str, Any] = result.figures
    rows = [
        [
            name,
            each["by_name"] or "",
            ", ".join(
                f"{entity} in {told['cells']:g} texts, score {told['score']:g}"
                for entity, told in each["entities"].items()
            ),
            "allowed by the policy" if each["allowed"] else "",
        ]
        for name, each in figures["found"].items()
    ]
    told = _table(("column", "named like", "holds", ""), rows) if rows else "<p>Nothing was found.</p>"
    ner = figures["ner"] or "none: names of people are found by no pattern"
    return (
        f"<p>{figures['texts']:,} different texts of {figures['columns']} columns.</p>{told}"
        f'<p class="note">Recognisers: {escape(", ".join(figures["recognizers"]))}. NER model: {escape(ner)}.</p>'
    )


def _drift(result: GateResult) -> str:
    figures: Mapping[str, Any] = result.figures
    limits: Mapping[str, Any] = result.limits
    ignored = limits.get("ignore") or ()
    parts = []
    if "columns" in figures:
        parts.append(
            f"<h3>Hold-out: {figures['rows']:,} rows</h3>{_distances(figures, limits['ks'], ignored)}"
        )
    if (traffic := figures.get("traffic")) is not None:
        told = {
            "logged": f"{_moment(traffic['began'])} to {_moment(traffic['ended'])}",
            "log": traffic["topic"],
            "offsets": [f"{each['partition']}:{each['first']}-{each['last']}" for each in traffic["ranges"]],
            "rows by the package that answered": traffic["packages"],
            "answers that cannot be read": traffic["unread"] or "none",
            "SHA-256 of the rows": traffic["sha256"],
            "SHA-256 of the counts": traffic["counts_sha256"],
        }
        parts.append(
            f"<h3>Recent traffic: {traffic['rows']:,} rows</h3>{_distances(traffic, limits['ks'], ignored)}"
            f"{_definitions('', told)}"
        )
    return "".join(parts) + _DISTANCE_NOTE


def _distances(figures: Mapping[str, Any], allowed: float, ignored: Sequence[str]) -> str:
    """Furthest first; beyond the limit is what chance does not explain."""
    found = sorted(figures["columns"].items(), key=lambda each: -each[1]["ks_lower"])
    marks = [
        Mark(
            name,
            each["ks_lower"],
            f"at least {each['ks_lower']:.3f}, chance {each['chance']:.3f}",
            None if name in ignored else each["ks_lower"] <= allowed + each["chance"],
            limit=None if name in ignored else min(1.0, allowed + each["chance"]),
        )
        for name, each in found[:_MOST_COLUMNS]
    ]
    left = len(found) - len(marks)
    return scales(marks) + (f'<p class="note">{left} more are less far away.</p>' if left else "")


_MOST_COLUMNS: Final = 20
_DISTANCE_NOTE: Final = (
    '<p class="note">Bars: how far the rows are from the reference (Kolmogorov–Smirnov). Dashes: what is allowed, with '
    "what chance makes of so few rows. Grey: not judged.</p>"
)


def _moment(milliseconds: float) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _values(result: GateResult) -> str:
    return _definitions("Measured", result.figures)


def _definitions(title: str, values: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td class=key>{escape(name.replace('_', ' '))}</td><td class=value>{escape(_text(value))}</td></tr>"
        for name, value in values.items()
    )
    head = f"<h3>{title}</h3>" if title else ""
    return f'{head}<div class="scroll"><table>{rows}</table></div>' if rows else ""


def _text(value: Any) -> str:
    if isinstance(value, dict):
        inner = ((name, each) for name, each in value.items() if each is not None)
        return ", ".join(f"{name} {_text(each)}" for name, each in inner if each != [])
    if isinstance(value, list):
        return ("; " if any(isinstance(each, dict) for each in value) else ", ").join(map(_text, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(each)}</th>" for each in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(each))}</td>' for each in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{top}</tr>{body}</table></div>'


_SHOWN: Final[Mapping[str, Callable[[GateResult], str]]] = {
    "quality": _quality,
    "fairness": _fairness,
    "robustness": _robustness,
    "data_contract": _contract,
    "privacy": _privacy,
    "drift": _drift,
}
