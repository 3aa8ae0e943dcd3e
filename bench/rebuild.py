"""A judge that is restarted: how long it takes to read 24 h of history at 5 s again, from a real Prometheus.

    make bench NAME=rebuild                      24 h, some minutes to make the history and seconds to read it
    BASCULE_BENCH=quick make bench NAME=rebuild  2 h: to see that it works

The history is written as blocks (`promtool tsdb create-blocks-from openmetrics`): the built-in spec's signals in both
versions and three segments, the candidate at half of the traffic after the first hour. What the rebuilt judge knows is
compared with what was written: nothing may be lost.
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from bascule import conventions as names
from bascule.judge import CANDIDATE, PhaseWatch, PlanStep
from bascule.processes import ports, programs
from bascule.processes.supervisor import Program, Supervisor
from bascule.prometheus import Prometheus
from bascule.spec import Spec, load
from bench.harness import Bar, Result

BEGIN, STEP = 1_790_000_000, 5
HOURS = 2 if os.environ.get("BASCULE_BENCH") == "quick" else 24
ALONE_SECONDS = 3600  # of the baseline, before the phase
CHUNK_SCRAPES = 1440  # in one file: two hours, the length of a block
RATES = {"enterprise": 8.0, "api_partners": 12.0, "freemium": 20.0}  # requests a second
SEED = 1

Counts = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Counter:
    """One series: metric, labels, and its increments at each scrape."""

    metric: str
    labels: str
    increments: Counts


def run() -> Result:
    end = BEGIN + HOURS * 3600
    counters = list(history(end))
    with tempfile.TemporaryDirectory(prefix="bascule-rebuild-") as name, prometheus(Path(name), counters) as client:
        plan = PlanStep(3, BEGIN + ALONE_SECONDS, dict.fromkeys((*RATES, names.TOTAL_SEGMENT), 0.5))
        watch, wall, cpu = rebuilt(plan, client, end)
    lost = abs(_known(watch) - _written(counters))
    bars = [
        Bar(f"rebuild of {HOURS} h at {STEP} s", wall, "s", 30),
        Bar("of it in the judge's own process", cpu, "s CPU", None),
        Bar("requests of the candidate that are not known again", lost, "requests", 0),
        Bar("alarms on identical versions", len(watch.engine.raised), "alarms", 0),
        Bar("largest memory of the judge", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MB", 500),
    ]
    return Result(bars, {"series": len(counters), "samples": len(counters) * HOURS * 3600 // STEP, "seed": SEED})


def rebuilt(plan: PlanStep, client: Prometheus, end: float) -> tuple[PhaseWatch, float, float]:
    """A watch that was started at the end of the history; seconds, and seconds of its own processor time."""
    wall, cpu = time.perf_counter(), time.process_time()
    watch = PhaseWatch(spec(), client, plan)
    watch.advance(end)
    return watch, time.perf_counter() - wall, time.process_time() - cpu


def spec() -> Spec:
    built_in = load("supersmartmatch")
    scrape = built_in.stack.scrape.model_copy(update={"interval": float(STEP)})
    return built_in.model_copy(update={"stack": built_in.stack.model_copy(update={"scrape": scrape})})


def _known(watch: PhaseWatch) -> float:
    schema, sums = watch.engine.schema, watch.engine.sums
    return float(sum(sums[CANDIDATE, schema.column("errors", "events", segment)] for segment in RATES))


def _written(counters: list[Counter]) -> float:
    """Requests of the candidate in the phase's looks: from its second scrape on; the newest has not settled yet."""
    first = ALONE_SECONDS // STEP + 1
    wanted = [c for c in counters if c.metric == names.HTTP_REQUESTS.name and 'version="v2"' in c.labels]
    return float(sum(counter.increments[first:-1].sum() for counter in wanted))


# ---------------------------------------------------------------- the history


def history(end: float) -> Iterator[Counter]:
    """Every series of both versions, at equal quality, and the scrapes' own."""
    random = np.random.default_rng(SEED)
    scrapes = int(end - BEGIN) // STEP + 1
    together = np.arange(scrapes) * STEP > ALONE_SECONDS
    for version, share in (("v1", np.where(together, 0.5, 1.0)), ("v2", np.where(together, 0.5, 0.0))):
        target = f'job="supersmartmatch-{version}",instance="{version}:1"'
        yield Counter("up", target, np.concatenate(([1.0], np.zeros(scrapes - 1))))
        for segment, rate in RATES.items():
            requests = random.poisson(rate * STEP * share)
            labels = f'{target},version="{version}",user_segment="{segment}"'
            yield from _served(random, labels, requests)


def _served(random: np.random.Generator, labels: str, requests: Counts) -> Iterator[Counter]:
    failed = random.binomial(requests, 0.002)
    yield Counter(names.HTTP_REQUESTS.name, f'{labels},status="500"', failed)
    yield Counter(names.HTTP_REQUESTS.name, f'{labels},status="200"', requests - failed)
    yield Counter(names.FALLBACK_ANSWERS.name, labels, random.binomial(requests, 0.001))
    matched = random.binomial(requests - failed, 0.9)
    yield Counter(names.MATCHES_TOTAL.name, f'{labels},success="True"', matched)
    yield Counter(names.MATCHES_TOTAL.name, f'{labels},success="False"', requests - failed - matched)
    yield Counter(names.MATCH_VALUE.name, labels, matched * 100.0)
    yield Counter(names.MATCH_VALUE_SQUARED.name, labels, matched * 10100.0)
    yield from _buckets(random, labels, requests, names.HTTP_DURATION, 0.02)
    yield from _buckets(random, labels, random.binomial(requests, 0.1), names.USER_RATING, 4.0)


def _buckets(
    random: np.random.Generator, labels: str, events: Counts, metric: names.Metric, middle: float
) -> Iterator[Counter]:
    """A histogram: in each scrape its events fall log-normally around the middle."""
    below = np.array([_log_normal(bound / middle) for bound in metric.buckets])
    falling = random.multinomial(events, np.diff(np.concatenate(([0.0], below, [1.0]))))
    cumulative = falling.cumsum(axis=1)
    for place, bound in enumerate((*metric.buckets, "+Inf")):
        yield Counter(f"{metric.name}_bucket", f'{labels},le="{bound}"', cumulative[:, place])
    yield Counter(f"{metric.name}_count", labels, events)
    yield Counter(f"{metric.name}_sum", labels, events * middle)


def _log_normal(ratio: float) -> float:
    return float(norm.cdf(np.log(ratio) / 0.3))


# ---------------------------------------------------------------- Prometheus


@contextmanager
def prometheus(folder: Path, counters: list[Counter]) -> Iterator[Prometheus]:
    """One that holds the history."""
    _write_blocks(folder, counters)
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 1h}\n")
    port = ports.free()
    argv = [
        str(programs.find("prometheus")),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=10y",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    client = Prometheus(f"http://127.0.0.1:{port}", timeout=120.0)
    with Supervisor() as supervisor:
        supervisor.start(Program("prometheus", argv, log=folder / "log", ready=client.is_ready, ready_timeout=120))
        yield client


def _write_blocks(folder: Path, counters: list[Counter]) -> None:
    totals = [np.cumsum(counter.increments) for counter in counters]
    for first in range(0, len(totals[0]), CHUNK_SCRAPES):
        path = folder / "history.txt"
        with path.open("w") as file:
            file.writelines(_exposition(counters, totals, first))
            file.write("# EOF\n")
        argv = [
            str(programs.find("promtool")),
            "tsdb",
            "create-blocks-from",
            "openmetrics",
            str(path),
            str(folder / "data"),
        ]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        path.unlink()


def _exposition(counters: list[Counter], totals: list[Counts], first: int) -> Iterator[str]:
    """The samples of one chunk, family by family."""
    family = ""
    for counter, total in sorted(zip(counters, totals, strict=True), key=lambda each: each[0].metric):
        if counter.metric != family:
            family = counter.metric
            yield f"# TYPE {family} unknown\n"
        name = f"{counter.metric}{{{counter.labels}}}"
        for place, value in enumerate(total[first : first + CHUNK_SCRAPES].tolist(), start=first):
            yield f"{name} {value:.10g} {BEGIN + place * STEP}\n"
