"""Holding a load, doubling it until something gives way, and how long it takes to recover."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bascule.errors import BasculeError, ProcessFailed
from bench.harness import Bar
from bench.holding.standing import Load, Standing
from bench.holding.telling import Told, in_short
from bench.holding.usage import Cost
from bench.holding.watching import Course, looked, settled

SETTLED_SECONDS = 120.0  # in which a new stack carries its load
RECOVERED = 120.0  # seconds at most after a load that was too much


@dataclass(frozen=True)
class Plan:
    """Seconds that the load is held, doublings at most, and the seconds of each."""

    seconds: float
    doublings: int
    step: float


@dataclass(frozen=True)
class Held:
    """A load for a while: what was seen of it, and what it cost."""

    factor: int
    courses: list[Course]
    costs: list[Cost]
    sent: dict[str, float]  # what the senders managed, by second

    @property
    def first(self) -> Course | None:
        """What gave way first."""
        gone = [each for each in self.courses if not each.holds]
        return min(gone, key=lambda each: each.gave_way or 0.0, default=None)

    @property
    def raw(self) -> dict[str, Any]:
        figures = {each.name: {"figure": each.figure, "gave way": each.gave_way} for each in self.courses}
        return {"factor": self.factor, "figures": figures, "costs": [vars(cost) for cost in self.costs],
                "sent": self.sent}  # fmt: skip


def hold(house: Standing, load: Load, factor: int, seconds: float) -> Held:
    """Send so many times the load for so long."""
    start = house.send(load.times(factor))
    before = house.desks["lines"].said()["written"]
    time.sleep(max(0.0, start + seconds - time.time()))
    end = time.time()
    lines = (house.desks["lines"].said()["written"] - before) / (end - start)
    viewers = house.desks["viewers"].said()["open"]
    sent = {"lines a second": round(lines, 1), "viewers with figures": viewers, "series": _series(house)}
    return Held(factor, looked(house, start, end), house.usage.costs(start, end), sent)


def _series(house: Standing) -> float:
    """Of the services, as they were scraped last."""
    jobs = "|".join(house.spec.services)
    try:
        return house.prometheus.scalar(f'sum(scrape_samples_scraped{{job=~"{jobs}"}})') or 0.0
    except BasculeError:
        return 0.0


def wait_settled(house: Standing) -> None:
    """Wait until a new stack carries its load. Raises ProcessFailed where it does not."""
    if settled(house, time.time(), SETTLED_SECONDS) is None:
        now = time.time()
        odd = [f"{each.name}: {each.figure}" for each in looked(house, now - 10, now) if not each.holds]
        what = f"the load was not carried within {SETTLED_SECONDS:g} s: {'; '.join(odd)}"
        raise ProcessFailed(what, "free the machine of other work, or lower the load in bench/held.py")


def doubled(house: Standing, load: Load, plan: Plan) -> Iterator[tuple[Held, dict[str, Any]]]:
    """Twice the load each time, until something gives way and the stack says so; with what it said."""
    for doubling in range(1, plan.doublings + 1):
        told, begun = Told(house), time.time()
        held = hold(house, load, 2**doubling, plan.step)
        first = held.first
        said = told.since(begun, time.time()) if first else {}
        yield held, said
        if any(said.values()):
            return


def recovered(house: Standing, load: Load) -> float | None:
    """Seconds until the base load is carried again."""
    since = time.time()
    house.send(load)
    return settled(house, since, 1.5 * RECOVERED)


def table(costs: Sequence[Cost]) -> str:
    """Who used how much, the most first."""
    lines = [f"  {'':18} {'cores':>6} {'MB':>6} {'descriptors':>12}"]
    for cost in sorted(costs, key=lambda each: -each.cores):
        lines.append(f"  {cost.name:18} {cost.cores:6.2f} {cost.megabytes:6.0f} {cost.descriptors:12}")
    return "\n".join(lines)


def story(held: Held, said: dict[str, Any]) -> Iterator[str]:
    """How a doubled load went."""
    sent = ", ".join(f"{name} {value:g}" for name, value in held.sent.items())
    yield f"  {held.factor} times the load ({sent}): " + ("held" if held.first is None else "gave way")
    for course in sorted((each for each in held.courses if not each.holds), key=lambda each: each.gave_way or 0.0):
        yield f"    {'first: ' if course is held.first else 'also: '}{course.name}: {course.figure} {course.unit}"
    yield from in_short(said) if held.first else ()


def bars_of(held: Held) -> list[Bar]:
    return [course.bar() for course in held.courses]
