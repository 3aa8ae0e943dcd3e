"""The judge reads the plan's present step from whoever knows the latest one."""

import httpx
import pytest

from bascule.errors import QueryRejected
from bascule.judge import LiveJudge, VerdictBoard, read_plan
from bascule.prometheus import Prometheus


def prometheus_with(values):
    """A Prometheus that answers `last_over_time(NAME[1h])` with (labels, value) of NAME."""

    def answer(request):
        query = dict(httpx.QueryParams(request.content.decode()))["query"]
        name = query.removeprefix("last_over_time(").split("[")[0]
        result = [{"metric": labels, "value": [0, str(value)]} for labels, value in values.get(name, [])]
        return httpx.Response(200, json={"status": "success", "data": {"resultType": "vector", "result": result}})

    return Prometheus("http://prometheus", transport=httpx.MockTransport(answer))


def exporter(instance, number, started, share):
    return {
        "bascule_phase": [({"instance": instance}, number)],
        "bascule_phase_started_timestamp_seconds": [({"instance": instance}, started)],
        "bascule_planned_share_ratio": [({"instance": instance, "user_segment": "freemium"}, share)],
    }


def both(one, other):
    return {name: one[name] + other[name] for name in one}


def test_an_exporter_that_moved_is_not_taken_for_the_present_one():
    old, new = exporter("a:1", 0, 100.0, 0.0), exporter("b:2", 3, 200.0, 0.5)
    for values in (both(old, new), both(new, old)):
        plan = read_plan(prometheus_with(values), otherwise_started=0.0)
        assert (plan.number, plan.started, dict(plan.shares)) == (3, 200.0, {"freemium": 0.5})


def test_without_a_plan_there_is_none():
    plan = read_plan(prometheus_with({}), otherwise_started=7.0)
    assert (plan.number, plan.started, plan.known) == (0, 7.0, False)


@pytest.mark.parametrize("value", ["+Inf", "-Inf", "NaN", "1e300", "-1", "9223372036854775808"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_values_that_no_plan_has_are_an_error_that_names_them(place, value):
    told = [1, 100.0, 0.5]
    told[place] = value
    with pytest.raises(QueryRejected, match=r"does not know the plan's step: bascule_"):
        read_plan(prometheus_with(exporter("a:1", *told)), otherwise_started=0.0)


@pytest.mark.parametrize("value", ["+Inf", "-Inf", "1e300", "-1"])
def test_a_clock_that_shows_no_time_makes_the_verdict_no_data_and_ends_nothing(house, value):
    board = VerdictBoard(spec := house.shop_spec())

    def answer(request):
        told = {"resultType": "scalar", "result": [0, value]}
        return httpx.Response(200, json={"status": "success", "data": told})

    judge = LiveJudge(spec, Prometheus("http://prometheus", transport=httpx.MockTransport(answer)), (), board.publish)
    assert judge.tick() is None
    body = board.verdict()
    assert body["verdict"] == "no_data"
    assert "when asked for the time" in body["reasons"][0]
