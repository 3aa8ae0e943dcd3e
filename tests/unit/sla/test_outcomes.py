"""What an objective comes to: its own events, those of its parts, and the gain that is wanted, together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from bascule.prometheus import Sample
from bascule.sla import Baseline, Calendar, Cell, ObjectiveReport, SlaOutcome, SlaState, cut
from bascule.sla.compare import comparisons
from bascule.sla.counts import fitting, grouped
from bascule.sla.data import Data
from bascule.sla.evaluate import objective_report
from bascule.sla.measured import measured
from bascule.sla.render.html import View
from bascule.sla.uptime import Uptime
from bascule.slo import resolve
from bascule.spec import parse
from bascule.states import Cause

DAY = 86400.0
PIECES = cut(0, DAY, 60)
SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {label: version, baseline: v1, candidate: v2}
services:
  shop-v1: {targets: ["127.0.0.1:1"], version: v1}
  shop-v2: {targets: ["127.0.0.1:2"], version: v2}
signals:
  errors: {kind: ratio, bad: 'requests{status=~"5.."}', total: requests, better: lower}
  accuracy: {kind: ratio, good: 'matches{success="True"}', total: matches, better: higher}
segments:
  label: user_segment
  enterprise: {accuracy: 95%}
  freemium: {}
phases: [{share: 50%, hold: 1h}, {share: 100%, hold: 1h}]
slas:
  accuracy: {objective: 85%, gain: 13pt, window: 1d}
  error_rate: {objective: "< 1%", window: 1d}
"""


class Exports:
    """A Prometheus that has these series of requests and matches."""

    def __init__(self, series: Iterable[Mapping[str, str]]) -> None:
        self._series = list(series)
        self.asked: list[str] = []

    def instant(self, expression: str, at: float | None = None) -> list[Sample]:
        """The series of the version and metric that an expression names, whatever it makes of them."""
        self.asked.append(expression)
        return [
            Sample(dict(each), 1.0, 0.0)
            for each in self._series
            if f'version="{each["version"]}"' in expression and each["__name__"] in expression
        ]


def events(metric: str, amount: float, **labels: str) -> tuple[frozenset[tuple[str, str]], float]:
    told = {"__name__": metric, "job": f"shop-{labels['version']}", "user_segment": "freemium"} | labels
    return frozenset(told.items()), amount


def reported(name: str, *happened, frozen: Baseline | None = None) -> ObjectiveReport:
    return objective_report(measured(resolve(parse(SPEC), name), a_day(*happened)), frozen, None)


def a_day(*happened) -> Data:
    """A day, in each piece of which so many events happened."""
    spec = parse(SPEC)
    rows = {key: np.full(len(PIECES), amount) for key, amount in happened}
    counts = {}
    for signal in spec.signals.values():
        for selector in signal.growing.values():
            mine = {key: row for key, row in rows.items() if dict(key)["__name__"] == selector.metric}
            counts[str(selector)] = grouped(spec, fitting(mine, selector.matchers), PIECES)
    exports, sources = Exports(map(dict, rows)), dict.fromkeys(counts, "raw")
    calendar = Calendar(ZoneInfo("UTC"))
    return Data(exports, spec, PIECES, calendar, Uptime({}), {}, 60.0, _sources=sources, _counts=counts)


def matches(version: str, right: float, wrong: float, segment: str = "freemium"):
    return (
        events("matches", right, version=version, success="True", user_segment=segment),
        events("matches", wrong, version=version, success="False", user_segment=segment),
    )


# ---------------------------------------------------------------- the gain


def test_an_objective_does_not_pass_while_the_gain_that_it_wants_is_unknown():
    """V1 was removed, and nobody froze its figures."""
    found = reported("accuracy", *matches("v2", 96, 4))
    assert found.whole.outcome is SlaOutcome.PASS
    assert found.gain.standing is SlaState.NO_DATA
    assert (found.outcome, found.cause, found.headline.cause) == (
        SlaOutcome.NO_DATA,
        Cause.NO_BASELINE,
        Cause.NO_BASELINE,
    )


def test_a_frozen_baseline_decides_the_gain():
    frozen = Baseline("v1", 0, 1, {"accuracy": {"freemium": Cell(800.0, 1000.0)}})
    assert reported("accuracy", *matches("v2", 96, 4), frozen=frozen).outcome is SlaOutcome.PASS


def test_a_gain_on_too_few_events_of_the_old_version_is_unknown_too():
    found = reported("accuracy", *matches("v2", 96, 4), *matches("v1", 0.01, 0.01))
    assert (found.outcome, found.cause) == (SlaOutcome.NO_DATA, Cause.TOO_FEW)


def test_what_fails_fails_whatever_the_gain():
    assert reported("accuracy", *matches("v2", 80, 20)).outcome is SlaOutcome.FAIL
    assert reported("accuracy", *matches("v2", 90, 10), *matches("v1", 90, 10)).outcome is SlaOutcome.FAIL
    assert reported("accuracy", *matches("v2", 96, 4), *matches("v1", 80, 20)).outcome is SlaOutcome.PASS


def test_an_objective_of_a_version_that_has_not_served_anyone_does_not_apply():
    served = events("requests", 100, version="v1", status="200")
    assert reported("accuracy", served, *matches("v1", 80, 20)).outcome is SlaOutcome.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("language", "said"), [("en", "no data: no baseline"), ("fr", "sans données : sans référence")]
)
def test_the_report_says_why_a_gain_is_unknown(language, said, report):
    assert View.of(report, language).gain_text(reported("accuracy", *matches("v2", 96, 4))) == said


# ---------------------------------------------------------------- segments with a goal of their own


def test_an_objective_does_not_pass_while_a_segment_with_a_goal_of_its_own_contradicts_itself():
    whole = (*matches("v2", 9600, 400), *matches("v1", 8000, 2000))
    odd = events("matches", 100, version="v2", success="True", user_segment="enterprise")
    less = events("matches", -5, version="v2", success="False", user_segment="enterprise")
    found = reported("accuracy", *whole, odd, less)
    (row,) = [row for row in found.rows if row.name == "enterprise"]
    assert (row.assessment.outcome, row.withholds) == (SlaOutcome.NO_DATA, Cause.CONTRADICTION)
    assert (found.outcome, found.cause) == (SlaOutcome.NO_DATA, Cause.CONTRADICTION)


@pytest.mark.parametrize("amount", [0.0, 0.001], ids=["nothing happened in it", "too little happened in it"])
def test_a_quiet_segment_does_not_keep_its_objective_from_passing(amount):
    whole = (*matches("v2", 96, 4), *matches("v1", 80, 20))
    found = reported("accuracy", *whole, *matches("v2", amount, amount, segment="enterprise"))
    (row,) = [row for row in found.rows if row.name == "enterprise"]
    assert (row.assessment.outcome, row.own_target, row.withholds) == (SlaOutcome.NO_DATA, True, None)
    assert found.outcome is SlaOutcome.PASS


# ---------------------------------------------------------------- selectors that cannot count what they name


def requests(version: str, good: float, bad: float, label: str = "status", segment: str = "freemium"):
    told = [(code, amount) for code, amount in (("200", good), ("500", bad)) if amount]
    return [events("requests", amount, version=version, user_segment=segment, **{label: code}) for code, amount in told]


def test_errors_that_a_selector_cannot_count_are_no_zero():
    """V2 is built on another library, and calls its status `code`: half of its answers are 500."""
    found = reported("error_rate", *requests("v1", 1000, 0), *requests("v2", 500, 500, label="code"))
    assert (found.outcome, found.cause, found.standing) == (SlaOutcome.NO_DATA, Cause.UNPROVEN, SlaState.NO_DATA)
    there = "code, job, user_segment, version"
    assert found.unproven == (f"signals.errors.bad of v2: its series have no label 'status'; they have {there}",)
    assert (found.budget.left, found.spent, {point.value for point in found.chart}) == (None, None, {None})
    rows = {row.name: row.assessment.cause for row in found.rows}
    assert rows == {"v1": None, "v2": Cause.UNPROVEN, "enterprise": Cause.NO_SERIES, "freemium": Cause.UNPROVEN}


def test_errors_that_can_be_counted_and_did_not_happen_are_a_zero():
    found = reported("error_rate", *requests("v1", 1000, 0), *requests("v2", 1000, 0))
    assert (found.outcome, found.unproven, found.budget.left) == (SlaOutcome.PASS, (), 1.0)


def test_what_fails_by_what_can_be_counted_fails():
    found = reported("error_rate", *requests("v1", 900, 100), *requests("v2", 1000, 0, label="code"))
    assert found.outcome is SlaOutcome.FAIL
    assert [note.key for note in found.notes if note.key == "unproven"] == ["unproven"]


def test_windows_in_which_the_version_served_nobody_are_told():
    day = a_day(*requests("v1", 1000, 0), *requests("v2", 500, 500, label="code"))
    late = PIECES.edges[1:] > DAY / 2
    for counts in day._counts.values():
        for group, row in counts.table.items():
            row *= late if group.version == "v2" else 1
    one = measured(resolve(day.spec, "error_rate"), day)
    assert one.whole().over(one.slo.goal, 0, DAY / 2).spent == 0
    assert one.whole().over(one.slo.goal, 0, DAY).cause is Cause.UNPROVEN


def test_a_version_that_served_nobody_is_not_asked_for():
    day = a_day(*requests("v1", 1000, 0))
    assert day.unproven("errors", "v2") == ()
    assert not any('version="v2"' in each for each in day.prometheus.asked)


def test_each_version_is_asked_for_once_where_it_last_served():
    day = a_day(*requests("v1", 1000, 0), *requests("v2", 1000, 0, label="code"))
    one = measured(resolve(day.spec, "error_rate"), day)
    objective_report(one, None, None)
    asked = list(day.prometheus.asked)
    objective_report(one, None, None)
    assert day.prometheus.asked == asked
    assert len(asked) < 8
    assert all("last_over_time(" in each and f"[{PIECES.step / 60 + 5:g}m])" in each for each in asked)


def test_a_gain_over_errors_that_cannot_be_counted_is_unknown():
    """The old version's matches have no label `success`: its accuracy would be zero."""
    old = events("matches", 100, version="v1", result="ok")
    found = reported("accuracy", *matches("v2", 96, 4), old)
    assert (found.whole.outcome, found.gain.value, found.gain.standing) == (SlaOutcome.PASS, None, SlaState.NO_DATA)
    assert (found.outcome, found.cause) == (SlaOutcome.NO_DATA, Cause.UNPROVEN)


def test_versions_are_not_compared_by_what_cannot_be_counted():
    day = a_day(*requests("v1", 980, 20), *requests("v2", 500, 500, label="code"))
    (errors, _) = comparisons(day)
    assert (errors.baseline, errors.candidate, errors.difference) == (pytest.approx(0.02), None, None)
