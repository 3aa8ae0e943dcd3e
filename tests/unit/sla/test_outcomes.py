"""What an objective comes to: its own events, those of its parts, and the gain that is wanted, together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from bascule.prometheus import Sample
from bascule.sla import Baseline, Calendar, Cell, ObjectiveReport, SlaOutcome, SlaState, cut
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
        """The series of the one version and metric that an expression names, whatever it makes of them."""
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
