"""What the judge keeps: its memory while pods come and go, and how it comes back after a restart."""

from __future__ import annotations

import ctypes
import gc
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from bascule import conventions as names
from bascule.judge import PhaseWatch, PlanStep, Snapshots, outcome_of, snapshot_of
from bascule.prometheus import Prometheus
from bascule.spec import load as spec_of
from bench.harness import Bar, resident_bytes
from bench.rebuild import RATES
from bench.scaling.load import Sender, load_of
from bench.scaling.servers import server
from bench.scaling.source import LoadSource

BEGIN = 1_790_000_000
STEP = 5  # seconds after the beginning at which the phase begins
TICK = 5  # seconds between evaluations, where only what is kept counts
CHURN = 0.05  # of the instances, a minute
SETTLED, KEPT = 20, 360  # minutes after which memory is steady; seconds of history that the server holds
GAP = 75  # seconds at most that a judge misses, from its last snapshot until the next one has started

T = TypeVar("T")


def apart(work: Callable[..., T], *arguments: Any) -> T:
    """In a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def _watch(client: Any, reach: float = 0.0) -> PhaseWatch:
    plan = PlanStep(3, float(BEGIN + STEP), dict.fromkeys((*RATES, names.TOTAL_SEGMENT), 0.5))
    return PhaseWatch(spec_of("supersmartmatch"), client, plan, reach=reach)


# ---------------------------------------------------------------- memory


@dataclass(frozen=True)
class Memory:
    """Resident memory of the judge by minute, in MB, and the series that it knows."""

    instances: int
    megabytes: list[float]
    series: list[int]

    def bars(self) -> Iterator[Bar]:
        name = f"{self.instances} instances a version, {CHURN:.0%} of them new each minute"
        steady = self.megabytes[SETTLED:]
        yield Bar(f"{name}: memory after {len(self.megabytes)} min", self.megabytes[-1], "MB", 500)
        yield Bar(f"{name}: of that since minute {SETTLED}", max(steady) / steady[0] - 1, "", 0.05)


def memory(instances: int, minutes: int) -> Memory:
    """Follow instances that come and go."""
    before = _resident()
    source, random, pods = LoadSource(load_of(instances, minutes * 60 + 1), BEGIN), np.random.default_rng(1), 0
    watch, megabytes, series, of_load = _watch(source), [], [], _resident() - before
    for minute in range(minutes):
        for instance in random.choice(2 * instances, round(2 * instances * CHURN), replace=False).tolist():
            pods += 1
            source.rename(instance, f"pod-{pods}:1")
        for now in range(BEGIN + 60 * minute + TICK, BEGIN + 60 * minute + 61, TICK):
            watch.advance(float(now))
            outcome_of(watch.engine, watch.surroundings(float(now)))
        megabytes.append(_resident() - of_load)
        series.append(len(watch.reader))
    return Memory(instances, megabytes, series)


def _resident() -> float:
    """MB that are in use, not only kept for later."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return resident_bytes(os.getpid()) / (1 << 20)


# ---------------------------------------------------------------- restarts


@dataclass(frozen=True)
class Restart:
    """Seconds: to read the whole history, to take a snapshot, and until a judge with it has its first verdict."""

    instances: int
    history: float
    all_of_it: float
    taking: float
    snapshot_mb: float
    restarted: float
    differing: int

    def bars(self) -> Iterator[Bar]:
        name = f"{self.instances} instances a version, {self.history / 3600:g} h of history"
        yield Bar(f"{name}: restart", self.restarted, "s", 10)
        yield Bar(f"{name}: reading all of it again, without a server's time", self.all_of_it, "s", None)
        yield Bar(f"{name}: taking a snapshot", self.taking, "s", None)
        yield Bar(f"{name}: its size", self.snapshot_mb, "MB", None)
        yield Bar(f"{name}: sums that differ from a judge that never stopped", self.differing, "sums", 0)


def restart(instances: int, seconds: int) -> Restart:
    """Read a history, keep it, and go on in another process from a real Prometheus that holds its end."""
    load, end = load_of(instances, seconds), BEGIN + seconds
    with tempfile.TemporaryDirectory(prefix="bascule-restart-") as name, server(Path(name)) as prometheus:
        sender = Sender(prometheus.receiver)
        for second in range(max(0, seconds - KEPT), seconds):
            sender.send(load, second, BEGIN)
        steady = _watch(LoadSource(load, BEGIN, prometheus.client.url), reach=float(seconds))
        began = time.perf_counter()
        steady.advance(float(end - GAP))
        all_of_it, began = time.perf_counter() - began, time.perf_counter()
        content = snapshot_of(steady)
        taking = time.perf_counter() - began
        Snapshots(Path(name)).write(content)
        restarted, sums = apart(_restarted, prometheus.client.url, Path(name), float(end))
        steady.advance(float(end))
        differing = int((sums != steady.engine.sums).sum())
        return Restart(instances, seconds, all_of_it, taking, len(content) / 2**20, restarted, differing)


def _restarted(url: str, folder: Path, now: float) -> tuple[float, Any]:
    began = time.perf_counter()
    watch = _watch(Prometheus(url, timeout=600.0))
    if not Snapshots(folder).recall(watch, now):
        raise AssertionError("the snapshot was not taken over")
    watch.advance(now)
    outcome_of(watch.engine, watch.surroundings(now))
    return time.perf_counter() - began, watch.engine.sums
