"""What rules say: times that no server means are no times, and stop nobody who asks every second."""

from __future__ import annotations

import json
from collections.abc import Mapping

import httpx
import pytest

from bascule import times
from bascule.errors import QueryRejected
from bascule.prometheus import Prometheus
from bascule.prometheus.held import LATEST, AskedRules, RuleWord

NOW = times.parse("2026-01-31T08:00:10Z").timestamp()
LABELS = {"alertname": "Down", "job": "shop"}
ALERT = {"state": "firing", "labels": LABELS, "annotations": {}, "activeAt": "2026-01-31T08:00:00Z", "value": "1"}
RULE = {
    "type": "alerting",
    "name": "Down",
    "query": "up == 0",
    "health": "ok",
    "lastEvaluation": "2026-01-31T08:00:09Z",
    "duration": 1.5,
    "alerts": [ALERT],
}
DURATIONS = ["1e999", "NaN", "-1", "1e300", "-1e999"]


def word(rule: Mapping[str, object] = RULE, interval: str = "1", **written: str) -> RuleWord:
    """Of a server with this rule; `interval` of its group and `written`, further keys of the rule, are JSON texts."""
    told = json.dumps(rule).removesuffix("}") + "".join(f', "{key}": {text}' for key, text in written.items()) + "}"
    answers = {
        "status/runtimeinfo": '{"startTime": "2026-01-31T07:00:00Z"}',
        "rules": f'{{"groups": [{{"name": "g", "interval": {interval}, "rules": [{told}]}}]}}',
        "query": '{"resultType": "vector", "result": []}',
    }

    def answer(request: httpx.Request) -> httpx.Response:
        data = answers[request.url.path.removeprefix("/api/v1/")]
        return httpx.Response(200, content=f'{{"status": "success", "data": {data}}}'.encode())

    prometheus = Prometheus("http://p", transport=httpx.MockTransport(answer))
    try:
        return AskedRules(prometheus, 1.0).word(NOW)
    finally:
        prometheus.close()


def test_an_alert_fires_at_the_evaluation_after_its_time() -> None:
    asked = word()
    assert asked.holds == {"Down": 2.0}
    assert [firing.since for firing in asked.firing] == [times.parse("2026-01-31T08:00:02Z").timestamp()]


@pytest.mark.parametrize("key", ["duration", "keepFiringFor", "evaluationTime"])
@pytest.mark.parametrize("text", DURATIONS)
def test_a_rule_of_a_time_that_is_none_is_no_answer_of_prometheus(key: str, text: str) -> None:
    with pytest.raises(QueryRejected):
        word(**{key: text})


@pytest.mark.parametrize("text", DURATIONS)
def test_a_group_of_an_interval_that_is_none_is_no_answer_of_prometheus(text: str) -> None:
    with pytest.raises(QueryRejected):
        word(interval=text)


@pytest.mark.parametrize("interval", ["1e-320", "5e-324", "0", "null"])
def test_an_interval_that_is_absurd_or_not_told_prolongs_nothing(interval: str) -> None:
    assert word(interval=interval).holds == {"Down": 1.5}


def test_what_began_at_the_end_of_the_calendar_fires_within_it() -> None:
    late = word({**RULE, "alerts": [{**ALERT, "activeAt": "9999-12-31T23:59:59Z"}]}, duration="9e9")
    assert [firing.since for firing in late.firing] == [LATEST]
    assert times.dated(LATEST).startswith("9999-")
