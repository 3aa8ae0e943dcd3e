"""Dashboards against the rules of Grafana's dashboard-linter, ported to Python; exclusions carry a reason."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest

from bascule.discover.verify import producer, selectors_of
from bascule.generate.grafana.dashboards import boards_of, grafana_files
from bascule.generate.prometheus.rule_groups import rule_groups
from bascule.spec import Spec, built_in_text, load, parse

SPEC = load("supersmartmatch")
FILES = {name: text for name, text in grafana_files(SPEC).items() if name.endswith(".json")}
BOARDS: dict[str, dict[str, Any]] = {Path(name).stem: json.loads(text) for name, text in FILES.items()}
LITERAL = Path(__file__).parents[2] / "fixtures" / "source-document"
EXCLUDED = {
    "template-job": "panels read recorded series, which are summed over jobs",
    "template-instance": "panels read recorded series, which are summed over instances",
    "target-job": "as template-job: a recorded series has no job to filter by",
    "target-instance": "as template-instance",
}


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (panel for panel in board.get("panels", []) if panel["type"] != "row")


def expressions(board: dict[str, Any]) -> Iterator[str]:
    for panel in panels(board):
        if panel["datasource"]["type"] == "prometheus":
            yield from (target["expr"] for target in panel["targets"])


def filled_in(expr: str) -> str:
    """PromQL as Prometheus gets it: the variables replaced."""
    for name, value in (("$__rate_interval", "1m"), ("$version", ".*"), ("$user_segment", ".*")):
        expr = expr.replace(name, value)
    return expr


def template_datasource(board: dict[str, Any]) -> Iterator[str]:
    found = [v for v in board.get("templating", {}).get("list", []) if v["type"] == "datasource"]
    if not any(v["name"] == "datasource" and v["label"] == "Data source" for v in found):
        yield "no data source variable named datasource, labelled 'Data source'"


def template_label_promql(board: dict[str, Any]) -> Iterator[str]:
    for variable in board.get("templating", {}).get("list", []):
        if variable["type"] == "query":
            match = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
            if not match:
                yield f"{variable['name']}: {variable['query']}"
            else:
                promql_parser.parse(match[1])


def template_on_time_change_reload(board: dict[str, Any]) -> Iterator[str]:
    for variable in board.get("templating", {}).get("list", []):
        if variable["type"] == "query" and variable["refresh"] != 2:
            yield f"{variable['name']} is not refreshed when the time range changes"


def panel_datasource(board: dict[str, Any]) -> Iterator[str]:
    for panel in panels(board):
        if panel.get("datasource", {}).get("uid") not in ("${datasource}", "${logs}"):
            yield f"{panel['title']} does not use the variable"


def panel_title_description(board: dict[str, Any]) -> Iterator[str]:
    yield from (str(p.get("title")) for p in panels(board) if not p.get("title") or not p.get("description"))


def panel_units(board: dict[str, Any]) -> Iterator[str]:
    for panel in panels(board):
        if panel["type"] != "logs" and not panel.get("fieldConfig", {}).get("defaults", {}).get("unit"):
            yield f"{panel['title']} has no unit"


def panel_no_targets(board: dict[str, Any]) -> Iterator[str]:
    yield from (panel["title"] for panel in panels(board) if not panel.get("targets"))


def target_promql(board: dict[str, Any]) -> Iterator[str]:
    for expr in expressions(board):
        try:
            promql_parser.parse(filled_in(expr))
        except ValueError as error:
            yield f"{expr}: {error}"


def target_rate_interval(board: dict[str, Any]) -> Iterator[str]:
    for expr in expressions(board):
        if re.search(r"\b(rate|irate)\([^)]*\[(?!\$__rate_interval)", expr):
            yield expr


def target_counter_agg(board: dict[str, Any]) -> Iterator[str]:
    for expr in expressions(board):
        for match in re.finditer(r"\b[a-z_:]+_total\b", expr):
            if not re.search(r"(rate|irate|increase)\($", expr[: match.start()]):
                yield expr


def uneditable_dashboard(board: dict[str, Any]) -> Iterator[str]:
    if board.get("editable", True):
        yield "it is editable"


RULES: dict[str, Callable[[dict[str, Any]], Iterator[str]]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        template_datasource,
        template_label_promql,
        template_on_time_change_reload,
        panel_datasource,
        panel_title_description,
        panel_units,
        panel_no_targets,
        target_promql,
        target_rate_interval,
        target_counter_agg,
        uneditable_dashboard,
    )
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("board", BOARDS)
def test_every_dashboard_keeps_the_linters_rules(rule: str, board: str) -> None:
    """Zero findings; what is excluded is excluded with a reason."""
    assert list(RULES[rule](BOARDS[board])) == []


def test_exclusions_carry_a_reason() -> None:
    """And exclude nothing that is checked."""
    assert all(EXCLUDED.values())
    assert not set(EXCLUDED) & set(RULES)


@pytest.mark.parametrize("name", ["executive.json", "technical.json"])
def test_the_source_documents_own_dashboards_fail_them(name: str) -> None:
    """Wrapped, without data source, grid, ids, refIds and units: the rules can tell."""
    board = json.loads((LITERAL / name).read_text("utf-8"))["dashboard"]
    assert list(template_datasource(board))
    assert list(panel_units(board))
    assert list(panel_datasource(board))


def test_panels_do_not_overlap_and_stay_on_the_grid() -> None:
    """24 columns, each cell once."""
    for board in BOARDS.values():
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not taken & cells, f"{board['title']}: {panel['title']}"
            assert max(x for x, _ in cells) < 24
            taken |= cells


def test_ids_refids_and_schema_are_what_grafana_wants() -> None:
    """Ids unique in a dashboard, refIds unique in a panel, an integer schema version, a stable uid."""
    for uid, board in BOARDS.items():
        ids = [panel["id"] for panel in board["panels"]]
        assert len(ids) == len(set(ids))
        assert board["uid"] == uid
        assert isinstance(board["schemaVersion"], int)
        assert len(uid) <= 40
        for panel in panels(board):
            letters = [target["refId"] for target in panel["targets"]]
            assert "" not in letters
            assert len(letters) == len(set(letters))


def test_single_figures_say_how_they_are_reduced() -> None:
    """The SDK leaves a pie chart's calcs empty: nothing would be drawn."""
    for board in BOARDS.values():
        for panel in panels(board):
            if panel["type"] in ("stat", "bargauge", "piechart"):
                assert panel["options"]["reduceOptions"]["calcs"] == ["lastNotNull"]


def test_the_source_documents_panels_are_all_there() -> None:
    """Its readers find them under their names, in dashboards of the same names."""
    for name, uid in (("executive.json", "supersmartmatch-executive"), ("technical.json", "supersmartmatch-technical")):
        literal = json.loads((LITERAL / name).read_text("utf-8"))["dashboard"]
        assert BOARDS[uid]["title"] == literal["title"]
        assert {panel["title"] for panel in literal["panels"]} <= {panel["title"] for panel in panels(BOARDS[uid])}


def test_a_planned_ten_percent_is_not_red() -> None:
    """The progress is not coloured by share; what is coloured is the distance from the plan."""
    board = BOARDS["supersmartmatch-executive"]
    progress = next(panel for panel in panels(board) if panel["title"] == "Migration Progress")
    assert [step["color"] for step in progress["fieldConfig"]["defaults"]["thresholds"]["steps"]] == ["blue"]


def test_a_ratio_beside_points_has_an_axis_of_its_own() -> None:
    """On one axis one of the two is a flat line."""
    board = BOARDS["supersmartmatch-executive"]
    impact = next(panel for panel in panels(board) if panel["title"] == "Business Impact")
    override = impact["fieldConfig"]["overrides"][0]
    assert {"id": "custom.axisPlacement", "value": "right"} in override["properties"]


MINIMAL = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {baseline: v1, candidate: v2}
services: {shop: {targets: ["127.0.0.1:8001"]}}
signals:
  waits: {kind: histogram, metric: wait_seconds}
phases: [{share: 10%, hold: 1h}]
"""


@pytest.mark.parametrize("spec", [SPEC, parse(MINIMAL)], ids=["built in", "minimal"])
def test_panels_read_only_recorded_series_that_are_generated(spec: Spec) -> None:
    """A panel on a series nobody records would be empty for ever."""
    recorded = {rule.name for group in rule_groups(spec) for rule in group.recordings}
    for board in [json.loads(text) for name, text in grafana_files(spec).items() if name.endswith(".json")]:
        for expr in expressions(board):
            for name in re.findall(r"[a-z_0-9]+(?::[a-z_0-9]+){1,2}", re.sub(r'"[^"]*"', "", expr)):
                assert name in recorded, f"{board['title']}: {name}"


def test_links_between_dashboards_lead_somewhere() -> None:
    """Drill-downs name a uid that is generated."""
    uids = {board.uid for board in boards_of(SPEC)}
    for board in BOARDS.values():
        for panel in panels(board):
            for link in panel.get("links", []):
                assert link["url"].split("/d/")[1].split("?")[0] in uids


def test_every_series_of_a_board_is_made_by_something_known() -> None:
    """A name misspelt in a board's file would be an empty panel for ever."""
    text = built_in_text().replace("  hosts: ", '  boxes: {kind: container, targets: ["127.0.0.1:8080"]}\n  hosts: ')
    spec = parse(text)
    recorded = {rule.name for group in rule_groups(spec) for rule in group.recordings}
    boards = [json.loads(text) for name, text in grafana_files(spec).items() if name.endswith(".json")]
    read = {selector for board in boards for expr in expressions(board) for selector in selectors_of(filled_in(expr))}
    names = {selector.partition("{")[0] for selector in read} - recorded - {"ALERTS"}
    assert len(names) > 20
    assert [name for name in names if producer(name) == "a service"] == []
