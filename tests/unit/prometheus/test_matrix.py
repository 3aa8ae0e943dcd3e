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

from bascule.errors import QueryRejected, Unreachable
from bascule.prometheus import Matrix, Prometheus, labels_of
from bascule.prometheus.client import UP_TO_NOW
from bascule.prometheus.matrix import matrix_of, parse_grid, parse_matrix

NASTY = ('"', "\\", '},"values":[[', ']]},{"metric":{', "]]}", "\n", "é", "\u2028", "<&>", "")
labels = st.dictionaries(
    st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True),
    st.one_of(st.sampled_from(NASTY), st.text(max_size=8)),
    max_size=4,
)
values = st.one_of(
    st.sampled_from(["NaN", "+Inf", "-Inf", "0", "1e+06", "5e-324"]),
    st.floats(allow_nan=False, allow_infinity=False).map(str),
)
points = st.lists(st.tuples(st.integers(0, 2**41).map(lambda ms: ms / 1000), values), min_size=1, max_size=4)
series = st.lists(st.tuples(labels, points), min_size=1, max_size=6)


def result_of(rows) -> list[dict]:
    return [{"metric": own, "values": [list(point) for point in samples]} for own, samples in rows]


def body_of(result: list[dict], **more: object) -> bytes:
    answer = {"status": "success", "data": {"resultType": "matrix", "result": result}, **more}
    return json.dumps(answer, separators=(",", ":"), ensure_ascii=False).encode()


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


MINUTES = np.array([60.0, 120.0, 180.0])
steps = st.lists(st.one_of(st.none(), values), min_size=3, max_size=3).filter(any)


def client_of(body: bytes) -> Prometheus:
    return Prometheus("http://prometheus", transport=httpx.MockTransport(lambda _: httpx.Response(200, content=body)))


@given(st.lists(st.tuples(labels, steps), min_size=1, max_size=5))
def test_a_range_is_one_array_with_nothing_where_a_series_has_no_value(rows):
    samples = [(own, [(t, v) for t, v in zip(MINUTES.tolist(), found, strict=True) if v]) for own, found in rows]
    grid = client_of(body_of(result_of(samples))).grid("x", 60, 180, 60)
    assert [labels_of(each) for each in grid.labels] == [own for own, _ in rows]
    wanted = [[float(value) if value else math.nan for value in found] for _, found in rows]
    np.testing.assert_array_equal(grid.values, wanted)


WHOLE = [
    ({"a": "b"}, [(60.0, "1"), (120.0, "2.5"), (180.0, "7")]),
    ({}, [(60.0, "3"), (120.0, "3"), (180.0, "1000000")]),
]
OTHER_TIMES = [
    [(60.0, "1"), (120.0, "2.5")],
    [(61.0, "1"), (120.0, "2.5"), (180.0, "7")],
    [(60.0, "1"), (120.0, "2.5"), (179.0, "7")],
    [(60.0, "1"), (120.0, "NaN"), (180.0, "7")],
]


def test_of_series_that_are_always_there_the_times_need_no_reading():
    body = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result_of(WHOLE)}})
    quick = parse_grid(body.replace(" ", "").replace(".0,", ",").encode(), MINUTES)
    assert quick is not None
    assert quick.values.tolist() == [[1.0, 2.5, 7.0], [3.0, 3.0, 1e6]]


@pytest.mark.parametrize("samples", OTHER_TIMES)
def test_any_other_series_is_read_with_its_times(samples):
    body = body_of(result_of([*WHOLE, ({"c": "d"}, samples)])).replace(b".0,", b",")
    assert parse_grid(body, MINUTES) is None


def test_a_range_is_asked_for_by_its_steps():
    asked = {}

    def answer(request: httpx.Request) -> httpx.Response:
        asked.update(parse_qsl(request.content.decode()), path=request.url.path)
        return httpx.Response(200, content=body_of(result_of([({"a": "b"}, [(60.0, "1"), (120.0, "2.5")])])))

    found = Prometheus("http://prometheus", transport=httpx.MockTransport(answer)).grid("x", 60, 120, 60)
    assert asked == {
        "path": "/api/v1/query_range",
        "query": "x",
        "start": "60",
        "end": "120",
        "step": "60",
        **UP_TO_NOW,
    }
    assert (labels_of(found.labels[0]), found.values.tolist()) == ({"a": "b"}, [[1.0, 2.5]])


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
