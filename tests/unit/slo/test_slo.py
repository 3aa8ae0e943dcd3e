"""What an SLA measures: by role, by name, by `signal:`; its goal, budget and the promises to segments."""

from __future__ import annotations

import re

import promql_parser
import pytest

from bascule import slo
from bascule.errors import SpecError, UsageError
from bascule.slo import AvailabilitySlo, EventSlo, Goal, SloKind
from bascule.spec import Objective, Spec, load, parse

SPEC = """
apiVersion: bascule/v1
kind: Migration
metadata: {name: shop}
versions: {label: version, baseline: v1, candidate: v2}
services:
  shop-v1: {targets: ["127.0.0.1:1"], version: v1}
  shop-v2: {targets: ["127.0.0.1:2"], version: v2}
  edge: {kind: nginx, targets: ["127.0.0.1:4"]}
  cache: {kind: redis, targets: ["127.0.0.1:5"]}
  hosts: {kind: node, targets: ["127.0.0.1:7"]}
signals:
  matched: {kind: ratio, role: accuracy, good: 'matches{ok="1"}', total: matches, better: higher}
  failures: {kind: ratio, bad: 'requests{status=~"5.."}', total: requests, better: lower}
  took: {kind: histogram, metric: took_seconds}
  refused: {kind: ratio, role: other, bad: 'asked{ok="0"}', total: asked, better: lower}
segments:
  gold: {latency: {p95: 50ms}, accuracy: 95%, availability: 99.9%}
  partners: {partner_label: partner, errors: 0.1%}
phases: [{share: 50%, hold: 1h}, {share: 100%, hold: 1h}]
slas:
  SLA
"""


def spec_with(*slas: str) -> Spec:
    return parse(SPEC.replace("SLA", "\n  ".join(slas)))


def resolved(text: str) -> slo.Slo:
    spec = spec_with(text)
    return slo.resolve(spec, next(iter(spec.slas.named)))


@pytest.mark.parametrize(
    ("sla", "signal", "kind"),
    [
        ("response_time: {objective: '95% < 100ms', window: 1d}", "took", SloKind.LATENCY),
        ("latency: {objective: '95% < 100ms', window: 1d}", "took", SloKind.LATENCY),
        ("error_rate: {objective: '< 1%', window: 1d}", "failures", SloKind.CEILING),
        ("errors: {objective: '99%', window: 1d}", "failures", SloKind.FLOOR),
        ("accuracy: {objective: '85%', window: 1d}", "matched", SloKind.FLOOR),
        ("refused: {objective: '< 2%', window: 1d}", "refused", SloKind.CEILING),
        ("error_rate: {objective: '< 1%', window: 1d, signal: refused}", "refused", SloKind.CEILING),
        ("availability: {objective: '99%', window: 1d, signal: failures}", "failures", SloKind.FLOOR),
    ],
)
def test_an_sla_counts_the_signal_of_its_role_unless_it_names_one(sla: str, signal: str, kind: SloKind) -> None:
    """Signals may be called anything: with the names of the source document alone these had no data."""
    found = resolved(sla)
    assert isinstance(found, EventSlo)
    assert (found.counted.name, found.goal.kind) == (signal, kind)


def test_availability_counts_every_service_that_serves_each_the_same() -> None:
    found = resolved("availability: {objective: 99.9%, window: 30d}")
    assert isinstance(found, AvailabilitySlo)
    assert found.services == ("shop-v1", "shop-v2", "edge", "cache")
    assert found.promql(3600).startswith("avg(avg_over_time((sum by (job) (sum_over_time(up{")
    assert found.promql(3600).endswith("[1h:1m]))")  # each minute alike, as the rules have it
    assert 'redis_up{job="cache"}' in found.promql(3600)


def test_the_services_of_availability_can_be_named() -> None:
    found = resolved("availability: {objective: 99.9%, window: 30d, services: [cache, shop-v2]}")
    assert isinstance(found, AvailabilitySlo)
    assert found.services == ("shop-v2", "cache")
    assert "edge" not in found.promql(60) + found.minute().bad + found.minute().total


@pytest.mark.parametrize(
    ("sla", "what"),
    [
        ("availability: {objective: 99%, window: 1d, services: [cash]}", "'cash' is not a declared service"),
        ("availability: {objective: 99%, window: 1d, services: [hosts]}", "'hosts' is a node service"),
        ("error_rate: {objective: '< 1%', window: 1d, services: [cache]}", "an availability SLA can have 'services'"),
        ("error_rate: {objective: '95% < 100ms', window: 1d}", "failures counts good and bad events"),
        ("satisfaction: {objective: '85%', window: 1d}", "'satisfaction' is not a declared signal"),
    ],
)
def test_what_nothing_can_measure_is_refused_by_check(sla: str, what: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec_with(sla)
    (problem,) = caught.value.problems
    assert what in problem.what
    assert problem.fix


def test_an_sla_that_is_not_declared_is_named_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="no SLA 'speed'"):
        slo.resolve(load("supersmartmatch"), "speed")


def test_every_expression_is_promql() -> None:
    for each in slo.all_of(load("supersmartmatch")):
        for text in (each.promql(3600), each.minute().total, each.minute().bad):
            promql_parser.parse(text)


@pytest.mark.parametrize(
    ("unit", "scale"), [("seconds", 1), ("milliseconds", 1e3), ("microseconds", 1e6), ("nanoseconds", 1e9)]
)
@pytest.mark.parametrize("milliseconds", [35, 100, 250, 1500])
def test_a_limit_is_asked_for_in_the_unit_of_the_buckets(unit: str, scale: float, milliseconds: int) -> None:
    text = SPEC.replace("took_seconds}", f"took, unit: {unit}}}")
    sla = f"response_time: {{objective: '95% < {milliseconds}ms', window: 1d}}"
    found = slo.resolve(parse(text.replace("SLA", sla)), "response_time")
    assert isinstance(found, EventSlo)
    assert found.goal.bound == pytest.approx(milliseconds / 1000)
    assert found.bound == pytest.approx(milliseconds / 1000 * scale, rel=1e-12)
    up_to = set(re.findall(r'le=~"([^"]+)"', found.minute().unsure))
    from_up = set(re.findall(r'le!~"([^"]+)"', found.minute().bad))
    (at_most,), (less,) = up_to, from_up
    bound = f"{milliseconds / 1000 * scale:g}"
    assert re.fullmatch(at_most, bound)
    assert not re.fullmatch(less, bound)


def test_segments_and_partners_have_goals_of_their_own_where_the_signal_has_that_role() -> None:
    own = {
        name: [(each.segment, each.goal.written, each.each_partner) for each in resolved(sla).own_goals()]
        for name, sla in {
            "availability": "availability: {objective: 99%, window: 1d}",
            "latency": "response_time: {objective: '95% < 100ms', window: 1d}",
            "errors": "error_rate: {objective: '< 1%', window: 1d}",
            "accuracy": "accuracy: {objective: 85%, window: 1d}",
            "other": "refused: {objective: '< 1%', window: 1d}",
        }.items()
    }
    assert own == {
        "availability": [("gold", "99.9%", False)],
        "latency": [("gold", "95% < 50ms", False)],
        "errors": [("partners", "< 0.1%", True)],
        "accuracy": [("gold", "95%", False)],
        "other": [],
    }


def test_burn_rates_are_those_of_the_window_and_none_that_an_outage_cannot_reach() -> None:
    month = resolved("error_rate: {objective: '< 1%', window: 30d}")
    day = resolved("error_rate: {objective: '< 1%', window: 1d}")
    loose = resolved("accuracy: {objective: 85%, window: 30d}")
    assert [tier.rate for tier in month.tiers] == [14.4, 6.0, 1.0]
    assert [tier.rate for tier in day.tiers] == [6.0]
    assert [tier.rate for tier in loose.tiers] == [6.0, 1.0]  # 14.4 times 15 % is more than everything


def test_a_goal_holds_a_figure_against_its_bound() -> None:
    ceiling = Goal.of(SloKind.CEILING, Objective.parse("< 1%"))
    floor = Goal.of(SloKind.FLOOR, Objective.parse("99%"))
    time = Goal.of(SloKind.LATENCY, Objective.parse("95% < 100ms"))
    assert [ceiling.keeps(0.01), ceiling.keeps(0.011)] == [True, False]
    assert [floor.keeps(0.99), floor.keeps(0.989)] == [True, False]
    assert [time.keeps(0.1), time.keeps(0.11)] == [True, False]
    assert [goal.budget for goal in (ceiling, floor, time)] == pytest.approx([0.01, 0.01, 0.05])
    assert [ceiling.shown(0.98), floor.shown(0.98)] == pytest.approx([0.02, 0.98])
