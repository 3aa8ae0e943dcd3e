"""A dashboard's JSON as the generator writes it. Another panel type, option or value is refused: nothing is dropped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bascule.errors import UsageError

Colour = Literal["green", "yellow", "red", "blue", "purple"]
DETAILS = re.compile(r"/d/(?P<uid>[\w-]+)\?\$\{__url_time_range\}")
BETWEEN = re.compile(r"(?P<field>\w+):\[(?P<low>\d+) TO (?P<high>\d+)\]")
LABEL_VALUES = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")


class BoardPart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


# ---------------------------------------------------------------- what is asked


class MetricsSource(BoardPart):
    type: Literal["prometheus"]
    uid: Literal["${datasource}"]


class LogsSource(BoardPart):
    type: Literal["elasticsearch"]
    uid: Literal["${logs}"]


class PanelQuery(BoardPart):
    """`range`: a course over the whole span; else the value at its end."""

    ref_id: str = Field(alias="refId")
    expr: str
    legend: str = Field(alias="legendFormat")
    range: bool
    instant: bool
    format: Literal["time_series", "table"] = "time_series"
    datasource: MetricsSource


class LogsMetric(BoardPart):
    id: Literal["1"]
    type: Literal["logs"]


class LogsQuery(BoardPart):
    ref_id: str = Field(alias="refId")
    query: str = Field(pattern=f"^{BETWEEN.pattern}$")
    time_field: Literal["@timestamp"] = Field(alias="timeField")
    metrics: tuple[LogsMetric]

    @property
    def conditions(self) -> tuple[str, str]:
        """As the logs role takes it."""
        found = BETWEEN.fullmatch(self.query)
        assert found is not None  # as validated
        return f"{found['field']}>={found['low']}", f"{found['field']}<={found['high']}"


# ---------------------------------------------------------------- how values are shown


class ColourStep(BoardPart):
    """A colour from this value on; `value` is None for the lowest."""

    color: Colour
    value: float | None


class ColourSteps(BoardPart):
    mode: Literal["absolute"]
    steps: tuple[ColourStep, ...]


class MappedWord(BoardPart):
    text: str
    index: int


class Mapping(BoardPart):
    """Values that are shown as words."""

    type: Literal["value"]
    options: dict[str, MappedWord]


class ThresholdsStyle(BoardPart):
    mode: Literal["dashed"]


class Lines(BoardPart):
    fill: Literal[5] = Field(alias="fillOpacity")
    width: Literal[2] = Field(alias="lineWidth")
    span_nulls: Literal[False] = Field(alias="spanNulls")
    thresholds: ThresholdsStyle | None = Field(None, alias="thresholdsStyle")


class ByName(BoardPart):
    id: Literal["byName"]
    options: str


class FixedColour(BoardPart):
    mode: Literal["fixed"]
    colour: Colour = Field(alias="fixedColor")


class ColourProperty(BoardPart):
    id: Literal["color"]
    value: FixedColour


class AxisProperty(BoardPart):
    id: Literal["custom.axisPlacement"]
    value: Literal["right"]


class UnitProperty(BoardPart):
    id: Literal["unit"]
    value: str


Property = Annotated[ColourProperty | AxisProperty | UnitProperty, Field(discriminator="id")]


class Override(BoardPart):
    """What holds for the series of one name alone."""

    matcher: ByName
    properties: tuple[Property, ...]


class Defaults(BoardPart):
    unit: str = "none"
    thresholds: ColourSteps | None = None
    mappings: tuple[Mapping, ...] = ()
    custom: Lines | None = None


class FieldConfig(BoardPart):
    defaults: Defaults
    overrides: tuple[Override, ...] = ()


# ---------------------------------------------------------------- panels


class GridPlace(BoardPart):
    """On a grid of 24 columns."""

    x: int
    y: int
    w: int
    h: int


class Leading(BoardPart):
    """To other dashboards, in the same window."""

    title: str
    icon: Literal[""]
    tooltip: Literal[""]
    blank: Literal[False] = Field(alias="targetBlank")


class Link(Leading):
    """To the dashboard with the details; the span of time goes with it."""

    type: Literal["link"]
    tags: tuple[()] = ()
    url: str = Field(pattern=f"^{DETAILS.pattern}$")
    dropdown: Literal[False] = Field(alias="asDropdown")
    include_vars: Literal[False] = Field(alias="includeVars")
    keep_time: Literal[False] = Field(alias="keepTime")

    @property
    def uid(self) -> str:
        found = DETAILS.fullmatch(self.url)
        return found["uid"] if found else ""


class PanelPart(BoardPart):
    id: int
    title: str
    place: GridPlace = Field(alias="gridPos")


class RowPanel(PanelPart):
    type: Literal["row"]
    collapsed: Literal[False]
    panels: tuple[()] = ()


class Drawn(PanelPart):
    """What every panel but a row has."""

    description: str
    transparent: Literal[False]
    repeat: Literal["h"] = Field(alias="repeatDirection")
    links: tuple[Link, ...] = ()


class DrawnMetrics(Drawn):
    datasource: MetricsSource
    targets: tuple[PanelQuery, ...]
    field: FieldConfig = Field(alias="fieldConfig")

    @property
    def unit(self) -> str:
        return self.field.defaults.unit

    @property
    def steps(self) -> tuple[ColourStep, ...]:
        thresholds = self.field.defaults.thresholds
        return thresholds.steps if thresholds else ()

    def word(self, value: float) -> str:
        """What is shown instead of a value; empty without one."""
        found = (mapping.options.get(f"{value:g}") for mapping in self.field.defaults.mappings)
        return next((word.text for word in found if word), "")

    def properties(self, name: str) -> Iterator[Property]:
        for override in self.field.overrides:
            if override.matcher.options == name:
                yield from override.properties


class ListLegend(BoardPart):
    mode: Literal["list"] = Field(alias="displayMode")
    placement: Literal["bottom"]
    shown: Literal[False] = Field(alias="showLegend")
    calcs: tuple[()] = ()


class TableLegend(BoardPart):
    mode: Literal["table"] = Field(alias="displayMode")
    placement: Literal["bottom", "right"]
    shown: Literal[True] = Field(alias="showLegend")
    calcs: tuple[Literal["lastNotNull", "max"], ...] = ()
    values: tuple[()] = ()


class Tooltip(BoardPart):
    mode: Literal["multi", "single"]
    sort: Literal["asc"]


class Reduce(BoardPart):
    calcs: tuple[Literal["lastNotNull"]]


class TimeSeriesOptions(BoardPart):
    legend: TableLegend
    tooltip: Tooltip


class StatOptions(BoardPart):
    """`text`: the name of the series, or its value."""

    colour: Literal["value", "background"] = Field(alias="colorMode")
    text: Literal["auto", "name"] = Field(alias="textMode")
    graph: Literal["none"] = Field(alias="graphMode")
    justify: Literal["auto"] = Field(alias="justifyMode")
    orientation: Literal["auto"]
    percent_colour: Literal["standard"] = Field(alias="percentChangeColorMode")
    percent: Literal[False] = Field(alias="showPercentChange")
    wide: Literal[True] = Field(alias="wideLayout")
    reduce: Reduce = Field(alias="reduceOptions")


class BarOptions(BoardPart):
    mode: Literal["gradient"] = Field(alias="displayMode")
    legend: ListLegend
    orientation: Literal["horizontal"]
    unfilled: Literal[True] = Field(alias="showUnfilled")
    most_height: Literal[300] = Field(alias="maxVizHeight")
    least_height: Literal[16] = Field(alias="minVizHeight")
    least_width: Literal[8] = Field(alias="minVizWidth")
    names: Literal["auto"] = Field(alias="namePlacement")
    sizing: Literal["auto"]
    values: Literal["color"] = Field(alias="valueMode")
    reduce: Reduce = Field(alias="reduceOptions")


class PieOptions(BoardPart):
    legend: TableLegend
    tooltip: Tooltip
    orientation: Literal["auto"]
    kind: Literal["pie"] = Field(alias="pieType")
    reduce: Reduce = Field(alias="reduceOptions")


class LogsOptions(BoardPart):
    dedup: Literal["none"] = Field(alias="dedupStrategy")
    details: Literal[False] = Field(alias="enableLogDetails")
    prettify: Literal[False] = Field(alias="prettifyLogMessage")
    common_labels: Literal[False] = Field(alias="showCommonLabels")
    labels: Literal[False] = Field(alias="showLabels")
    context: Literal[False] = Field(alias="showLogContextToggle")
    time: Literal[True] = Field(alias="showTime")
    order: Literal["Descending"] = Field(alias="sortOrder")
    wrap: Literal[True] = Field(alias="wrapLogMessage")


class TimeSeries(DrawnMetrics):
    type: Literal["timeseries"]
    options: TimeSeriesOptions


class Stat(DrawnMetrics):
    type: Literal["stat"]
    options: StatOptions


class Bars(DrawnMetrics):
    type: Literal["bargauge"]
    options: BarOptions


class Pie(DrawnMetrics):
    type: Literal["piechart"]
    options: PieOptions


class Table(DrawnMetrics):
    type: Literal["table"]


class States(DrawnMetrics):
    type: Literal["state-timeline"]


class DrawnLogs(Drawn):
    type: Literal["logs"]
    datasource: LogsSource
    targets: tuple[LogsQuery, ...]
    options: LogsOptions


MetricsPanel = TimeSeries | Stat | Bars | Pie | Table | States
Panel = Annotated[RowPanel | MetricsPanel | DrawnLogs, Field(discriminator="type")]


# ---------------------------------------------------------------- the dashboard


class Current(BoardPart):
    selected: Literal[True]
    text: Literal["All"]
    value: Literal["$__all"]


class VariablePart(BoardPart):
    name: str
    label: str
    custom: Literal[True] = Field(alias="allowCustomValue")
    auto: Literal[False]
    auto_count: Literal[30]
    auto_min: Literal["10s"]
    sync: Literal[False] = Field(alias="skipUrlSync")


class Choice(VariablePart):
    """One value of a label, several, or all of them."""

    type: Literal["query"]
    query: str = Field(pattern=f"^{LABEL_VALUES.pattern}$")
    datasource: MetricsSource
    current: Current
    all_value: Literal[".*"] = Field(alias="allValue")
    include_all: Literal[True] = Field(alias="includeAll")
    multi: Literal[True]
    refresh: Literal[2]

    @property
    def label_of_series(self) -> str:
        return self._asked["label"]

    @property
    def selector(self) -> str:
        return self._asked["selector"]

    @property
    def _asked(self) -> re.Match[str]:
        found = LABEL_VALUES.fullmatch(self.query)
        assert found is not None  # as validated
        return found


class SourceChoice(VariablePart):
    """Which server is asked: here always the spec's own."""

    type: Literal["datasource"]
    query: Literal["prometheus", "elasticsearch"]
    include_all: Literal[False] = Field(alias="includeAll")
    multi: Literal[False]


class Templating(BoardPart):
    list: tuple[Annotated[Choice | SourceChoice, Field(discriminator="type")], ...]


class BoardAnnotation(BoardPart):
    """Moments and spans that every chart marks: where the expression has a value."""

    name: str
    expr: str
    colour: Colour = Field(alias="iconColor")
    datasource: MetricsSource
    built_in: Literal[0] = Field(alias="builtIn")
    enable: Literal[True]
    hide: Literal[False]


class Annotations(BoardPart):
    list: tuple[BoardAnnotation, ...]


class Dropdown(Leading):
    """To every dashboard with the tags."""

    type: Literal["dashboards"]
    tags: tuple[str, ...]
    dropdown: Literal[True] = Field(alias="asDropdown")
    include_vars: Literal[True] = Field(alias="includeVars")
    keep_time: Literal[True] = Field(alias="keepTime")


class BoardTime(BoardPart):
    start: Literal["now-1h"] = Field(alias="from")
    end: Literal["now"] = Field(alias="to")


class Dashboard(BoardPart):
    uid: str
    title: str
    description: str
    panels: tuple[Panel, ...]
    templating: Templating
    annotations: Annotations
    links: tuple[Dropdown, ...]
    tags: tuple[str, ...]
    time: BoardTime
    timezone: Literal["browser"]
    refresh: Literal["10s"]
    editable: Literal[False]
    cursor: Literal[1] = Field(alias="graphTooltip")
    first_month: Literal[0] = Field(alias="fiscalYearStartMonth")
    schema_version: Literal[41] = Field(alias="schemaVersion")

    @property
    def choices(self) -> tuple[Choice, ...]:
        return tuple(each for each in self.templating.list if isinstance(each, Choice))


def read(text: str) -> Dashboard:
    """Raises UsageError for what this page cannot draw."""
    try:
        return Dashboard.model_validate_json(text)
    except ValidationError as error:
        first: Any = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"a dashboard cannot be drawn: {where}: {first['msg']}", "open it in Grafana") from error
