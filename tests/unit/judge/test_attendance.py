"""Availability by the scrapes that came: at any interval, with several targets, and where scrapes are missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import pytest

from bascule.conventions import State
from bascule.judge import AttendanceBook, PhaseEngine, PlanStep, Schema, Sight, Surroundings, UpSamples, outcome_of
from bascule.states import Cause

START, HOLD = 1_700_000_000.0, 60.0
HALF = {"enterprise": 0.0, "api_partners": 0.5, "freemium": 0.5, "all": 0.5}
INTERVALS = [1.0, 5.0, 15.0, 30.0, 60.0]
GATE = 'hold: 10s, gates: {availability: ">99%"}'
Found = Callable[[float], bool]


def scraped(
    job: str, interval: float, until: float, found: Found, came: Found = lambda _: True, offset: float = 0.0
) -> UpSamples:
    """One target of a service, scraped from half an hour before the start on; `found`, `came`: by seconds since it."""
    first = offset + interval - 1800 // interval * interval
    moments = [each for each in np.arange(first, until + 0.001, interval).tolist() if came(each)]
    times, up = START + np.array(moments), np.array([float(found(each)) for each in moments])
    return UpSamples(np.full(len(times), job, np.object_), times, up, np.diff(times, prepend=-math.inf))


@pytest.fixture(scope="module")
def judged(house):
    """What is thought of such scrapes at a moment, in seconds since the start."""
    text = house.SPEC.replace("for: 8s", f"for: {HOLD:g}s").replace('hold: 10s, gates: {errors: "<2%"}', GATE)
    spec = house.shop_spec(text)
    engine = PhaseEngine(Schema(spec, {"latency": house.BOUNDS, "satisfaction": (1.0, 5.0)}), PlanStep(2, START, HALF))

    def outcome(now: float, scrapes: Iterable[UpSamples], services: Iterable[str] = ("shop-v2",)):
        book = AttendanceBook(services, 1.0)
        for each in scrapes:
            book.add(each)
        seen = Sight(START + now, 1.0)
        return outcome_of(engine, Surroundings(START + now, (seen, seen), attendance=book.at(START + now)))

    return outcome


def trigger_of(outcome):
    return next(each for each in outcome.triggers if each.when.startswith("availability"))


@pytest.mark.parametrize("interval", INTERVALS)
def test_the_trigger_fires_at_any_interval_and_stays_between_two_scrapes(judged, interval):
    """Though the spec says that a scrape comes each second."""

    def at(now: float):
        return trigger_of(judged(now, [scraped("shop-v2", interval, now, lambda since: since <= 0)]))

    assert at(0).state is State.OK
    assert (at(interval).state, at(interval).value < 1) == (State.OK, True)
    assert at(HOLD - 0.5).state is State.OK
    last = interval + math.ceil(HOLD / interval) * interval
    assert {at(last + part * interval).state for part in (0, 0.3, 0.6, 0.9)} == {State.BAD}


@pytest.mark.parametrize("interval", INTERVALS)
def test_one_of_two_targets_down_is_half_of_the_availability(judged, interval):
    """Scraped by turns, each good scrape comes between two that fail."""

    def at(now: float):
        down = scraped("shop-v2", interval, now, lambda since: since <= 0)
        return trigger_of(judged(now, [down, scraped("shop-v2", interval, now, lambda _: True, offset=-interval / 2)]))

    found = at(4 * interval + 2 * HOLD)
    assert found.state is State.BAD
    assert found.value == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize("interval", INTERVALS)
def test_one_failed_scrape_is_seen_and_fires_nothing(judged, interval):
    seen = []
    for number in range(1, 8):
        now = number * interval
        found = trigger_of(judged(now, [scraped("shop-v2", interval, now, lambda since: since != interval)]))
        assert found.state is State.OK
        seen.append(found.value)
    assert seen[0] < 0.99
    assert seen[-1] == 1.0 or interval == 1.0, "at each second, the window holds fifteen"
    if interval in (5.0, 15.0):
        assert seen[:4] == [0.75] * 4, "as long as the window says"


@pytest.mark.parametrize("interval", INTERVALS)
def test_a_gate_does_not_take_absence_for_health(judged, interval):
    """Ten minutes of the last fifteen without any scrape: nobody knows."""
    now = 960.0
    whole = scraped("shop-v2", interval, now, lambda _: True)
    holed = scraped("shop-v2", interval, now, lambda _: True, came=lambda since: not 100 < since <= 700)
    [passed], [unknown] = judged(now, [whole]).gates, judged(now, [holed]).gates
    assert (passed.state, passed.value) == (State.OK, 1.0)
    assert (unknown.state, unknown.cause) == (State.NO_DATA, Cause.UNMONITORED)
    assert "no scrape came" in unknown.text


def test_a_gate_that_fails_whatever_was_missed_has_failed(judged):
    now = 960.0
    scrapes = scraped("shop-v2", 15.0, now, lambda since: since < 600, came=lambda since: not 200 < since <= 400)
    [gate] = judged(now, [scrapes]).gates
    assert gate.state is State.BAD


def test_a_service_that_is_not_scraped_is_no_data_and_not_the_health_of_another(judged):
    now = 960.0
    one = scraped("shop-v2", 15.0, now, lambda _: True)
    outcome = judged(now, [one], services=("shop-v2", "cache-v2"))
    assert trigger_of(outcome).cause is Cause.UNMONITORED
    assert [gate.cause for gate in outcome.gates] == [Cause.UNMONITORED]


def test_a_service_that_is_down_fires_though_nobody_scrapes_another(judged):
    now = 300.0
    down = scraped("shop-v2", 15.0, now, lambda since: since <= 0)
    assert trigger_of(judged(now, [down], services=("shop-v2", "cache-v2"))).state is State.BAD


def test_scrapes_that_stop_are_no_data(judged):
    stopped = scraped("shop-v2", 15.0, 300.0, lambda _: True)
    assert trigger_of(judged(330.0, [stopped])).state is State.OK
    assert trigger_of(judged(345.0, [stopped])).state is State.NO_DATA


def test_a_service_that_comes_back_after_long_has_its_own_interval(judged):
    """The hours between two of its scrapes are an absence, and no interval."""
    scrapes = scraped("shop-v2", 15.0, 960.0, lambda _: True, came=lambda since: since <= -1700 or since > 900)
    [gate] = judged(960.0, [scrapes]).gates
    assert (gate.state, gate.cause) == (State.NO_DATA, Cause.UNMONITORED)
