"""When the judge evaluates next: at the scrape that is due, and at its tick whatever scrapes do."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest

from bascule.judge import DueScrape, LiveJudge, Pace, PlanStep

START = 1_000_000.0
HALF = {"enterprise": 0.0, "api_partners": 0.5, "freemium": 0.5, "all": 0.5}


class Clock:
    """Time that passes while somebody waits, and an event that is set at its end."""

    def __init__(self, end: float, now: float = 0.0) -> None:
        self.now, self.end = now, end

    def __call__(self) -> float:
        return self.now

    def is_set(self) -> bool:
        return self.now >= self.end

    def wait(self, seconds: float) -> bool:
        self.now += max(0.0, seconds)
        return self.is_set()


def evaluations(arrivals: list[float | None], tick: float = 1.0, first: float = 0.0, work: float = 0.05) -> list[float]:
    """When the judge evaluates; scrapes are taken each second from .3 on, and each is in after so long, or never."""
    clock = Clock(len(arrivals), first)
    pace, found = Pace(tick, 1.0, 0.25, clock, clock), []

    def is_in(moment: float) -> bool:
        after = arrivals[round(moment - 0.3)] if moment < len(arrivals) else None
        return after is not None and clock.now >= moment + after

    while not clock.is_set():
        found.append(clock.now)
        begun = clock.now
        seen = max(
            [0.3, *(k + 0.3 for k, after in enumerate(arrivals) if after is not None and k + 0.3 + after <= begun)]
        )
        clock.now += work
        pace.wait(begun, DueScrape(seen + 1.0, is_in))
    return found


@pytest.mark.parametrize("first", [0.0, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("arrival", [0.01, 0.08, 0.2])
def test_every_scrape_is_weighed_within_a_tenth_of_its_arrival(first, arrival):
    found = evaluations([arrival] * 20, first=first)
    for scrape in range(3, 19):
        due = scrape + 0.3 + arrival
        assert min(moment - due for moment in found if moment >= due) <= 0.1 + 1e-9


def test_a_scrape_that_is_missing_costs_no_evaluation():
    arrivals: list[float | None] = [0.05] * 20
    arrivals[7] = arrivals[8] = None
    found = evaluations(arrivals)
    assert max(b - a for a, b in pairwise(found)) <= 1.1
    assert min(moment - 9.35 for moment in found if moment >= 9.35) <= 0.1


def test_arrivals_of_any_length_keep_the_judge_from_neither_its_tick_nor_its_rest():
    random.seed(1)
    found = evaluations([random.uniform(0.01, 0.6) for _ in range(60)])
    gaps = [b - a for a, b in pairwise(found)]
    assert max(gaps) <= 1.1
    assert len(found) <= 2 * 60


@pytest.mark.parametrize("tick", [0.5, 2.0, 5.0])
def test_a_tick_of_another_length_stays_what_it_is(tick):
    found = evaluations([0.05] * 60, tick=tick)
    assert len(found) <= 1.3 * 60 / min(tick, 1.0) if tick < 1 else len(found) == pytest.approx(60 / tick, abs=2)
    assert all(moment - math.floor(moment) == pytest.approx(0.35, abs=0.11) for moment in found[2:]) or tick < 1


def test_without_a_known_scrape_it_evaluates_at_its_tick():
    clock = Clock(10.0)
    pace = Pace(1.0, 1.0, 0.25, clock, clock)
    pace.wait(0.0, None)
    assert clock.now == 1.0


# ---------------------------------------------------------------- the live judge


class Scraped:
    """Two shops, scraped each second at times of their own; a scrape is in a little later. Waiting lets time pass."""

    def __init__(self, house, world, offsets: tuple[float, float]) -> None:
        self.prometheus = world.PretendPrometheus(now=START - 4, plan=PlanStep(2, START - 3, HALF))
        self._shops = [house.Shop(version, number, dict(world.RATES)) for number, version in enumerate(("v1", "v2"))]
        self._next = [START - 4 + offset for offset in offsets]
        self.end = START + 6

    def clock(self) -> float:
        return self.prometheus.now - START

    def is_set(self) -> bool:
        return self.prometheus.now >= self.end

    def wait(self, seconds: float) -> bool:
        until = self.prometheus.now + max(0.0, seconds)
        for number, shop in enumerate(self._shops):
            while self._next[number] + 0.04 <= until:
                shop.serve(1.0)
                target = {"job": f"shop-{shop.version}", "instance": shop.version}
                self.prometheus.add(self._next[number], shop.text() + "up 1\n", **target)
                self._next[number] += 1.0
        self.prometheus.now = until
        return self.is_set()


@pytest.mark.parametrize("offsets", [(0.7, 0.2), (0.5, 0.52)])
def test_the_live_judge_weighs_each_scrape_as_soon_as_it_is_in(house, world, offsets):
    scraped = Scraped(house, world, offsets)
    scraped.wait(1.1)
    waited = []

    def publish(outcome, missing, seconds) -> None:
        if judge.watch is not None and math.isfinite(judge.watch.due):
            waited.append(scraped.prometheus.now - (judge.watch.due - 1.0))

    judge = LiveJudge(house.shop_spec(), scraped.prometheus, (), publish, clock=scraped.clock)
    judge.run(scraped)
    assert max(waited[5:]) <= 0.31
    assert sorted(waited[5:])[len(waited[5:]) // 2] <= 0.2
    assert judge.watch.engine.seconds >= 7
    assert len(waited) <= 2 * 10
