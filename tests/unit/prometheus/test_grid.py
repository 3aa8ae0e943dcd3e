"""Answers of range queries as one array: the quick reading takes no time for another."""

from __future__ import annotations

import math
from urllib.parse import parse_qsl

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.answers import body_of, labels, result_of, values

from bascule.prometheus import Prometheus, labels_of
from bascule.prometheus.client import UP_TO_NOW
from bascule.prometheus.grid import parse_grid

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
    [(60.0, "1"), (121.0, "2.5"), (180.0, "7")],
    [(60.0, "1"), (60.0, "2.5"), (180.0, "7")],
    [(60.0, "1"), (120.0, "NaN"), (180.0, "7")],
    [(60.0, "1"), (120.0, "2.5"), (180.0, "7"), (240.0, "7")],
]


def whole_seconds(rows) -> bytes:
    """Times without a fraction, as Prometheus writes them."""
    return body_of(result_of(rows)).replace(b".0,", b",")


def test_of_series_that_are_always_there_the_times_need_no_reading():
    quick = parse_grid(whole_seconds(WHOLE), MINUTES)
    assert quick is not None
    assert quick.values.tolist() == [[1.0, 2.5, 7.0], [3.0, 3.0, 1e6]]


@pytest.mark.parametrize("samples", OTHER_TIMES)
def test_any_other_series_is_read_with_its_times(samples):
    assert parse_grid(whole_seconds([*WHOLE, ({"c": "d"}, samples)]), MINUTES) is None


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


THOUSANDTHS = np.array([1.79e9 + 0.25 * n for n in range(6)])


@given(st.data())
def test_a_single_other_digit_of_a_time_is_no_quick_answer(data):
    """Whichever sample of whichever series it is; times of different lengths in one answer."""
    rows = [({"n": str(n)}, [(time, str(n)) for time in THOUSANDTHS.tolist()]) for n in range(3)]
    written = [f"{time:.3f}".removesuffix(".000") for time in THOUSANDTHS.tolist()]
    body = body_of(result_of(rows))
    for time, text in zip(THOUSANDTHS.tolist(), written, strict=True):
        body = body.replace(f"[{time},".encode(), f"[{text},".encode())
    assert parse_grid(body, THOUSANDTHS) is not None
    places = [n for n, char in enumerate(body) if body[n - 1 : n] in b"0123456789.[" and chr(char).isdigit()]
    times = [n for n in places if body.rfind(b"[", 0, n) > body.rfind(b'"', 0, n)]
    place = data.draw(st.sampled_from(times))
    digit = data.draw(st.sampled_from([each for each in b"0123456789" if each != body[place]]))
    assert parse_grid(body[:place] + bytes([digit]) + body[place + 1 :], THOUSANDTHS) is None
