"""A whole stack, as `bascule up` starts it, beside the senders of its load."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bascule import stack
from bascule.api import IncidentsClient, LogsClient
from bascule.api.servers import prometheus_of
from bascule.conventions import LOG_PROBLEMS, LOG_UNPARSED
from bascule.errors import BasculeError, ProcessFailed
from bascule.processes import ports
from bascule.processes.ready import answers, wait_until
from bascule.processes.supervisor import Program, Supervisor
from bascule.prometheus import Prometheus
from bascule.spec import Spec
from bascule.spec import load as load_spec
from bench.holding.orders import Desk
from bench.holding.shop import SERVICES, WAITS, write_spec
from bench.holding.usage import Usage

ROOT = Path(__file__).parents[2]
CORES = 2
READY_SECONDS, END_SECONDS = 180.0, 60.0  # that the stack gets to start and to stop, on a machine that is busy
FIRST_LINES = 10.0  # a second while the stack starts: what it meets then is no load
STORED_SECONDS = 60.0  # without a line more in the store, after which none is waited for
LONGEST_SECONDS = 600.0  # that lines are waited for at most


@dataclass(frozen=True)
class Load:
    """Series of each service, log lines a second, and open pages."""

    series: int
    lines: float
    viewers: int

    def times(self, factor: int) -> Load:
        return Load(factor * self.series, factor * self.lines, factor * self.viewers)


@dataclass
class Standing:
    """A stack that runs, and its senders."""

    spec: Spec
    spec_path: Path
    folder: Path
    supervisor: Supervisor
    usage: Usage
    desks: Mapping[str, Desk]
    steps: list[tuple[float, float]] = field(default_factory=list)  # of the plan: when each began, and is to end
    crashes: list[str] = field(default_factory=list)  # of what the bench started, as its supervisor reports them

    def __post_init__(self) -> None:
        self.prometheus: Prometheus = prometheus_of(self.spec, timeout=30.0)
        self.journal = IncidentsClient(self.spec, seconds=30.0)
        self.logs = LogsClient(self.spec, seconds=30.0)
        self._ordering = threading.Lock()

    @property
    def config(self) -> Path:
        return stack.Layout(self.spec.stack.state).config / "prometheus"

    @property
    def output(self) -> Path:
        """Where the programs of the stack log."""
        return stack.Layout(self.spec.stack.state).output

    def send(self, load: Load) -> float:
        """Have the senders send so much; when all of them do."""
        self.order("pages", series=load.series)
        self.order("lines", lines=load.lines, series=load.series)
        self.order("viewers", viewers=load.viewers)
        return time.time()

    def order(self, sender: str, **wanted: Any) -> None:
        with self._ordering:
            self.desks[sender].ask(**wanted)

    def set_step(self, number: int, who: str) -> None:
        """Go to a step of the plan, and have the traffic follow it."""
        phase = self.spec.phases[number - 1]
        for sender in ("pages", "lines"):
            self.order(sender, share=phase.share)
        told = self.journal.set_phase(number, who, "the bench moves the plan", force=True)
        assert told.started is not None
        self.steps.append((told.started.timestamp(), told.started.timestamp() + phase.hold))

    def wait_answers(self) -> None:
        """Wait until every part answers: one that was started again comes back. Raises ProcessFailed otherwise."""
        asked = {part: answers(f"{self.spec.stack.url(part)}/{path}") for part, path in self._doors.items()}
        wait_until(lambda: all(is_there() for is_there in asked.values()), READY_SECONDS, pause=0.2)
        if silent := [part for part, is_there in asked.items() if not is_there()]:
            what = f"{', '.join(silent)} has not answered for {READY_SECONDS:g} s"
            raise ProcessFailed(what, f"the end of `bascule up`: {(self.folder / 'up.log').read_text()[-500:]}")

    @property
    def _doors(self) -> dict[str, str]:
        return dict.fromkeys((*self.spec.roles, "supervisor"), "health") | {"prometheus": "-/ready"}

    def settle_logs(self) -> dict[str, int]:
        """Stop the lines, wait until the log reader has come to their end, and count what is not in its store."""
        self.order("lines", lines=0.0)
        written = int(self.desks["lines"].said()["written"])
        wait_until(_Ended(self._stored, written), LONGEST_SECONDS, pause=0.2)
        problems = self.prometheus.scalar(f'sum({{__name__=~"{LOG_PROBLEMS.name}|{LOG_UNPARSED.name}"}})')
        return {"written": written, "stored": self._stored(), "problems": round(problems or 0)}

    def _stored(self) -> int:
        """Lines in the store, understood or not; 0 while the log reader does not answer."""
        try:
            return sum(sum(source.formats.values()) + source.unparsed for source in self.logs.stats().sources)
        except BasculeError:
            return 0

    def pid_of(self, part: str) -> int:
        return next(int(row["pid"]) for row in stack.status(self.spec) if row["process"] == part)


@contextmanager
def standing(folder: Path, load: Load, reports: Sequence[float] = ()) -> Iterator[Standing]:
    """The stack and its load, on the third step of the plan: half of the traffic is on the candidate.

    `reports`: when SLA reports are due (Unix seconds, whole minutes of this day).
    """
    at = {name: ports.free() for name in SERVICES}
    path = write_spec(folder, at, reports)
    spec, desks = load_spec(path), {name: Desk(folder, name) for name in ("pages", "lines", "viewers")}
    given = [f"{name}={port}" for name, port in at.items()]
    crashes: list[str] = []
    with _on_two_cores(), Supervisor(crashes.append, grace=END_SECONDS) as supervisor:
        starts: dict[str, list[str]] = {
            "pages": [str(folder), *given],
            "lines": [str(folder), str(folder / "access.json"), *given],
            "viewers": [str(folder), str(spec.stack.ports.console)],
        }
        for name, arguments in starts.items():
            argv = [sys.executable, "-m", f"bench.holding.{name}", *arguments]
            supervisor.start(Program(name, argv, cwd=ROOT, log=folder / f"{name}.log"))
        desks["pages"].ask(series=load.series, share=0.5, waits=WAITS)
        desks["lines"].ask(series=load.series, share=0.5, lines=FIRST_LINES)
        supervisor.start(_up(spec, path, folder))
        with Usage(lambda: _pids(spec, supervisor, desks)) as usage:
            house = Standing(spec, path, folder, supervisor, usage, desks, crashes=crashes)
            house.set_step(3, "bench")
            house.send(load)
            yield house


class _Ended:
    """Whether all lines are stored, or none has been for a while: late is not lost."""

    def __init__(self, stored: Callable[[], int], written: int) -> None:
        self._stored, self._written = stored, written
        self._last, self._since = -1, time.monotonic()

    def __call__(self) -> bool:
        stored = self._stored()
        if stored > self._last:
            self._last, self._since = stored, time.monotonic()
        return stored >= self._written or time.monotonic() - self._since > STORED_SECONDS


def _up(spec: Spec, path: Path, folder: Path) -> Program:
    """`bascule up`, ready once every role answers."""
    asked = [answers(f"{spec.stack.url(role)}/health") for role in spec.roles]
    argv = [sys.executable, "-m", "bascule", "up", str(path)]
    return Program(
        "bascule up",
        argv,
        cwd=folder,
        log=folder / "up.log",
        ready=lambda: all(is_ready() for is_ready in asked),
        ready_timeout=READY_SECONDS,
    )


def _pids(spec: Spec, supervisor: Supervisor, desks: Mapping[str, Desk]) -> dict[str, int]:
    """Every process whose cost is counted: `bascule up` is its role supervisor, senders are told apart."""
    found = {row["process"]: int(row["pid"]) for row in stack.status(spec) if row["pid"]}
    if supervisor.is_running("bascule up"):
        found["supervisor"] = supervisor.pid("bascule up")
    running = [name for name in desks if supervisor.is_running(name)]
    return found | {f"sender of {name}": supervisor.pid(name) for name in running} | {"this bench": os.getpid()}


@contextmanager
def _on_two_cores() -> Iterator[None]:
    """Everything that is started from here shares two cores, senders too."""
    before = os.sched_getaffinity(0)
    if len(before) < CORES:
        raise ProcessFailed(f"there are {len(before)} cores to run on, and {CORES} are needed", "use another machine")
    os.sched_setaffinity(0, sorted(before)[:CORES])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
