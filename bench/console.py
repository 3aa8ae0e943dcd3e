"""The console beside a former build, and its dashboards beside Prometheus itself.

    BASCULE_FORMER=/path/to/its/checkout make bench NAME=console     about 6 min
    BASCULE_BENCH=quick make bench NAME=console                      to see that it works

One pretended house (tests/browser/pretend.py); both builds' consoles look at it as processes of their own, in turns.
Without BASCULE_FORMER the bars that need it are left out. A dashboard is asked for over 24 h of series at 5 s, and so
are its queries alone, several at once as the console asks them.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from bascule.console import Browser
from bascule.console.dashboards.asking import Moments, filled_in
from bascule.console.dashboards.boards import AT_ONCE, Boards
from bascule.console.dashboards.shape import DrawnMetrics
from bascule.console.grid import Grid
from bascule.generate.prometheus.rule_groups import rule_groups
from bascule.lab import write_spec
from bascule.processes import ports, programs
from bascule.processes.ready import answers, wait_until
from bascule.processes.supervisor import Program, Supervisor
from bascule.spec import Spec, load
from bench.harness import Bar, Result, processor_seconds, resident_bytes

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests/browser"))
import pretend  # noqa: E402

QUICK = os.environ.get("BASCULE_BENCH") == "quick"
LOADS, TURNS, VIEWERS, WATCHED = (4, 2, 50, 10.0) if QUICK else (20, 16, 50, 60.0)
LIVE = "document.querySelector('#live')?.dataset.live === 'yes'"
DAY, SCRAPE = 86_400.0, 5.0
BOARD = "technical"
UP = "bascule:service_up"


@dataclass
class Build:
    """A console of one build, looking at the house."""

    name: str
    url: str
    pid: int
    loads: list[float] = field(default_factory=list)
    updates: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)  # cores
    memory: list[float] = field(default_factory=list)  # bytes
    gaps: list[float] = field(default_factory=list)

    @property
    def seconds_used(self) -> float:
        return processor_seconds(self.pid)

    @property
    def resident(self) -> float:
        return float(resident_bytes(self.pid))


def run() -> Result:
    former = os.environ.get("BASCULE_FORMER")
    with tempfile.TemporaryDirectory(prefix="bascule-bench-") as scratch:
        folder = Path(scratch)
        builds = _beside(folder, {"now": ROOT, **({"former": Path(former)} if former else {})})
        ours, theirs = _dashboard(folder)
    return Result([*_bars(builds), *_board_bars(ours, theirs)], _raw(builds) | {"dashboard": ours, "queries": theirs})


# ---------------------------------------------------------------- beside the former build


def _beside(folder: Path, trees: Mapping[str, Path]) -> list[Build]:
    (folder / "house").mkdir()
    with pretend.standing(folder / "house") as house, Browser() as browser:
        pretend.tell_a_migration(house.story, 1.0)
        with _consoles(house.spec, folder, trees) as builds:
            for _ in range(LOADS):
                for build in builds:
                    build.loads.append(_load(browser, build))
            for turn in range(TURNS):
                for build in builds:
                    build.updates.append(_update(browser, build, house.story, turn / TURNS))
            for build in builds:
                _watch(build)
    return builds


@contextmanager
def _consoles(spec: Spec, folder: Path, trees: Mapping[str, Path]) -> Iterator[list[Build]]:
    running, builds = [], []
    try:
        for name, tree in trees.items():
            port, path = ports.free(), folder / f"{name}.yaml"
            chosen = spec.stack.ports.model_dump() | {"console": port}
            stack = {"stack": {"state": str(spec.stack.state), "ports": chosen}}
            built_in = (tree / "src/bascule/spec/supersmartmatch.yaml").read_text()  # as that build reads it
            path.write_text(f"{built_in}\n{json.dumps(stack)[1:-1]}\n")
            command = [str(tree / ".venv/bin/python"), "-m", "bascule", "serve", str(path), "--role", "console"]
            running.append(subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL))
            builds.append(Build(name, f"http://127.0.0.1:{port}", running[-1].pid))
        for build in builds:
            wait_until(answers(f"{build.url}/health"), 60)
        yield builds
    finally:
        for process in running:
            process.terminate()
            process.wait()


def _load(browser: Browser, build: Build) -> float:
    """Seconds from the address to a page that is live."""
    page = browser.page()
    began = time.perf_counter()
    page.open(build.url)
    page.wait(LIVE)
    took = time.perf_counter() - began
    page.close()
    return took


def _update(browser: Browser, build: Build, story: pretend.Story, late: float) -> float:
    """Seconds from a reason that changes to the page that shows it. `late`: seconds after the page is live; sources are
    read once a second, so that what is read just before or just after the change must not decide.
    """
    page = browser.page()
    page.open(build.url)
    page.wait(LIVE)
    time.sleep(late)
    reason = f"errors: told at {time.time_ns()}"
    began = time.perf_counter()
    story.reasons = [reason]
    page.wait(f"document.body.textContent.includes({json.dumps(reason)})")
    took = time.perf_counter() - began
    page.close()
    return took


def _watch(build: Build) -> None:
    """What many viewers cost, and the longest that any of them waits for a frame."""
    stop, gaps = threading.Event(), [0.0] * VIEWERS
    viewers = [threading.Thread(target=_view, args=(build, stop, gaps, n), daemon=True) for n in range(VIEWERS)]
    for viewer in viewers:
        viewer.start()
    time.sleep(3)  # until all are there
    before = build.seconds_used
    time.sleep(WATCHED)
    build.processor.append((build.seconds_used - before) / WATCHED)
    build.memory.append(build.resident)
    stop.set()
    for viewer in viewers:
        viewer.join(5)
    build.gaps += gaps


def _view(build: Build, stop: threading.Event, gaps: list[float], number: int) -> None:
    with httpx.stream("GET", f"{build.url}/stream", timeout=30, trust_env=False) as answer:
        last = None
        for line in answer.iter_lines():
            now = time.monotonic()
            if line.startswith("event: frame"):
                gaps[number] = max(gaps[number], now - last) if last else 0.0
                last = now
            if stop.is_set():
                return


def _bars(builds: list[Build]) -> list[Bar]:
    now, *others = builds
    bars = [Bar(f"longest wait of {VIEWERS} viewers for a frame", max(now.gaps), "s", 1.0)]
    measured: dict[str, tuple[Callable[[Build], float], float]] = {
        "first load": (lambda build: statistics.median(build.loads), 1.1),
        "live update": (lambda build: statistics.median(build.updates), 1.1),
        f"processor of {VIEWERS} viewers": (lambda build: statistics.median(build.processor), 1.2),
        f"memory of {VIEWERS} viewers": (lambda build: statistics.median(build.memory), 1.2),
    }
    for name, (figure, bound) in measured.items():
        for former in others:
            bars.append(Bar(f"{name}, times the former build", figure(now) / figure(former), "x", bound))
    bars.append(Bar(f"processor of {VIEWERS} viewers", 100 * statistics.median(now.processor), "% of a core", None))
    bars.append(Bar(f"memory of {VIEWERS} viewers", statistics.median(now.memory) / 1e6, "MB", None))
    return bars


def _raw(builds: list[Build]) -> dict[str, Any]:
    names = ("loads", "updates", "processor", "memory", "gaps")
    return {build.name: {name: getattr(build, name) for name in names} for build in builds}


# ---------------------------------------------------------------- a dashboard beside its queries


def _dashboard(folder: Path) -> tuple[list[float], list[float]]:
    """Seconds for a dashboard, and for its queries alone, in turns."""
    spec = _spec(folder)
    with Supervisor() as supervisor, _serving(spec, folder, supervisor) as url:
        client = httpx.Client(timeout=120, trust_env=False)
        ask_queries = _queries(spec, client)
        ours, theirs = [], []
        for turn in range(2 * LOADS):
            end = time.time() - 60 - 7 * turn  # another each time, so that no answer is one from before
            ours.append(_timed(partial(_ask_board, client, url, end)))
            theirs.append(_timed(partial(ask_queries, end)))
        client.close()
    return ours[2:], theirs[2:]


def _timed(act: Callable[[], None]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _ask_board(client: httpx.Client, url: str, end: float) -> None:
    told = client.get(f"{url}/dashboards/{BOARD}/now", params={"start": end - DAY, "end": end})
    told.raise_for_status()
    assert len(told.json()["charts"]) >= 8


def _queries(spec: Spec, client: httpx.Client) -> Callable[[float], None]:
    """Asks all queries of the dashboard for the day until a time, and reads the answers no further."""
    boards = Boards(spec)
    board = boards.all[BOARD]
    boards.close()
    targets = [t for panel in board.panels if isinstance(panel, DrawnMetrics) for t in panel.targets]
    url = f"{spec.stack.url('prometheus')}/api/v1"

    def ask(end: float) -> None:
        moments = Moments(Grid.between(end - DAY, end, SCRAPE), SCRAPE, is_now=False)
        span = {"start": moments.grid.start, "end": moments.grid.end, "step": moments.grid.step}
        at = {"time": moments.grid.end}
        asked = [(t.range, filled_in(t.expr, board.choices, {}, moments)) for t in targets]
        asked += [(True, filled_in(each.expr, (), {}, moments)) for each in board.annotations.list]

        def one(each: tuple[bool, str]) -> bytes:
            is_range, expr = each
            path, more = ("query_range", span) if is_range else ("query", at)
            return client.post(f"{url}/{path}", data={"query": expr, **more}).content

        with ThreadPoolExecutor(AT_ONCE) as workers:
            list(workers.map(one, asked))

    return ask


def _board_bars(ours: list[float], theirs: list[float]) -> list[Bar]:
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    return [
        Bar("dashboard over 24 h at 5 s, times its queries alone", ratio, "x", 1.5),
        Bar("dashboard over 24 h at 5 s", statistics.median(ours), "s", None),
    ]


def _spec(folder: Path) -> Spec:
    spec = load("supersmartmatch")
    free = spec.stack.ports.model_copy(update={"prometheus": ports.free(), "console": ports.free()})
    scrape = spec.stack.scrape.model_copy(update={"interval": SCRAPE})
    stack = spec.stack.model_copy(update={"ports": free, "scrape": scrape, "state": folder / "state"})
    return spec.model_copy(update={"stack": stack})


@contextmanager
def _serving(spec: Spec, folder: Path, supervisor: Supervisor) -> Iterator[str]:
    """A day of every recorded series in a Prometheus, and a console that looks at it."""
    text = folder / "day.om"
    _write_day(spec, text)
    data = folder / "data"
    promtool, binary = programs.find("promtool"), programs.find("prometheus")
    subprocess.run([promtool, "tsdb", "create-blocks-from", "openmetrics", "-q", text, data], check=True,
                   env=programs.environment(promtool), stdout=subprocess.DEVNULL)  # fmt: skip
    (folder / "none.yml").write_text("{}\n")
    argv = [str(binary), f"--config.file={folder / 'none.yml'}", f"--storage.tsdb.path={data}", "--log.level=error",
            f"--web.listen-address=127.0.0.1:{spec.stack.ports.prometheus}"]  # fmt: skip
    ready = answers(f"{spec.stack.url('prometheus')}/-/ready")
    program = Program("prometheus", argv, programs.environment(binary), folder, folder / "prometheus.log", ready, 60)
    supervisor.start(program)
    path = write_spec(spec, folder / "day.yaml")
    command = [sys.executable, "-m", "bascule", "serve", str(path), "--role", "console"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    try:
        wait_until(answers(spec.stack.url("console") + "/health"), 60)
        yield spec.stack.url("console")
    finally:
        process.terminate()
        process.wait()


LABELS = {
    "version": ("v1", "v2"),
    "user_segment": ("enterprise", "api_partners", "freemium"),
    "signal": ("errors", "latency", "accuracy"),
    "endpoint": tuple(f"/api/{n}" for n in range(10)),
    "job": ("supersmartmatch-v1", "supersmartmatch-v2", "nginx", "redis"),
}


def _write_day(spec: Spec, path: Path) -> None:
    """Each recorded series that the dashboard reads, with the labels that its name or its panel speaks of."""
    boards = Boards(spec)
    exprs = " ".join(t.expr for p in boards.all[BOARD].panels if isinstance(p, DrawnMetrics) for t in p.targets)
    boards.close()
    names = sorted({rule.name for group in rule_groups(spec) for rule in group.recordings if rule.name in exprs})
    times = np.arange(time.time() - DAY - 600, time.time(), SCRAPE)
    values = 0.01 + 0.005 * np.sin(times / 600)
    with path.open("w") as file:
        for name in names:
            file.write(f"# TYPE {name} gauge\n")
            for number, labels in enumerate(_labels_of(name)):
                written = ",".join(f'{label}="{value}"' for label, value in labels.items())
                course = values * (1 + number / 10) if name != UP else _up(times, number)
                file.writelines(f"{name}{{{written}}} {v:.6g} {t:.3f}\n" for t, v in zip(times, course, strict=True))
        file.write("# EOF\n")


def _up(times: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    """A service is up or down: here down for ten minutes every few hours."""
    return (times // 600 % (20 + number) != 0).astype(np.float64)


def _labels_of(name: str) -> list[dict[str, str]]:
    words = {"version": "version", "segment": "user_segment", "signal": "signal", "endpoint": "endpoint"}
    chosen = [label for word, label in words.items() if word in name.partition(":")[0] or f":{word}" in name]
    if name.startswith("supersmartmatch:"):
        chosen = ["version"]
    if name == UP:
        chosen = ["job"]
    found: list[dict[str, str]] = [{}]
    for label in chosen:
        found = [each | {label: value} for each in found for value in LABELS[label]]
    return found
