"""The client keeps no data apart from zero, and says whether a retry can help."""

import json
import math

import httpx
import pytest

from bascule.errors import QueryRejected, Unreachable
from bascule.prometheus import NO_DATA, Prometheus
from bascule.prometheus.client import MAX_POINTS


def answering(handler):
    return Prometheus("http://prometheus", transport=httpx.MockTransport(handler))


def success(result, kind="vector"):
    return httpx.Response(200, json={"status": "success", "data": {"resultType": kind, "result": result}})


def test_an_empty_answer_is_no_data_and_not_zero():
    client = answering(lambda request: success([]))
    assert client.scalar("absent") is NO_DATA
    assert not client.scalar("absent")


def test_a_nan_is_no_data():
    client = answering(lambda request: success([{"metric": {}, "value": [1, "NaN"]}]))
    assert client.scalar("0/0") is NO_DATA


def test_infinities_and_scalars_are_read():
    client = answering(lambda request: success([1.5, "+Inf"], kind="scalar"))
    assert client.scalar("1/0") == math.inf


def test_more_than_one_series_where_one_is_wanted_is_refused():
    two = [{"metric": {"a": str(i)}, "value": [1, "2"]} for i in range(2)]
    with pytest.raises(QueryRejected, match="aggregate"):
        answering(lambda request: success(two)).scalar("up")


def test_a_long_range_is_asked_in_chunks_and_joined_without_a_seam():
    asked = []

    def handler(request):
        form = dict(httpx.QueryParams(request.content.decode()))
        start, end, step = (float(form[key]) for key in ("start", "end", "step"))
        count = round((end - start) / step) + 1
        asked.append(count)
        values = [[start + index * step, "1"] for index in range(count)]
        return success([{"metric": {"job": "a"}, "values": values}], kind="matrix")

    (series,) = answering(handler).range("up", 0, 30_000, 1)
    assert series.times.tolist() == list(range(30_001))
    assert max(asked) <= MAX_POINTS


@pytest.mark.parametrize(("status", "error"), [(400, QueryRejected), (422, QueryRejected), (503, Unreachable)])
def test_a_refusal_says_whether_a_retry_can_help(status, error):
    body = {"status": "error", "error": "bad expression"}
    with pytest.raises(error, match="bad expression"):
        answering(lambda request: httpx.Response(status, json=body)).instant("(")


def test_a_page_that_is_not_prometheus_is_named():
    with pytest.raises(QueryRejected, match="address of a Prometheus"):
        answering(lambda request: httpx.Response(200, text="<html>")).instant("up")


STRANGE = [
    [], {}, None, 1, "text", {"status": "ok"}, {"status": "success"}, {"status": "success", "data": []},
    {"status": "success", "data": {"result": []}}, {"status": "success", "data": {"resultType": "vector"}},
    {"status": "success", "data": {"resultType": "vector", "result": [1]}},
    {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1]}]}},
    {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, None]}]}},
    {"status": "success", "data": {"resultType": "vector", "result": [{"metric": 7, "value": [1, "1"]}]}},
    {"status": "success", "data": {"resultType": "scalar", "result": ["a", "b"]}},
    {"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[1]]}]}},
    {"status": "success", "data": {"alerts": [{}], "groups": [{}], "activeTargets": [{"labels": 3}]}},
    {"status": "success", "data": {"alerts": 3, "groups": [{"rules": [{"type": 1}]}], "activeTargets": {"a": 1}}},
]  # fmt: skip
ASKED = {
    "instant": lambda client: client.instant("up"),
    "raw": lambda client: client.raw("up", 5),
    "range": lambda client: client.range("up", 0, 10, 1),
    "alerts": lambda client: client.alerts(),
    "rules": lambda client: client.rules(),
    "targets": lambda client: client.targets(),
    "label_values": lambda client: client.label_values("le"),
}
WELL_FORMED = {("raw", 8), ("range", 8), ("label_values", 7)}  # what another question may well be answered with


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("number", range(len(STRANGE)))
def test_json_of_another_shape_is_no_answer_of_prometheus(asked, number):
    client = answering(lambda request: httpx.Response(200, json=STRANGE[number]))
    if (asked, number) in WELL_FORMED:
        assert ASKED[asked](client) == []
        return
    with pytest.raises(QueryRejected, match="address of a Prometheus"):
        ASKED[asked](client)


def test_a_proxy_before_a_prometheus_that_restarts_is_waited_for():
    with pytest.raises(Unreachable, match="502"):
        answering(lambda request: httpx.Response(502, text="<html>Bad gateway")).instant("up")


@pytest.mark.parametrize("body", ["<html>", "{}", "3", '{"a": 1}', "[1]", '[{"labels": 3}]',
                                  '[{"labels": {}, "annotations": {}, "startsAt": "yesterday"}]'])  # fmt: skip
def test_what_is_no_alertmanager_is_named(body):
    from bascule.prometheus import Alertmanager

    transport = httpx.MockTransport(lambda request: httpx.Response(200, text=body))
    if body == "{}":
        assert Alertmanager("http://am", transport=transport).alerts() == []
        return
    with pytest.raises(QueryRejected, match="address of an Alertmanager"):
        Alertmanager("http://am", transport=transport).alerts()


def test_a_server_that_is_not_there_is_unreachable():
    def refuse(request):
        raise httpx.ConnectError("connection refused")

    with pytest.raises(Unreachable, match="does not answer"):
        answering(refuse).instant("up")


def test_an_alert_is_posted_with_its_times():
    from datetime import UTC, datetime

    from bascule.prometheus import Alertmanager, PostedAlert

    seen = []

    def handler(request):
        seen.extend(json.loads(request.content))
        return httpx.Response(200)

    moment = datetime(2026, 1, 31, tzinfo=UTC)
    alertmanager = Alertmanager("http://am", transport=httpx.MockTransport(handler))
    alertmanager.post([PostedAlert({"alertname": "A"}, {"summary": "s"}, moment, moment, "")])
    assert seen[0]["labels"] == {"alertname": "A"}
    assert seen[0]["endsAt"] == "2026-01-31T00:00:00+00:00"


def test_of_a_server_without_targets_what_up_says_stands_for_them():
    """One that is sent its samples, such as Mimir or Cortex."""
    up = [
        {"metric": {"job": "shop", "instance": name}, "value": [1, value]} for name, value in (("a", "1"), ("b", "0"))
    ]

    def answer(request):
        is_query = request.url.path.endswith("query")
        return success(up) if is_query else httpx.Response(404, text="404 page not found")

    targets = answering(answer).targets()
    assert [(each.job, each.instance, each.health) for each in targets] == [("shop", "a", "up"), ("shop", "b", "down")]
    assert targets[1].last_error


@pytest.mark.parametrize(
    "date", ["", "soon", "Mon, 01 Jan 2024 00:00:00 +99999999999999999999", "Mon, 01 Jan 2024 00:00:00 +2500"]
)
def test_a_server_whose_date_is_none_does_not_tell_the_time(date):
    client = answering(lambda request: httpx.Response(200, json={}, headers={"Date": date}))
    assert client.clock() is None
