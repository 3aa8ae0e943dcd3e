"""What it costs when Prometheus writes its samples to the judge, in place of answering it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import httpx
import uvicorn
import yaml
from fastapi import FastAPI

from bascule import conventions as names
from bascule.generate import generate
from bascule.judge import PhaseWatch, PlanStep, PushedSamples, add_receiver, outcome_of
from bascule.processes import ports
from bascule.processes.ready import answers, wait_until
from bascule.prometheus import Matrix, Prometheus
from bascule.spec import Spec
from bascule.spec import load as spec_of
from bench.harness import Bar
from bench.rebuild import RATES
from bench.scaling.load import Load, Sender, load_of
from bench.scaling.servers import Server, server

STEP = 5  # seconds after the beginning at which the phase begins
AHEAD = 60  # seconds from the start of a server to the first sample: it writes nothing that is older than itself
FIRST = 25  # seconds after which nothing is asked for but to compare
PATIENCE = 60.0  # seconds for the samples of one


@dataclass(frozen=True)
class Followed:
    """Processor time of a judge, seconds: to take what is written, and of evaluations; and how its samples came."""

    taking: float
    evaluating: float
    pushed: int
    pulled: int


@dataclass(frozen=True)
class Pushed:
    """Processor time by second of samples: of a Prometheus that writes to nobody, of one that writes, of the judge."""

    instances: int
    samples: int
    without: float
    writing: float
    judge: Followed

    def bars(self) -> Iterator[Bar]:
        name, added = f"push at {self.instances} instances a version", self.writing - self.without
        yield Bar(
            f"{name}: CPU that is added to Prometheus, and of the judge to take it", added + self.judge.taking, "s", 0.5
        )
        yield Bar(f"{name}: of that, a sample at Prometheus", 1e6 * added / self.samples, "µs", None)
        yield Bar(f"{name}: of that, a sample at the judge", 1e6 * self.judge.taking / self.samples, "µs", None)
        yield Bar(f"{name}: CPU of an evaluation besides", self.judge.evaluating, "s", None)
        yield Bar(f"{name}: answers that Prometheus gave", self.judge.pulled, "answers", 0)


def pushed(instances: int, seconds: int) -> Pushed:
    """One server after the other is sent the same samples; beside the second a judge follows."""
    load = load_of(instances, FIRST + seconds)
    with tempfile.TemporaryDirectory(prefix="bascule-push-") as name:
        with server(Path(name, "without")) as alone:
            without = _spent(alone, load, int(time.time()), lambda now: None)
        port, config = ports.free(), Path(name, "writing")
        spec = _writing_to(port)
        told = yaml.safe_load(generate(spec)["prometheus/prometheus.yml"])["remote_write"]
        del told[0]["authorization"]
        text = yaml.safe_dump({"global": {"scrape_interval": "1h"}, "remote_write": told})
        begin = int(time.time()) + AHEAD
        with server(config, text) as writer, _judge(writer.client.url, port, begin) as judge:
            writing = _spent(writer, load, begin, judge.post)
            found = judge.result()
    each = Followed(found.taking / seconds, found.evaluating / seconds, found.pushed, found.pulled)
    return Pushed(instances, len(load), without, writing, each)


def _writing_to(port: int) -> Spec:
    spec = spec_of("supersmartmatch")
    stack = spec.stack.model_copy(update={"ports": spec.stack.ports.model_copy(update={"judge": port})})
    return spec.model_copy(update={"judge": spec.judge.model_copy(update={"push": True}), "stack": stack})


def _spent(target: Server, load: Load, begin: int, follow: Callable[[float], None]) -> float:
    """Processor time of a server by second, after it has the first ones."""
    sender, before, seconds = Sender(target.receiver), 0.0, load.answered.shape[1]
    for second in range(seconds):
        if second == FIRST:
            before = target.cpu()
        sender.send(load, second, begin)
        follow(begin + second + 1.0)
    return (target.cpu() - before) / (seconds - FIRST)


# ---------------------------------------------------------------- the judge


class _Judge:
    """A judge in a process of its own, which evaluates when it is told to."""

    def __init__(self, port: int) -> None:
        self._client, self._url = httpx.Client(timeout=PATIENCE + 60), f"http://127.0.0.1:{port}"

    def post(self, now: float) -> None:
        """Evaluate, once all samples before `now` are there."""
        self._client.post(f"{self._url}/now/{now}").raise_for_status()

    def result(self) -> Followed:
        return Followed(**self._client.get(f"{self._url}/result").raise_for_status().json())


@contextmanager
def _judge(prometheus: str, port: int, begin: int) -> Iterator[_Judge]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        serving = pool.submit(_serve, prometheus, port, begin)
        judge = _Judge(port)
        try:
            if not wait_until(answers(f"http://127.0.0.1:{port}/result"), PATIENCE):
                raise AssertionError("the judge did not start")
            yield judge
        finally:
            httpx.post(f"http://127.0.0.1:{port}/stop")
            serving.result()


def _serve(prometheus: str, port: int, begin: int) -> None:
    app = FastAPI()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    client = Prometheus(prometheus, timeout=600.0)
    samples = _Answering(client)
    add_receiver(app, samples)
    plan = PlanStep(3, float(begin + STEP), dict.fromkeys((*RATES, names.TOTAL_SEGMENT), 0.5))
    watch = PhaseWatch(spec_of("supersmartmatch"), client, plan, reach=20.0, pushed=samples)
    spent, begun = Followed(0.0, 0.0, 0, 0), _Since(samples)

    @app.post("/now/{now}")
    def evaluate(now: float) -> None:
        nonlocal spent, begun
        give_up = time.monotonic() + PATIENCE
        while not samples.has_reached(now - 1.0, now) and samples.newest < now - 0.01 and time.monotonic() < give_up:
            time.sleep(0.02)
        cpu = time.thread_time()
        watch.advance(now)
        outcome_of(watch.engine, watch.surroundings(now))
        spent = replace(spent, evaluating=spent.evaluating + time.thread_time() - cpu)
        if now == begin + FIRST:
            spent, begun = Followed(0.0, 0.0, 0, 0), _Since(samples)

    @app.get("/result")
    def result() -> dict[str, Any]:
        answering = samples.spent - begun.answering
        taking = time.process_time() - begun.cpu - spent.evaluating - answering
        pushed, pulled = samples.pushed - begun.pushed, samples.pulled - begun.pulled
        return {"taking": taking, "evaluating": spent.evaluating + answering, "pushed": pushed, "pulled": pulled}

    @app.post("/stop")
    def stop() -> None:
        server.should_exit = True

    server.run()


class _Answering(PushedSamples):
    """Which notes the processor time of its answers: they are asked for by threads of the evaluation's own."""

    spent = 0.0

    def matrix(self, selector: str, seconds: float, at: float) -> Matrix:
        cpu = time.thread_time()
        try:
            return super().matrix(selector, seconds, at)
        finally:
            self.spent += time.thread_time() - cpu


class _Since:
    def __init__(self, samples: _Answering) -> None:
        self.cpu, self.answering = time.process_time(), samples.spent
        self.pushed, self.pulled = samples.pushed, samples.pulled
