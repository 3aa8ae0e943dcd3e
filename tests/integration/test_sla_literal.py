"""The source document's reporter and ours, on the same server: what the first gets wrong (docs/sla.md)."""

from __future__ import annotations

import math
import time

import pytest
import sla_literal
import sla_truth
import sla_world

from bascule.sla import SLAReporter
from bascule.spec import parse

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def world():
    """Two days that end now: the literal reporter can ask for nothing else."""
    end = time.time() // 300 * 300
    return sla_world.build(seed=5, start=end - 2 * 86400, days=2, interval=300)


@pytest.fixture(scope="module")
def prometheus(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prometheus")
    world.write(folder / "in.txt")
    sla_truth.write_blocks(folder / "in.txt", folder / "data")
    with sla_truth.prometheus(folder / "data", folder) as client:
        yield client


def test_as_written_it_crashes_because_no_job_has_that_name(prometheus):
    with pytest.raises(IndexError):
        sla_literal.reporter(prometheus.url).generate_sla_report(0, 1)


def test_with_its_first_query_mended_every_figure_is_of_one_series_only(world, prometheus):
    start, end = world.times[0] - world.interval, world.times[-1]
    theirs = sla_literal.reporter(prometheus.url, mended=True).generate_sla_report(start, end)["sla_metrics"]
    ours = SLAReporter(prometheus.url, parse(sla_world.SPEC)).generate_sla_report(start, end)["sla_metrics"]
    assert theirs["error_rate"]["actual"] == 1.0 or math.isnan(theirs["error_rate"]["actual"])
    assert 0 < ours["error_rate"]["actual"] < 0.2
    assert "accuracy" not in theirs
    assert ours["accuracy"]["actual"] > 0.9
    assert theirs["availability"]["actual"] != pytest.approx(ours["availability"]["actual"], abs=1e-6)
    assert theirs["response_time"]["actual"] != pytest.approx(ours["response_time"]["actual"], abs=1e-6)


def test_its_error_rate_is_1_or_not_a_number_for_every_series(prometheus):
    """Errors are divided by themselves: the labels of both sides match only where both are errors."""
    query = 'rate(http_requests_total{status=~"5.."}[24h]) / rate(http_requests_total[24h])'
    values = [sample.value for sample in prometheus.instant(query)]
    assert values
    assert all(value == 1.0 or math.isnan(value) for value in values)


def test_it_gives_the_same_figures_whatever_the_span_and_ours_does_not(world, prometheus):
    middle, end = world.times[len(world.times) // 2], world.times[-1]
    theirs = sla_literal.reporter(prometheus.url, mended=True)
    spans = [(world.times[0], middle), (middle, end)]
    same = [theirs.generate_sla_report(*span)["sla_metrics"]["availability"]["actual"] for span in spans]
    assert same[0] == pytest.approx(same[1], rel=1e-3)
    reporter = SLAReporter(prometheus.url, parse(sla_world.SPEC))
    halves = [reporter.generate_sla_report(*span)["sla_metrics"]["response_time"]["actual"] for span in spans]
    assert halves[0] != halves[1]


def test_a_span_without_data_is_no_data_and_not_a_crash(world, prometheus):
    start = world.times[0] - 30 * 86400
    found = SLAReporter(prometheus.url, parse(sla_world.SPEC)).generate_sla_report(start, start + 86400)
    assert {metric["status"] for metric in found["sla_metrics"].values()} == {"NO DATA"}


def test_its_send_sla_report_sends_nothing(prometheus):
    assert sla_literal.reporter(prometheus.url).send_sla_report(["board@example.com"], {}) is None
