"""Boards as Grafana's JSON, by Grafana's own library: the only module that needs it (extra `dashboards`).

The library checks no types when it runs: tests hold its JSON to @grafana/schema with `tsc --strict`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as shared
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from .form import Board, Ground, Panel, Step, Variable
from .rollback import ROLLED_BACK

_SOURCE: Final = "${source}"
"""The dashboard's variable of Prometheus data sources."""
_HEIGHTS: Final = {"lines": 8, "number": 4, "table": 8}
TAG: Final = "affiant"
_PERIOD: Final = "now-6h"
_REFRESH: Final = "30s"


def drawn(board: Board, ground: Ground) -> dict[str, Any]:
    """One dashboard, as Grafana imports it."""
    made = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.about)
        .tags([TAG])
        .timezone("browser")
        .time(_PERIOD, "now")
        .refresh(_REFRESH)
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(_others())
        .annotation(_rollbacks())
        .with_variable(dashboard.DatasourceVariable("source").label("Prometheus").type("prometheus"))
    )
    for each in board.variables:
        made.with_variable(_variable(each))
    for row in board.rows:
        made.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            made.with_panel(_panel(panel, ground))
    found: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(made.build()))
    for place, panel_found in enumerate(found["panels"], start=1):
        panel_found["id"] = place
    for each in found["templating"]["list"]:
        for key in [key for key in each if key.startswith("auto")]:
            del each[key]  # of variables of another kind: the library writes them everywhere
    _without_null(found)
    return found


def _without_null(found: Any) -> None:
    """The library writes null where Grafana's schema wants an object, such as the options of a transformation."""
    for each in found.values() if isinstance(found, dict) else found:
        if isinstance(each, dict | list):
            _without_null(each)
    if isinstance(found, dict) and "options" in found and found["options"] is None:
        found["options"] = {}


def _source() -> models.DataSourceRef:
    return models.DataSourceRef(type_val="prometheus", uid=_SOURCE)


def _others() -> dashboard.DashboardLink:
    """The other dashboards, with what was chosen."""
    return (
        dashboard.DashboardLink("Affiant")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(True)
        .keep_time(True)
        .include_vars(True)
        .icon("external link")
    )


def _rollbacks() -> dashboard.AnnotationQuery:
    return (
        dashboard.AnnotationQuery()
        .name("Rollbacks")
        .datasource(_source())
        .enable(True)
        .icon_color("red")
        .expr(ROLLED_BACK)
    )


def _variable(variable: Variable) -> dashboard.QueryVariable:
    every = models.VariableOption(selected=True, text=["All"], value=["$__all"])
    return (
        dashboard.QueryVariable(variable.name)
        .label(variable.label)
        .datasource(_source())
        .query(f"label_values({variable.metric}, {variable.name})")
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(every)
    )


def _panel(panel: Panel, ground: Ground) -> Any:
    made: Any = {"lines": _lines, "number": _number, "table": _table}[panel.kind](panel)
    made.title(panel.title).description(_about(panel)).unit(panel.unit).datasource(_source())
    made.height(_HEIGHTS[panel.kind]).span(panel.width).links([*_runbooks(panel, ground)])
    if panel.least is not None:
        made.min(panel.least)
    if panel.most is not None:
        made.max(panel.most)
    if panel.steps:
        made.thresholds(_steps(panel.base, panel.steps))
    for place, query in enumerate(panel.queries):
        asked = prometheus.Dataquery().ref_id(chr(ord("A") + place)).expr(query.expr)
        asked.legend_format(query.legend or "__auto").datasource(_source())
        if panel.kind == "lines":
            asked.range()
        else:
            asked.instant()
        if panel.kind == "table":
            asked.format(PromQueryFormat.TABLE)
        made.with_target(asked)
    return made


def _about(panel: Panel) -> str:
    """With the names of its alerts: each is that of a runbook, also where nobody has said their address."""
    alerts = ", ".join(panel.alerts)
    return f"{panel.about} Runbooks: {alerts}." if alerts else panel.about


def _lines(panel: Panel) -> timeseries.Panel:
    legend = (
        common.VizLegendOptions()
        .display_mode(shared.LegendDisplayMode.LIST)
        .placement(shared.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs([])
    )
    tooltip = (
        common.VizTooltipOptions().mode(shared.TooltipDisplayMode.MULTI).sort(shared.SortOrder.DESCENDING)
    )
    made = timeseries.Panel().legend(legend).tooltip(tooltip).fill_opacity(0).line_width(1)
    made.show_points(shared.VisibilityMode.AUTO)
    if panel.steps:
        style = common.GraphThresholdsStyleConfig().mode(shared.GraphThresholdsStyleMode.DASHED)
        made.thresholds_style(style)
    return made


def _number(panel: Panel) -> stat.Panel:
    reduced = common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)
    mode = shared.BigValueColorMode.BACKGROUND if panel.steps else shared.BigValueColorMode.NONE
    return (
        stat.Panel()
        .reduce_options(reduced)
        .color_mode(mode)
        .graph_mode(shared.BigValueGraphMode.NONE)
        .no_value("no data")
    )


def _table(_: Panel) -> table.Panel:
    """Labels and the value; not the time, which is now."""
    hidden = models.DataTransformerConfig(
        id_val="organize", options={"excludeByName": {"Time": True}, "renameByName": {"Value": "value"}}
    )
    return table.Panel().with_transformation(hidden).show_header(True)


def _steps(base: str, steps: tuple[Step, ...]) -> dashboard.ThresholdsConfig:
    found = [models.Threshold(value=None, color=base)]
    found += [models.Threshold(value=each.value, color=each.colour) for each in steps]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(found)


def _runbooks(panel: Panel, ground: Ground) -> Iterator[dashboard.DashboardLink]:
    if ground.runbooks:
        for alert in panel.alerts:
            address = f"{ground.runbooks.rstrip('/')}/{alert}.md"
            yield (
                dashboard.DashboardLink(f"What to do: {alert}")
                .type(models.DashboardLinkType.LINK)
                .url(address)
                .target_blank(True)
            )
