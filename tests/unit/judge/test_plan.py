"""The judge reads the plan's present step from whoever knows the latest one."""

import httpx

from bascule.judge import read_plan
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
