"""A week that is known exactly, in a real Prometheus: every figure of the report equals the truth."""

from __future__ import annotations

import engine_history
import pytest
import sla_truth
import sla_world

from bascule.prometheus import Prometheus
from bascule.sla import evaluate, render_html, render_json
from bascule.spec import parse

pytestmark = pytest.mark.integration
MIDNIGHT_IN_PARIS = 1767222000.0  # 2026-01-01T00:00+01:00


@pytest.fixture(scope="module")
def world():
    return sla_world.build(seed=1, start=MIDNIGHT_IN_PARIS, days=6, interval=300)


@pytest.fixture(scope="module")
def prometheus(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prometheus")
    world.write(folder / "in.txt")
    sla_truth.write_blocks(folder / "in.txt", folder / "data")
    with sla_truth.prometheus(folder / "data", folder) as client:
        yield client


def report_of(world, prometheus, start=None, end=None):
    begin, stop = world.times[0] - world.interval, world.times[-1]
    journal = sla_truth.journal_of(world)
    return evaluate(parse(sla_world.SPEC), prometheus, start or begin, end or stop, journal=journal)


def test_every_figure_equals_the_truth(world, prometheus):
    """Down-time, resets, a gap, births, an idle night and maintenance: exact, not about right."""
    check = sla_truth.differences(report_of(world, prometheus), world)
    assert check.wrong == []
    assert check.figures > 800


def test_bounds_that_are_on_no_grid_are_exact_too(world, prometheus):
    """A span need not begin on a full hour: its edges are read at the second."""
    start, end = world.times[0] + 37 * 301, world.times[-1] - 12_345
    report = report_of(world, prometheus, start, end)
    for row in report.objectives[0].rows:
        if row.dimension == "service":
            up, watched = world.uptime(row.name, start, end)
            assert row.assessment.current.good == pytest.approx(up, abs=world.interval)
            assert row.assessment.current.total == pytest.approx(watched, abs=world.interval)
    errors = next(o for o in report.objectives if o.name == "error_rate")
    requests = world.counted("requests", start, end)
    within = sum(point.value is not None for point in errors.chart)
    assert within > 50
    latency = next(o for o in report.objectives if o.name == "response_time")
    assert latency.whole.current.total == pytest.approx(requests, rel=1e-9)


def test_two_replicas_give_the_report_of_one(tmp_path):
    """Births, resets and a gap, read from raw samples: they belong to the series that both replicas have."""
    day = sla_world.build(seed=2, start=MIDNIGHT_IN_PARIS, days=1, interval=300)
    day.write(tmp_path / "in.txt")
    text = (tmp_path / "in.txt").read_text()
    told = []
    for name, content, label in (("one", text, None), ("both", engine_history.scraped_twice(text), "replica")):
        (tmp_path / f"{name}.txt").write_text(content)
        sla_truth.write_blocks(tmp_path / f"{name}.txt", tmp_path / name)
        with sla_truth.prometheus(tmp_path / name, tmp_path) as client:
            told.append(render_json(report_of(day, Prometheus(client.url, replica_label=label))))
    assert told[0] == told[1]


def test_the_same_data_gives_the_same_bytes(world, prometheus):
    one, two = report_of(world, prometheus), report_of(world, prometheus)
    assert render_json(one) == render_json(two)
    assert render_html(one, "fr") == render_html(two, "fr")


def test_a_span_before_all_data_has_no_data_and_says_so(world, prometheus):
    report = report_of(world, prometheus, world.times[0] - 10 * 86400, world.times[0] - 9 * 86400)
    assert {objective.outcome for objective in report.objectives} == {"NO DATA"}
    assert report.exit_code == 4
    assert render_html(report)
