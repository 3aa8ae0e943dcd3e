"""What an evaluation costs the judge as instances grow: its own processor time, wall time and memory.

    make bench NAME=judge_scale                      10, 50 and 200 instances a version, some minutes
    BASCULE_BENCH=quick make bench NAME=judge_scale  10 and 50: to see that it works

A minute of scrapes each second, every instance at an offset of its own, is written as blocks; the judge then follows it
second by second, as it would live. Each size runs in a process of its own.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from bascule import conventions as names
from bascule.judge import PhaseWatch, PlanStep, outcome_of
from bascule.spec import load
from bench.harness import Bar, Result
from bench.rebuild import BEGIN, RATES, SEED, Counter, holding, served, write_block

SIZES = (10, 50) if os.environ.get("BASCULE_BENCH") == "quick" else (10, 50, 200)
SECONDS, READ_AT_ONCE, PHASE_BEGINS = 60, 30, 5


@dataclass(frozen=True)
class Cost:
    """Of one evaluation, at the median: own processor time and wall time, in seconds."""

    instances: int
    series: int
    cpu: float
    wall: float
    outcome_cpu: float
    peak_mb: float


def run() -> Result:
    costs = [_apart(size) for size in SIZES]
    bars = [bar for cost in costs for bar in _bars(cost)]
    small, large = costs[-2:]
    growth = (large.cpu / large.series) / (small.cpu / small.series)
    bars.append(Bar(f"own CPU per series at {large.instances} against {small.instances}", growth, "x", 1.2))
    return Result(bars, {"costs": [asdict(cost) for cost in costs], "seed": SEED})


def _bars(cost: Cost) -> Iterator[Bar]:
    size = f"{cost.instances} instances a version"
    yield Bar(f"{size}: own CPU of reading and weighing a second", cost.cpu, "s", None)
    yield Bar(f"{size}: wall time of it", cost.wall, "s", None)
    yield Bar(f"{size}: own CPU of the outcome", cost.outcome_cpu, "s", None)
    yield Bar(f"{size}: largest memory", cost.peak_mb, "MB", 500)


def _apart(size: int) -> Cost:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(cost_of, size).result()


def cost_of(size: int) -> Cost:
    """Follow so many instances a version for half a minute."""
    with tempfile.TemporaryDirectory(prefix="bascule-scale-") as name:
        write_block(Path(name), _exposition(sorted(_counters(size), key=lambda each: each.counter.metric)))
        with holding(Path(name)) as client:
            spec = load("supersmartmatch")
            plan = PlanStep(3, float(BEGIN + PHASE_BEGINS), dict.fromkeys((*RATES, names.TOTAL_SEGMENT), 0.5))
            watch = PhaseWatch(spec, client, plan, reach=float(READ_AT_ONCE))
            watch.advance(float(BEGIN + READ_AT_ONCE))
            spent = np.array([_followed(watch, float(now)) for now in range(BEGIN + READ_AT_ONCE + 1, BEGIN + SECONDS)])
        cpu, outcome_cpu, wall = np.median(spent, axis=0)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return Cost(size, len(watch.reader), cpu, wall, outcome_cpu, peak / 1024)


def _followed(watch: PhaseWatch, now: float) -> tuple[float, float, float]:
    """Own CPU of reading and weighing, and of the outcome; wall time of both."""
    wall, begun = time.perf_counter(), time.process_time()
    watch.advance(now)
    read = time.process_time()
    outcome_of(watch.engine, watch.surroundings(now))
    return read - begun, time.process_time() - read, time.perf_counter() - wall


# ---------------------------------------------------------------- the history


@dataclass(frozen=True, eq=False)
class Scraped:
    """A series that is scraped each second, so long after the second began."""

    counter: Counter
    offset: float


def _counters(size: int) -> Iterator[Scraped]:
    random = np.random.default_rng(SEED)
    for version in ("v1", "v2"):
        for number in range(size):
            offset = round(float(random.uniform(0, 1)), 3)
            target = f'job="supersmartmatch-{version}",instance="{version}-{number}:1"'
            yield Scraped(Counter("up", target, np.concatenate(([1.0], np.zeros(SECONDS - 1)))), offset)
            for segment, rate in RATES.items():
                labels = f'{target},version="{version}",user_segment="{segment}"'
                for counter in served(random, labels, random.poisson(rate / 10, SECONDS)):
                    yield Scraped(counter, offset)


def _exposition(counters: Iterable[Scraped]) -> Iterator[str]:
    family = ""
    for each in counters:
        if each.counter.metric != family:
            family = each.counter.metric
            yield f"# TYPE {family} unknown\n"
        name = f"{family}{{{each.counter.labels}}}"
        for second, value in enumerate(np.cumsum(each.counter.increments).tolist()):
            yield f"{name} {value:.10g} {BEGIN + second + each.offset:.3f}\n"


__all__ = ["run"]
