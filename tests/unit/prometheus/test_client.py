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
    alertmanager.post([PostedAlert({"alertname": "A"}, {"summary": "s"}, moment, moment)])
    assert seen[0]["labels"] == {"alertname": "A"}
    assert seen[0]["endsAt"] == "2026-01-31T00:00:00+00:00"
