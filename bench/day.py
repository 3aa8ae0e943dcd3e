"""What a day brings, in an hour: the stack under a moderate load, and everything that happens to it 24 times as fast.

    make bench NAME=day                         about 65 min
    BASCULE_BENCH=quick make bench NAME=day     two minutes: to see that it works

Alerts fire, are acknowledged and end; the plan's step is moved; reports are made and sent; console pages and their
streams are opened and closed; logs are rotated; Prometheus is reloaded; pods are replaced; maintenance is begun and
ended (bench/holding/happenings.py says how often). Each must have its effect. Memory and descriptors of every role are
held to a line through the last three quarters of the time, and to what it would rise by in the whole of it.
"""

from __future__ import annotations

import math
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bascule.stack import status
from bench.harness import Bar, Result
from bench.holding.doubling import table, wait_settled
from bench.holding.happenings import Day, Happening
from bench.holding.standing import Load, Standing, standing
from bench.holding.usage import Used, grown
from bench.holding.watching import courses

QUICK = os.environ.get("BASCULE_BENCH") == "quick"
SECONDS = 120.0 if QUICK else 3600.0
SHARE = SECONDS / 3600.0  # of what a day brings
LOAD = Load(series=100, lines=200.0, viewers=10)
REPORTS = 24  # of a day, that the role makes on schedule
MINUTE, NOTICED, MADE = 60.0, 30.0, 60.0  # seconds until the role knows its schedule, and until a due report is there
STEADY = 0.25  # of the time after which memory and descriptors are held
EVERY = 15  # looks of which one is written down: two a minute
LAGS = ("lag", "age", "evaluations", "viewers", "streams", "alarms", "restarts")  # how the names of what is held begin


@dataclass(frozen=True)
class Growth:
    """What a role may seem to grow by, as measurements vary; None: it is not held to any."""

    megabytes: float | None
    percent: float | None
    descriptors: float | None


OWN, UNLIMITED = Growth(30.0, 10.0, 5.0), Growth(None, None, None)


def run() -> Result:
    stop = threading.Event()
    reports = _schedule(time.time())
    with tempfile.TemporaryDirectory(prefix="bascule-day-") as name, standing(Path(name), LOAD, reports) as house:
        stands = time.time()
        wait_settled(house)
        day = Day(house, stop)
        day.begin()
        happenings = day.happenings(SHARE)
        start = time.time()
        try:
            day.live(happenings, SECONDS)
        finally:
            stop.set()
        end = time.time()
        house.wait_answers()
        seen = courses(house, start, end)
        lines = house.settle_logs()
        costs = house.usage.costs(start, end)
        roles = [row["process"] for row in status(house.spec)] + ["supervisor"]
        looks = {role: house.usage.between(role, start, end) for role in roles}
        print(table(costs), flush=True)
        due = sum(stands + NOTICED < each < end - MADE for each in reports)
        bars = [
            *(bar for each in happenings for bar in _happened(each)),
            Bar("SLA reports made on schedule", day.scheduled(), "reports", due, "at_least"),
            *(each.bar() for each in seen if each.name.startswith(LAGS)),
            Bar("log lines lost", abs(lines["written"] - lines["stored"]), "lines", 0),
            Bar("crashes of what the bench started", len(house.crashes), "crashes", 0),
            *(bar for role in roles for bar in _growth(role, looks[role], _limits(role, house))),
        ]
        raw = _raw(house, happenings, looks) | {"costs": [vars(cost) for cost in costs], "lines": lines}
    return Result(bars, raw)


def _schedule(now: float) -> list[float]:
    """Evenly over the time, at whole minutes."""
    step = max(MINUTE, math.ceil(SECONDS / REPORTS / MINUTE) * MINUTE)
    first = math.ceil(now / MINUTE + 1) * MINUTE
    return [first + number * step for number in range(int(SECONDS / step))]


def _happened(happening: Happening) -> Iterator[Bar]:
    for failure in happening.failures[:3]:
        print(f"  {happening.name}: {failure}", flush=True)
    yield Bar(happening.name, happening.done, "times", happening.times, "at_least")


def _limits(role: str, house: Standing) -> Growth:
    """Prometheus and Alertmanager are shown beside our own: the one keeps the newest hours in memory."""
    return OWN if role in (*house.spec.roles, "supervisor") else UNLIMITED


def _growth(name: str, looks: list[Used], most: Growth) -> Iterator[Bar]:
    steady = [used for used in looks if used.at - looks[0].at >= STEADY * (looks[-1].at - looks[0].at)]
    times, seconds = [used.at for used in steady], looks[-1].at - looks[0].at
    memory = grown(times, [used.megabytes for used in steady], seconds)
    descriptors = grown(times, [used.descriptors for used in steady], seconds)
    before = steady[0].megabytes
    yield Bar(f"memory of {name}, growth", memory, "MB", most.megabytes)
    yield Bar(f"memory of {name}, growth in percent", 100 * memory / before, "%", most.percent)
    yield Bar(f"descriptors of {name}, growth", descriptors, "descriptors", most.descriptors)


def _raw(house: Standing, happenings: list[Happening], looks: dict[str, list[Used]]) -> dict[str, Any]:
    happened = [{"name": h.name, "done": h.done, "asked": h.times, "failures": h.failures} for h in happenings]
    incidents = [f"{each.received:%H:%M:%S} {each.alert}: {each.description}" for each in house.journal.incidents()]
    return {
        "load": vars(LOAD),
        "seconds": SECONDS,
        "happened": happened,
        "incidents": incidents,
        "crashes": house.crashes,
        "load average": os.getloadavg(),
        "looks": {name: each[::EVERY] for name, each in looks.items()},
    }
