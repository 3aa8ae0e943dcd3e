"""The lab, its traffic and Bascule's whole stack, standing together on one machine."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bascule import stack
from bascule.api import IncidentsClient, JudgeClient
from bascule.api.models.journal import IncidentAnswer
from bascule.api.models.moves import PlanAnswer, PlanMove
from bascule.api.models.verdict import VerdictAnswer
from bascule.api.servers import prometheus_of
from bascule.conventions import TOTAL_SEGMENT, Severity
from bascule.errors import BasculeError, ProcessFailed
from bascule.lab import LONGEST_SECONDS, Lab, RedisCluster, Traffic, front_url, lab_spec, write_spec
from bascule.prometheus import Prometheus
from bascule.scenarios.receiver import Person
from bascule.scenarios.site import Site
from bascule.scenarios.tls import TlsDoor
from bascule.spec import Spec, load
from bascule.spec.model import Phase
from bascule.spec.receivers import Receiver, Webhook

Report = Callable[[str], None]
SPEC = "spec.yaml"  # in the folder of a run
FORGOTTEN = 1.0  # evidence of any comparison (a natural logarithm), below which it may be chance


class Stopped(BasculeError):
    """The user asked to stop."""

    exit_code = 130


class NotSeen(BasculeError):
    """What a scenario waits for did not happen in time."""


@dataclass
class Watched:
    """A running stack: what can be asked of it. Times are Unix seconds."""

    spec: Spec
    stop: threading.Event
    prometheus: Prometheus = field(init=False)
    journal: IncidentsClient = field(init=False)
    judge: JudgeClient = field(init=False)

    def __post_init__(self) -> None:
        self.prometheus = prometheus_of(self.spec)
        self.journal, self.judge = IncidentsClient(self.spec, seconds=10.0), JudgeClient(self.spec, seconds=5.0)

    def annotate(self, kind: str, text: str) -> None:
        self.journal.annotate(text, "demo", kind)

    def verdict(self) -> VerdictAnswer:
        return self.judge.verdict()

    def incidents(self) -> list[IncidentAnswer]:
        """Every incident delivered so far. The dead man's switch is none: it is meant to fire."""
        return [incident for incident in self.journal.incidents() if incident.severity != Severity.NONE]

    def open_incidents(self) -> list[IncidentAnswer]:
        return [incident for incident in self.incidents() if incident.is_open]

    def forget(self, seconds: float) -> float:
        """Wait until no comparison has evidence left of earlier faults, for `seconds` at most; the most there is."""
        deadline = time.monotonic() + seconds
        while (left := self._evidence_left()) >= FORGOTTEN and time.monotonic() < deadline:
            self.wait(1.0)
        return left

    def _evidence_left(self) -> float:
        """Infinite while the judge does not answer."""
        try:
            return most_evidence(self.verdict())
        except BasculeError:
            return math.inf

    def is_learning(self, signal: str) -> bool:
        """Whether the judge does not know yet if the signal's bad events come in bursts."""
        try:
            lines = self.verdict().signals
        except BasculeError:
            return True
        return any(line.learning for line in lines if (line.signal, line.segment) == (signal, TOTAL_SEGMENT))

    def wait(self, seconds: float) -> None:
        """Let the house run for a while; ends at once when the user asks to stop."""
        if self.stop.wait(seconds):
            raise Stopped("stopped")

    def wait_for(self, what: str, condition: Callable[[], Any], seconds: float, pause: float = 0.1) -> Any:
        """The condition's first true value, asked every `pause` seconds; NotSeen after `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
            self.wait(pause)
        raise NotSeen(f"{what} did not happen within {seconds:g} s", "check the logs in the run's folder")


@dataclass
class House(Watched):
    """A lab beside its stack: what a scenario can do."""

    lab: Lab
    traffic: Traffic
    person: Person | None = None
    site: Site = field(default_factory=Site)

    @property
    def door(self) -> TlsDoor:
        """The TLS endpoint beside the lab."""
        assert self.site.door is not None
        return self.site.door

    @property
    def cluster(self) -> RedisCluster:
        """The Redis Cluster beside the lab."""
        assert self.site.cluster is not None
        return self.site.cluster

    def service(self, version: str) -> str:
        """The name of the version's service."""
        return next(name for name, service in self.spec.services.items() if service.version == version)

    def address(self, version: str) -> str:
        """host:port of the version's service."""
        return self.spec.services[self.service(version)].targets[0]

    @property
    def front(self) -> str:
        """The URL that users ask."""
        return front_url(self.spec)

    def is_up(self, version: str) -> bool:
        """Whether Prometheus sees the version's service up."""
        return self.prometheus.scalar(f'min(up{{job="{self.service(version)}"}})') == 1

    @property
    def prometheus_config(self) -> Path:
        return stack.Layout(self.spec.stack.state).config / "prometheus" / "prometheus.yml"

    def reload_prometheus(self) -> None:
        """Have Prometheus read its configuration again."""
        os.kill(self.pid_of("prometheus"), signal.SIGHUP)

    def pid_of(self, part: str) -> int:
        """The process of a part of the stack."""
        return next(int(row["pid"]) for row in stack.status(self.spec) if row["process"] == part)

    def set_phase(self, number: int, why: str) -> float:
        """Tell the journal any step of the plan and move the share; returns when the new share serves."""
        return self._serve(self.journal.set_phase(number, "demo", why, force=True))

    def promote(self, hurry: str) -> float:
        """One step forward; `hurry`: the reason where the verdict cannot say so yet, on so short a clock."""
        return self._serve(self.journal.move(PlanMove.PROMOTE, "demo", hurry, force=True))

    def roll_back(self, why: str) -> float:
        return self._serve(self.journal.move(PlanMove.ROLLBACK, "demo", why))

    def _serve(self, plan: PlanAnswer) -> float:
        self.lab.set_share({name: s.share_at(plan.share) for name, s in self.spec.segments.named.items()})
        return time.time()


def most_evidence(verdict: VerdictAnswer) -> float:
    """Of any comparison of error ratios, times and accuracies; a mean's is of the whole phase."""
    return max((line.evidence or 0.0 for line in verdict.signals if line.detectable_ratio is not None), default=0.0)


def compressed(spec: Spec, hold: float = 20.0) -> Spec:
    """The same plan on a short clock: seconds instead of days, and fewer samples wanted."""
    phases = [Phase(share=phase.share, hold=hold, gates=phase.gates) for phase in spec.phases]
    judge = spec.judge.model_copy(update={"min_samples": 50, "recovery": 15.0})
    stack = spec.stack.model_copy(update={"snapshots": True})
    return spec.model_copy(update={"phases": phases, "judge": judge, "stack": stack})


def _telling(spec: Spec, url: str) -> Spec:
    receivers = {"on-call": Receiver(webhook=Webhook(url=url))}
    return spec.model_copy(update={"notify": spec.notify.model_copy(update={"receivers": receivers})})


@contextmanager
def standing(
    folder: Path,
    report: Report,
    stop: threading.Event,
    rate: float = 40.0,
    seed: int = 1,
    profile: str = "healthy",
    told: Person | None = None,
    site: Site | None = None,
) -> Iterator[House]:
    """A house whose every part answers; all of it is stopped at the end, whatever happened.

    `told`: a webhook that is told of every alert that pages. `site`: what is beside the lab, and is watched too.
    """
    beside = site or Site()
    own = compressed(lab_spec(load("supersmartmatch"), folder))
    own = beside.in_lab(own) if site else own
    spec = beside.watched(_telling(own, told.url) if told else own)
    path = write_spec(spec, folder / SPEC)
    with ExitStack() as rooms:
        report("starting V1, Nexten, V2, Redis and nginx")
        lab = rooms.enter_context(Lab(own, folder, profile=profile))
        rooms.enter_context(_running_stack(spec, path, report, stop))
        report(f"starting traffic: {rate:g} requests/s, seed {seed}")
        traffic = rooms.enter_context(Traffic(spec, rate=rate, seed=seed, seconds=LONGEST_SECONDS))
        yield House(spec, stop, lab, traffic, told, beside)


@contextmanager
def _running_stack(spec: Spec, path: Path, report: Report, stop: threading.Event) -> Iterator[None]:
    """`bascule up` on a thread of its own; returns when it is ready, raises what it raised."""
    ended, ready = threading.Event(), threading.Event()
    failed: list[BasculeError] = []

    def run() -> None:
        try:
            stack.up(spec, path, report, ended, ready)
        except BasculeError as error:
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="stack")
    thread.start()
    try:
        while not ready.wait(0.1):
            if stop.is_set():
                raise Stopped("stopped")
        if failed:
            raise failed[0]
        yield
        if failed:
            raise ProcessFailed(f"the stack stopped early: {failed[0]}", "fix that, then start it again")
    finally:
        ended.set()
        thread.join()
