"""Dashboards on the console: the generated JSON and nothing else, asked as Grafana asks, drawn whole."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bascule.console.charts import Grid
from bascule.console.dashboards import shape, units
from bascule.console.dashboards.asking import Course, Moments, Told, filled_in
from bascule.console.dashboards.drawing import draw
from bascule.errors import UsageError
from bascule.generate.grafana.dashboards import grafana_files
from bascule.spec import load

GOLDEN = Path(__file__).parents[2] / "fixtures/golden"
SPECS = ("supersmartmatch", str(GOLDEN / "mapped/spec.yaml"), str(GOLDEN / "minimal/spec.yaml"))
MOMENTS = Moments(Grid(0.0, 40.0, 10.0), scrape=5.0)


def written(spec: str = "supersmartmatch") -> dict[str, str]:
    return {path: text for path, text in grafana_files(load(spec)).items() if path.endswith(".json")}


def board(name: str) -> shape.Dashboard:
    return shape.read(written()[f"grafana/dashboards/supersmartmatch-{name}.json"])


def panel(name: str, title: str) -> Any:
    return next(each for each in board(name).panels if each.title == title)


@pytest.mark.parametrize("spec", SPECS)
def test_every_generated_dashboard_is_drawn_whole_and_each_of_its_units_is_known(spec: str) -> None:
    for text in written(spec).values():
        read = shape.read(text)
        assert [each.title for each in read.panels] == [each["title"] for each in json.loads(text)["panels"]]
        for each in read.panels:
            if isinstance(each, shape.DrawnMetrics):
                assert units.text(1.5, each.unit)
                assert all(isinstance(told, str) for told in (units.axis(3.0, each.unit).short,))


CHANGES: dict[str, Any] = {
    "a panel type": lambda panel: panel.update(type="gauge"),
    "an option": lambda panel: panel["options"].update(newOption=True),
    "another value of an option": lambda panel: panel["options"].update(graphMode="area"),
    "a transformation": lambda panel: panel.update(transformations=[{"id": "merge"}]),
    "a threshold by percentage": lambda panel: panel["fieldConfig"]["defaults"]["thresholds"].update(mode="percentage"),
    "another data source": lambda panel: panel["targets"][0].update(datasource={"type": "loki", "uid": "x"}),
    "another reduction": lambda panel: panel["options"]["reduceOptions"].update(calcs=["mean"]),
    "an unknown colour": lambda panel: panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0].update(color="pink"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_dashboard_that_the_page_would_draw_wrongly_is_refused(change: str) -> None:
    told = json.loads(written()["grafana/dashboards/supersmartmatch-executive.json"])
    CHANGES[change](next(each for each in told["panels"] if each["title"] == "System Health"))
    with pytest.raises(UsageError, match="cannot be drawn"):
        shape.read(json.dumps(told))


def test_variables_stand_in_an_expression_as_grafana_puts_them_there() -> None:
    expr, choices = (
        'rate(x{version=~"$version",user_segment=~"$user_segment"}[$__rate_interval])',
        board("technical").choices,
    )
    assert filled_in(expr, choices, {}, MOMENTS) == 'rate(x{version=~".*",user_segment=~".*"}[20s])'
    chosen = {"version": ("v1",), "user_segment": ("a.b", 'c"d')}
    assert filled_in(expr, choices, chosen, MOMENTS) == 'rate(x{version=~"v1",user_segment=~"(a\\\\.b|c\\"d)"}[20s])'


def course(name: str, *values: float, **labels: str) -> Course:
    return Course(name, labels, np.array(values))


def told(*courses: Course) -> list[Told]:
    return [Told("asked", "{{a}}", courses)]


def never(_: Told) -> str:
    raise AssertionError("there is data")


def test_a_value_has_the_colour_of_the_highest_step_that_it_has_reached() -> None:
    bars = draw(
        panel("executive", "Difference from the plan"), told(course("a", 0.001), course("b", 0.5)), MOMENTS, never
    )
    assert [(each.name, each.look, each.bar) for each in bars.figures] == [("a", "ok", 0.2), ("b", "bad", 100.0)]


def test_a_value_with_a_word_of_its_own_is_shown_as_that_word() -> None:
    services = draw(panel("executive", "System Health"), told(course("v2", 0.0), course("v1", 1.0)), MOMENTS, never)
    assert [(each.text, each.look) for each in services.figures] == [("down", "bad"), ("up", "ok")]


def test_a_named_colour_goes_with_the_name_of_a_series() -> None:
    verdict = draw(panel("executive", "Verdict"), told(course("roll_back", 1.0)), MOMENTS, never)
    assert verdict.as_names
    assert [(each.name, each.look) for each in verdict.figures] == [("roll_back", "bad")]


def test_a_state_lasts_until_it_changes_and_a_gap_stays_a_gap() -> None:
    shown = draw(panel("technical", "Services"), told(course("v2", 1, 1, math.nan, 0, 1)), MOMENTS, never)
    ((_name, stretches),) = shown.states
    assert [(each.text, each.look, each.left, each.width) for each in stretches] == [
        ("up", "ok", 0, 40), ("down", "bad", 60, 20), ("up", "ok", 80, 20),
    ]  # fmt: skip


def test_a_line_on_the_right_axis_keeps_its_own_unit() -> None:
    both = (course("Accuracy improvement", 0.1, 0.13), course("Performance ratio (V1/V2)", 1.0, 1.25))
    shown = draw(panel("executive", "Business Impact"), told(*both), MOMENTS, never)
    assert [(row.name, row.last) for row in shown.legend][1] == ("Performance ratio (V1/V2)", "1.25")
    assert shown.chart is not None
    assert [(line["side"], line["values"]) for line in shown.chart["lines"]] == [
        ("left", [10, 13]),
        ("right", [1, 1.25]),
    ]
    assert shown.chart["units"] == {"left": "%", "right": ""}


def test_a_panel_without_a_value_says_why_and_is_never_an_empty_chart() -> None:
    silent = [Told("asked", "{{version}}", [course("v1", math.nan, math.nan)])]
    shown = draw(panel("technical", "Error Rates"), silent, MOMENTS, lambda _: "V1 is not scraped")
    assert shown.is_empty
    assert shown.chart is None
    assert shown.silent == [("", "V1 is not scraped")]


def test_a_panel_of_which_one_query_is_silent_shows_the_others_and_says_what_is_missing() -> None:
    both = [*told(course("v1 5xx", 0.1, 0.2)), Told("asked", "4xx", problem="Prometheus answered 422")]
    shown = draw(panel("technical", "Error Rates"), both, MOMENTS, never)
    assert [row.name for row in shown.legend] == ["v1 5xx"]
    assert shown.silent == [("4xx", "Prometheus answered 422")]


def test_the_parts_of_a_pie_are_shares_of_the_whole() -> None:
    pie = draw(panel("technical", "Traffic Distribution"), told(course("v1", 30.0), course("v2", 10.0)), MOMENTS, never)
    assert [each.text.replace("\u202f", " ") for each in pie.figures] == ["30.0 req/s (75.0 %)", "10.0 req/s (25.0 %)"]


def test_a_table_has_a_column_for_each_label() -> None:
    rows = told(course("", 1.0, __name__="x", alertname="B", severity="gate"), course("", 2.0, alertname="A"))
    shown = draw(panel("technical", "Firing alerts"), rows, MOMENTS, never)
    assert shown.columns == ["alertname", "severity", "value"]
    assert shown.rows == [["A", "", "2"], ["B", "gate", "1"]]
