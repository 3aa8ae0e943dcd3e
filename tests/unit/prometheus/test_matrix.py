"""Raw samples as arrays: the quick reading of an answer and the plain one agree, whatever the labels hold."""

from __future__ import annotations

import json
import math
from urllib.parse import parse_qsl

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.answers import body_of, labels, result_of, values

from bascule.errors import QueryRejected, Unreachable
from bascule.prometheus import Matrix, Prometheus, labels_of
from bascule.prometheus.client import UP_TO_NOW
from bascule.prometheus.matrix import matrix_of, parse_matrix

points = st.lists(st.tuples(st.integers(0, 2**41).map(lambda ms: ms / 1000), values), min_size=1, max_size=4)
series = st.lists(st.tuples(labels, points), min_size=1, max_size=6)


def assert_same(one: Matrix, two: Matrix) -> None:
    assert [labels_of(each) for each in one.labels] == [labels_of(each) for each in two.labels]
    assert one.counts.tolist() == two.counts.tolist()
    np.testing.assert_array_equal(one.times, two.times)
    np.testing.assert_array_equal(one.values, two.values)


@given(series)
def test_the_quick_reading_gives_what_json_gives(rows):
    body = body_of(result_of(rows))
    quick = parse_matrix(body)
    assert quick is not None
    assert_same(quick, matrix_of(json.loads(body)["data"]["result"]))


ONE = {"metric": {"a": "b"}, "values": [[1.5, "2"]]}
OTHERWISE = {
    "blanks": json.dumps({"status": "success", "data": {"resultType": "matrix", "result": [ONE]}}).encode(),
    "values first": body_of([{"values": ONE["values"], "metric": ONE["metric"]}]),
    "histograms beside": body_of([{**ONE, "histograms": [[1.5, {"count": "1"}]]}]),
    "no series": body_of([]),
    "warnings": body_of([ONE], warnings=["slow"]),
}


@pytest.mark.parametrize("form", OTHERWISE)
def test_another_writer_is_read_as_json_to_the_same_result(form):
    body = OTHERWISE[form]
    assert parse_matrix(body) is None
    client = Prometheus(
        "http://prometheus", transport=httpx.MockTransport(lambda request: httpx.Response(200, content=body))
    )
    assert_same(client.matrix("x", 5), matrix_of(json.loads(body)["data"]["result"]))


@pytest.mark.parametrize("cut", range(1, 70))
def test_an_answer_that_was_cut_off_is_no_answer(cut):
    body = body_of(result_of([({"a": "b"}, [(1.5, "2"), (2.5, "3")])]))[:-cut]
    client = Prometheus(
        "http://prometheus", transport=httpx.MockTransport(lambda request: httpx.Response(200, content=body))
    )
    with pytest.raises(QueryRejected):
        client.matrix("x", 5)


@pytest.mark.parametrize("time", [b"NaN", b"Infinity", b"+Inf"])
def test_a_sample_at_no_time_is_no_answer(time):
    body = body_of(result_of([({}, [(1.5, "2")])])).replace(b"1.5", time)
    client = Prometheus("http://prometheus", transport=httpx.MockTransport(lambda _: httpx.Response(200, content=body)))
    with pytest.raises(QueryRejected):
        client.matrix("x", 5)


@pytest.mark.parametrize(
    "damaged",
    [
        b'[[1.5,"2",2.5,"3"]]',
        b'[[[1.5],"2"]]',
        b'[["1.5","2"]]',
        b'[[01.5,"2"]]',
        b'[[+1.5,"2"]]',
        b'[[1.5,2"3"]]',
        b'[[1.5,"2"],[]]',
        b'[[1.5,"2"]],[[2.5,"3"]]',
        b'[[1.5,""]]',
        b'[[1.5,"f"]]',
    ],
)
def test_a_damaged_answer_is_read_as_json_or_refused(damaged):
    """The quick reading takes what it knows to the byte, and leaves everything else to the plain one."""
    body = body_of(result_of([({"a": "b"}, [(1.5, "2")])])).replace(b'[[1.5,"2"]]', damaged)
    assert parse_matrix(body) is None


@pytest.mark.parametrize(
    "damaged", [b'"a":', b'"a":1', b'"a":"b"},"c":{"d":"e"', b'"a":"\\ud800"', b'"a":"\xff"', b"a"]
)
def test_labels_that_cannot_be_read_are_refused(damaged):
    """They are read later than the numbers, once for each series."""
    body = body_of(result_of([({"a": "b"}, [(1.5, "2")])])).replace(b'"a":"b"', damaged)
    client = Prometheus("http://prometheus", transport=httpx.MockTransport(lambda _: httpx.Response(200, content=body)))
    with pytest.raises(QueryRejected):
        labels_of(client.matrix("x", 5).labels[0])


def test_a_large_answer_whose_values_are_no_texts_is_read_as_json():
    """As some other servers write them."""
    body = body_of([{"metric": {"a": "b"}, "values": [[1.5 + n, n] for n in range(2000)]}])
    assert parse_matrix(body) is None
    client = Prometheus("http://prometheus", transport=httpx.MockTransport(lambda _: httpx.Response(200, content=body)))
    assert client.matrix("x", 5).values.tolist() == list(range(2000))


@pytest.mark.parametrize("last", ["7", "0.5", "123456789012345678.25", "NaN", "+Inf", "1e+06", "-3"])
def test_large_answers_are_read_at_once_to_the_same_result(last):
    random = np.random.default_rng(1)
    times = np.round(1.79e9 + np.cumsum(random.uniform(0, 20, (200, 8)), axis=1), 3)
    numbers = random.uniform(0, 10.0 ** random.integers(0, 12, (200, 8))).round(4)
    rows = [({"n": str(n)}, [*zip(times[n].tolist(), map(str, numbers[n]), strict=True)]) for n in range(200)]
    body = body_of(result_of([*rows, ({}, [(1.5, last)])]))
    quick = parse_matrix(body)
    assert quick is not None
    assert_same(quick, matrix_of(json.loads(body)["data"]["result"]))


def test_errors_are_told_as_for_every_other_question():
    def refuse(request: httpx.Request) -> httpx.Response:
        return httpx.Response(503, json={"status": "error", "error": "starting"})

    with pytest.raises(Unreachable, match="starting"):
        Prometheus("http://prometheus", transport=httpx.MockTransport(refuse)).matrix("x", 5)


def test_the_samples_of_a_span_before_a_moment_are_asked_for():
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(dict(parse_qsl(request.read().decode())))
        return httpx.Response(200, content=body_of([ONE]))

    Prometheus("http://prometheus", transport=httpx.MockTransport(answer)).matrix("up", 1.5, 100.0)
    assert asked == [{"query": "up[1500ms]", "time": "100.0", **UP_TO_NOW}]


def test_arrays_of_labels_times_and_values():
    made = Matrix.of([({"b": "1", "a": '"'}, np.array([1.0, 2.0]), np.array([5.0, math.nan]))])
    assert made.labels == [b'"a":"\\"","b":"1"']
    assert made.counts.tolist() == [2]
    assert Matrix.of([]).times.shape == (0,)
