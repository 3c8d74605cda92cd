"""What a gate found, on one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from registry.gates.base import GateResult


def summary(result: GateResult) -> str:
    """The main figures; empty when the gate could not run. A gate that is not known here shows its plain numbers."""
    figures: Mapping[str, Any] = result.figures
    if not figures:
        return ""
    return _LINES.get(result.name, _plain)(figures)


def span(found: Mapping[str, Any]) -> str:
    """0.7812 [0.7301, 0.8290]."""
    return f"{number(found['value'])} [{number(found['low'])}, {number(found['high'])}]"


def number(value: Any) -> str:
    """A figure, to four places; those that are no number say so."""
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _quality(figures: Mapping[str, Any]) -> str:
    parts = [f"{name} {span(found)}" for name, found in figures.items() if isinstance(found, dict)]
    share = figures.get("seen_in_training")
    seen = "" if not share else f", {share:.1%} of them in the training table"
    return f"{', '.join(parts)} on {figures['rows']:,} rows{seen}"


def _fairness(figures: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{name}: difference {_short(found['demographic_parity_difference'])}{_between(found)}, "
        f"ratio {_short(found['demographic_parity_ratio'])}{_unjudged(found.get('groups', {}))}"
        for name, found in figures.items()
    )


def _unjudged(groups: Mapping[str, Mapping[str, Any]]) -> str:
    """Who is in nobody's difference: whoever signs must not take the figures for everybody's."""
    small = [f"{name} ({each['count']:,.0f} rows)" for name, each in groups.items() if not each["judged"]]
    return f", {len(small)} of {len(groups)} groups not judged: {', '.join(small)}" if small else ""


def _between(found: Mapping[str, Any]) -> str:
    """The interval; nothing in results that are older than it."""
    there = found.get("demographic_parity_interval")
    return f" [{_short(there['low'])}, {_short(there['high'])}]" if isinstance(there, dict) else ""


def _short(value: Any) -> str:
    return "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _documentation(figures: Mapping[str, Any]) -> str:
    there = figures["characters"]
    return f"{sum(bool(each) for each in there.values())} of {len(there)} texts"


def _drift(figures: Mapping[str, Any]) -> str:
    parts = [_furthest(figures)] if "columns" in figures else []
    if (traffic := figures.get("traffic")) is not None:
        parts.append(f"{_furthest(traffic)} of recent traffic")
    return "; ".join(parts)


def _furthest(figures: Mapping[str, Any]) -> str:
    columns = figures["columns"]
    worst = max(columns, key=lambda name: columns[name]["ks_lower"])
    return f"{worst} is furthest away: KS {columns[worst]['ks_lower']:.3f}, on {figures['rows']:,} rows"


def _contract(figures: Mapping[str, Any]) -> str:
    columns = f", {len(figures['columns'])} columns" if "columns" in figures else ""
    suite = figures.get("suite")
    held = f"; {suite['held']} of {suite['expectations']} expectations" if suite else ""
    return f"{figures['rows']:,} rows{columns}{held}"


def _privacy(figures: Mapping[str, Any]) -> str:
    ner = f" and {figures['ner']}" if figures["ner"] else ""
    return f"{figures['texts']:,} texts by {len(figures['recognizers'])} recognisers{ner}"


def _explanation(figures: Mapping[str, Any]) -> str:
    return f"{figures['method']}, {figures['rows']} rows, at most {figures['largest_difference']:.2g} apart"


def _robustness(figures: Mapping[str, Any]) -> str:
    turned = figures["decisions_changed_by_missing"]
    worst = max(turned, key=turned.__getitem__, default=None)
    said = (
        f"{worst} missing turns {turned[worst]:.1%} of decisions"
        if worst
        else "no decision with a missing value"
    )
    return f"{figures['predictions']:,} predictions; {said}"


def _latency(figures: Mapping[str, Any]) -> str:
    return f"p50 {figures['p50_milliseconds']:.3g} ms, p99 {figures['p99_milliseconds']:.3g} ms"


def _size(figures: Mapping[str, Any]) -> str:
    return f"{figures['megabytes']:.3g} MB"


def _signing(figures: Mapping[str, Any]) -> str:
    kept, by = figures["signatures"], figures["signed_by"]
    good = sum(each == "holds" for each in kept.values())
    who = f"by {', '.join(each[:12] for each in by)}; " if by else ""
    return f"{who}{good} of {len(kept)} signatures count{'s' if good == 1 else ''}"


def _plain(figures: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {number(value)}" for name, value in figures.items() if isinstance(value, int | float | str)
    )


_LINES: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "quality": _quality,
    "fairness": _fairness,
    "documentation": _documentation,
    "data_contract": _contract,
    "drift": _drift,
    "privacy": _privacy,
    "explanation": _explanation,
    "robustness": _robustness,
    "latency": _latency,
    "size": _size,
    "model_signing": _signing,
}
