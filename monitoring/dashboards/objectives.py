"""Objectives: how fast the budget of bad requests is spent, over several windows (docs/alerts.md)."""

from __future__ import annotations

from monitoring import names
from monitoring.alerts.promql import duration
from monitoring.slo import PERIOD, RATES

from .form import RATE, Board, Ground, Panel, Query, Row, Step, Variable, lines

_S = 'service=~"$service"'
_BAD, _ALL, _BUDGET = f"{names.SLO_BAD.name}_total", f"{names.SLO_ALL.name}_total", names.SLO_BUDGET.name
_BY = "service, objective"
_OF = "{{service}} {{objective}}"


def objectives(_: Ground) -> Board:
    """The dashboard."""
    factors = sorted({rate.factor for rate in RATES})
    windows = tuple(
        lines(
            f"Burn rate over {duration(window)}",
            f"How many times too fast the budget is spent, over {duration(window)}: at 1 it lasts just as long as the "
            "promise.",
            (_burn(duration(window)), _OF),
            unit="none",
            least=0,
            width=6,
            # Slow windows warn from their own factor on; the largest one pages.
            steps=(Step(factors[0], "orange"), Step(factors[-1], "red")),
            alerts=("AffiantObjectiveBurn",),
        )
        for window in sorted({each for rate in RATES for each in (rate.short, rate.long)})
    )
    budget = lines(
        "Budget left",
        f"Share of the budget of bad requests that is left of {PERIOD:g} days; below 0 the promise is broken.",
        (f"1 - {_burn(f'{PERIOD:g}d')}", _OF),
        unit="percentunit",
        most=1,
        width=12,
        alerts=("AffiantObjectiveBurn",),
    )
    table = Panel(
        "What may be bad",
        "Share of the requests that each objective allows to be bad: the policy's promise.",
        (Query(f"max by ({_BY}) ({_BUDGET}{{{_S}}})", _OF),),
        unit="percentunit",
        kind="table",
        width=12,
    )
    now = Row("Budgets", (budget, table, *_shares()))
    gateway = Row("As the gateways count", (_failed(),))
    return Board(
        "affiant-objectives",
        "Affiant: objectives",
        "Errors, refusals, latency, confidence and scores against what the policy promises, as burn rates.",
        (now, Row("Burn rates", windows), gateway),
        (Variable("service", "Service", _ALL),),
    )


def _burn(window: str) -> str:
    share = (
        f"sum by ({_BY}) (increase({_BAD}{{{_S}}}[{window}])) "
        f"/ (sum by ({_BY}) (increase({_ALL}{{{_S}}}[{window}])) > 0)"
    )
    return f"{share} / on ({_BY}) max by ({_BY}) ({_BUDGET}{{{_S}}} > 0)"


def _shares() -> tuple[Panel, ...]:
    return (
        lines(
            "Bad requests",
            "Bad requests so far, as the monitor counts them from the records: by slot and objective.",
            (f"sum by (service, slot, objective) ({_BAD}{{{_S}}})", "{{service}} {{slot}} {{objective}} bad"),
            (f"sum by (service, slot, objective) ({_ALL}{{{_S}}})", "{{service}} {{slot}} {{objective}} all"),
            unit="none",
            least=0,
            width=24,
        ),
    )


def _failed() -> Panel:
    named = f'{_S},service!=""'
    every = f"sum by (service) (rate(affiant_requests_total{{{named}}}[{RATE}]))"
    bad = f'sum by (service) (rate(affiant_requests_total{{{named},status=~"5.."}}[{RATE}]))'
    return lines(
        "Failed requests",
        "Share of the requests that failed, by the gateways' own count: seen at once, before the log is read.",
        (f"({bad} or 0 * {every}) / ({every} > 0)", "{{service}}"),
        unit="percentunit",
        least=0,
        width=24,
        alerts=("AffiantGatewayBurn",),
    )
