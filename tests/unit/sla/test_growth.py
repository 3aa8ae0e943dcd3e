"""The growth of counters, summed by group: each event is counted in its piece, whatever happened to its process."""

from __future__ import annotations

import re

import numpy as np
import pytest

from bascule.prometheus import Matrix, RangeGrid, Sample
from bascule.sla.counters import growth
from bascule.sla.counts import grouped
from bascule.sla.pieces import cut
from bascule.sla.uptime import Uptime
from bascule.spec import Selector, load

START, INTERVAL = 1_790_000_000.0 // 7200 * 7200, 15.0
PIECES = cut(START, START + 1800, INTERVAL)
LABELS = ("job", "version", "user_segment", "partner")
TIMES = START + np.arange(-10, 120) * INTERVAL


class Stored:
    """A Prometheus that holds these series: labels, times and values."""

    def __init__(self, *series: tuple[dict[str, str], np.ndarray, np.ndarray]) -> None:
        self._series = series

    def grid(self, expression: str, start: float, end: float, step: float) -> RangeGrid:
        times = start + step * np.arange(round((end - start) / step) + 1)
        values = [[self._value(expression, series, at) for at in times] for series in self._series]
        matrix = Matrix.of(
            (labels, times, np.array(row)) for (labels, _, _), row in zip(self._series, values, strict=True)
        )
        return RangeGrid(matrix.labels, np.array(values).reshape(len(values), len(times)))

    def instant(self, expression: str, at: float) -> list[Sample]:
        found = [self._value(expression.removeprefix("count("), series, at) for series in self._series]
        return [Sample({}, 1.0, at)] if np.nansum(found) > 0 else []

    def matrix(self, selector: str, seconds: float, at: float) -> Matrix:
        wanted = Selector.parse(selector)
        some = (
            series for series in self._series if all(m.accepts(series[0].get(m.label, "")) for m in wanted.matchers)
        )
        inside = ((labels, times, values, (times >= at - seconds) & (times <= at)) for labels, times, values in some)
        return Matrix.of((labels, times[own], values[own]) for labels, times, values, own in inside if own.any())

    def _value(self, expression: str, series: tuple[dict[str, str], np.ndarray, np.ndarray], at: float) -> float:
        function, milliseconds = re.match(r"(\w+)\(.*\[(\d+)ms\]", expression).groups()
        _, times, values = series
        own = values[(times >= at - int(milliseconds) / 1000) & (times <= at)]
        if function == "last_over_time":
            return own[-1] if len(own) else np.nan
        return float((np.diff(own) < 0).sum()) or np.nan


def a_counter(instance: str = "a", **labels: str) -> dict[str, str]:
    own = {"__name__": "c", "job": "v2", "instance": instance, "version": "v2", "user_segment": "freemium"}
    return own | labels


def grown(*series: tuple[dict[str, str], np.ndarray, np.ndarray], scraped: float = START - 500) -> np.ndarray:
    uptime = Uptime({}, scraped={("v2", labels["instance"]): scraped for labels, _, _ in series})
    found = growth(Stored(*series), Selector("c"), PIECES, uptime, LABELS)
    return np.array(list(grouped(load("supersmartmatch"), found, PIECES).table.values()))


def per_piece(times: np.ndarray, events: np.ndarray) -> np.ndarray:
    after = np.searchsorted(PIECES.edges, times)  # a piece is closed on the right
    return np.bincount(after, events, len(PIECES) + 1)[1:]


def test_what_several_targets_counted_is_summed():
    events = np.arange(len(TIMES)) % 7
    series = [(a_counter(instance), TIMES, 100.0 * n + np.cumsum(events)) for n, instance in enumerate("abc")]
    assert grown(*series).tolist() == [(3 * per_piece(TIMES, events)).tolist()]


def test_a_restarted_process_counts_from_zero_also_what_was_not_there_at_once():
    events, at = np.full(len(TIMES), 3.0), 60
    many, few = np.cumsum(events), np.full(len(TIMES), 2.0)
    many[at:] -= many[at - 1]
    some = np.r_[:at, at + 20 : len(TIMES)]  # its errors begin again long after the restart, at what they were before
    wanted = per_piece(TIMES, events)
    wanted += per_piece(TIMES[[at + 20]], np.array([2.0]))
    found = grown((a_counter(), TIMES, many), (a_counter(status="500"), TIMES[some], few[some]))
    assert found.tolist() == [wanted.tolist()]


@pytest.mark.parametrize(("scraped", "counted"), [(START - 500, 5.0), (TIMES[70], 0.0)])
def test_a_counter_that_begins_counts_from_zero_where_its_target_was_known(scraped, counted):
    events = np.full(60, 2.0)
    wanted = per_piece(TIMES[70:], np.append(counted, events[1:]))
    assert grown((a_counter(), TIMES[70:], 3 + np.cumsum(events)), scraped=scraped).tolist() == [wanted.tolist()]


def test_what_happened_in_a_gap_is_counted_when_it_is_over():
    events = np.full(len(TIMES), 2.0)
    some = np.r_[:40, 70 : len(TIMES)]
    late = np.where(np.arange(len(TIMES)) == 70, 2 * 31, events)
    assert grown((a_counter(), TIMES[some], np.cumsum(events)[some])).tolist() == [
        per_piece(TIMES[some], late[some]).tolist()
    ]


def test_histograms_of_other_bounds_are_not_added():
    events = np.full(len(TIMES), 2.0)
    some = [(a_counter("a", le=le), TIMES, np.cumsum(events)) for le in ("0.1", "+Inf")]
    others = [(a_counter("b", le=le), TIMES, np.cumsum(events)) for le in ("0.2", "+Inf")]
    assert grown(*some, *others).tolist() == [per_piece(TIMES, events).tolist()] * 4
