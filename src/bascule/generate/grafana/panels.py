"""Grafana dashboards from plain descriptions, built with Grafana's own SDK (classic JSON, schema 41).

What the SDK leaves open is set here: ids, refIds, a place on the grid, the data source variable, reduce options.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    elasticsearch,
    logs,
    piechart,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import prometheus as queries
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from bascule.conventions import SEGMENT, VERSION, Alert, Recorded
from bascule.spec import Spec

WIDTH = 24
DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
LOGS_SOURCE = models.DataSourceRef(type_val="elasticsearch", uid="${logs}")
TAG = "bascule"

Steps = tuple[tuple[int | float | None, str], ...]
_ONE_COLOUR: Mapping[str, Steps] = {"green": ((None, "green"),), "neutral": ((None, "blue"),)}


def up_to(limit: float, near: float | None = None) -> Steps:
    """Green below, red from the limit; yellow in between when `near` is given."""
    middle: Steps = ((near, "yellow"),) if near is not None else ()
    return ((None, "green"), *middle, (limit, "red"))


def at_least(limit: float, near: float | None = None) -> Steps:
    middle: Steps = ((near, "yellow"),) if near is not None else ()
    return ((None, "red"), *middle, (limit, "green"))


def _steps(written: Any) -> Any:
    """`{up_to: 1, near: 0.9}`, `{at_least: 1}`, `green` or `neutral`; what is steps already stays."""
    if isinstance(written, str):
        return _ONE_COLOUR[written]
    if isinstance(written, dict) and "up_to" in written:
        return up_to(written["up_to"], written.get("near"))
    return at_least(written["at_least"], written.get("near")) if isinstance(written, dict) else written


class Panel(BaseModel):
    """One panel, as `boards/` writes it. `targets`: legends to expressions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    text: str
    targets: dict[str, str]
    unit: str = "none"
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    steps: Annotated[Steps, BeforeValidator(_steps)] = ()
    right: dict[str, str] = Field(default_factory=dict)  # legends drawn on an axis of their own, and their unit
    words: dict[str, str] = Field(default_factory=dict)  # value to what is shown instead
    by_name: dict[str, str] = Field(default_factory=dict)  # the series' name is shown, in this colour
    leads_to: str = ""  # uid of the dashboard with the details


@dataclass(frozen=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Board:
    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    with_logs: bool


def to_json(spec: Spec, board: Board) -> str:
    """The dashboard as Grafana imports and provisions it."""
    built = _builder(spec, board).build()
    return json.dumps(json.loads(JSONEncoder(sort_keys=True).encode(built)), indent=1, sort_keys=True) + "\n"


def _builder(spec: Spec, board: Board) -> dashboard.Dashboard:
    builder = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags([TAG, spec.metadata.name])
        .readonly()
        .timezone("browser")
        .time("now-1h", "now")
        .refresh("10s")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(_to_the_others())
    )
    for variable in _variables(spec, board):
        builder.with_variable(variable)
    for annotation in _annotations(spec):
        builder.annotation(annotation)
    return _lay_out(builder, board)


def _lay_out(builder: dashboard.Dashboard, board: Board) -> dashboard.Dashboard:
    """Rows from top to bottom, panels from left to right, each line as high as its highest panel."""
    top, number = 0, 1
    for row in board.rows:
        builder.with_row(dashboard.Row(row.title).grid_pos(models.GridPos(h=1, w=WIDTH, x=0, y=top)).id(number))
        top, number, left, highest = top + 1, number + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > WIDTH:
                top, left, highest = top + highest, 0, 0
            place = models.GridPos(h=panel.height, w=panel.width, x=left, y=top)
            builder.with_panel(_panel(panel).id(number).grid_pos(place))
            left, highest, number = left + panel.width, max(highest, panel.height), number + 1
        top += highest
    return builder


# ---------------------------------------------------------------- variables, annotations, links


def _variables(spec: Spec, board: Board) -> Iterator[Any]:
    yield dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    yield _values_of(VERSION, "Version")
    if spec.segments.named:
        yield _values_of(SEGMENT, "Segment")
    if board.with_logs:
        yield dashboard.DatasourceVariable("logs").label("Log source").type("elasticsearch")


def _values_of(label: str, title: str) -> Any:
    return (
        dashboard.QueryVariable(label)
        .label(title)
        .datasource(DATASOURCE)
        .query(f"label_values({Recorded.REQUESTS}, {label})")
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(models.VariableOption(selected=True, text="All", value="$__all"))
    )


def _annotations(spec: Spec) -> Iterator[Any]:
    switch = f"{spec.alert_prefix}{Alert.DEAD_MANS_SWITCH}"
    for name, expr, colour in (
        ("Alerts", f'ALERTS{{alertstate="firing",alertname!="{switch}"}}', "red"),
        ("Phases", "changes(bascule_phase[1m]) > 0", "blue"),
    ):
        yield dashboard.AnnotationQuery().name(name).datasource(DATASOURCE).enable(True).icon_color(colour).expr(expr)


def _to_the_others() -> Any:
    link = dashboard.DashboardLink("Bascule").type(models.DashboardLinkType.DASHBOARDS).tags([TAG])
    return link.keep_time(True).include_vars(True).as_dropdown(True)


# ---------------------------------------------------------------- panels


def _panel(panel: Panel) -> Any:
    built = _KINDS[panel.kind](panel)
    built.title(panel.title).description(panel.text)
    for letter, (legend, expr) in zip("ABCDEFGHIJ", panel.targets.items(), strict=False):
        built.with_target(_target(panel.kind, legend, expr).ref_id(letter))
    if panel.leads_to:
        details = dashboard.DashboardLink("Details").type(models.DashboardLinkType.LINK)
        built.links([details.url(f"/d/{panel.leads_to}?${{__url_time_range}}")])
    return built


def _target(kind: str, legend: str, expr: str) -> Any:
    if kind == "logs":
        lines = elasticsearch.Logs().id("1")
        return elasticsearch.Dataquery().query(expr).time_field("@timestamp").metrics([lines])
    query = prometheus.Dataquery().expr(expr).legend_format(legend).datasource(DATASOURCE)
    if kind in ("timeseries", "state-timeline"):
        return query.range()
    as_rows = kind == "table"
    return query.instant().format(queries.PromQueryFormat.TABLE if as_rows else queries.PromQueryFormat.TIME_SERIES)


def _shared(built: Any, panel: Panel) -> Any:
    built.datasource(LOGS_SOURCE if panel.kind == "logs" else DATASOURCE)
    if panel.kind != "logs":
        built.unit(panel.unit)
    if panel.steps:
        built.thresholds(_thresholds(panel.steps))
    if panel.words:
        shown = {
            value: models.ValueMappingResult(text=text, index=index)
            for index, (value, text) in enumerate(panel.words.items())
        }
        built.mappings([models.ValueMap(options=shown)])
    return built


def _thresholds(steps: Steps) -> Any:
    thresholds = [models.Threshold(value=value, color=colour) for value, colour in steps]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(thresholds)


def _last() -> Any:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def _timeseries(panel: Panel) -> Any:
    built = _shared(timeseries.Panel(), panel).fill_opacity(5).line_width(2).span_nulls(False)
    built.legend(
        common.VizLegendOptions()
        .display_mode(common_models.LegendDisplayMode.TABLE)
        .placement(common_models.LegendPlacement.BOTTOM)
        .calcs(["lastNotNull", "max"])
        .show_legend(True)
    )
    built.tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
    if panel.steps:
        dashed = common.GraphThresholdsStyleConfig().mode(common_models.GraphThresholdsStyleMode.DASHED)
        built.thresholds_style(dashed)
    for legend, unit in panel.right.items():
        axis = [
            models.DynamicConfigValue(id_val="custom.axisPlacement", value="right"),
            models.DynamicConfigValue(id_val="unit", value=unit),
        ]
        built.override_by_name(legend, axis)
    return built


def _stat(panel: Panel) -> Any:
    built = _shared(stat.Panel(), panel).reduce_options(_last()).graph_mode(common_models.BigValueGraphMode.NONE)
    if panel.by_name:
        built.text_mode(common_models.BigValueTextMode.NAME).color_mode(common_models.BigValueColorMode.BACKGROUND)
    for name, colour in panel.by_name.items():
        fixed = {"mode": "fixed", "fixedColor": colour}
        built.override_by_name(name, [models.DynamicConfigValue(id_val="color", value=fixed)])
    return built


def _bars(panel: Panel) -> Any:
    built = _shared(bargauge.Panel(), panel).reduce_options(_last())
    return built.orientation(common_models.VizOrientation.HORIZONTAL)


def _pie(panel: Panel) -> Any:
    legend = (
        piechart.PieChartLegendOptions()
        .display_mode(common_models.LegendDisplayMode.TABLE)
        .placement(common_models.LegendPlacement.RIGHT)
        .show_legend(True)
    )
    return _shared(piechart.Panel(), panel).reduce_options(_last()).legend(legend)


def _table(panel: Panel) -> Any:
    return _shared(table.Panel(), panel)


def _states(panel: Panel) -> Any:
    return _shared(statetimeline.Panel(), panel)


def _logs(panel: Panel) -> Any:
    return _shared(logs.Panel(), panel).show_time(True).wrap_log_message(True)


_KINDS = {
    "timeseries": _timeseries,
    "stat": _stat,
    "bargauge": _bars,
    "piechart": _pie,
    "table": _table,
    "state-timeline": _states,
    "logs": _logs,
}
