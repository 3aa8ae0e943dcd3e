"""The demo's fault on two engines at once: seconds until the verdict on VictoriaMetrics, beside those on Prometheus.

    make bench NAME=two_engines                         five times, about 12 min
    BASCULE_BENCH=quick make bench NAME=two_engines     twice: to see that it works

One house as in the demo, half of its traffic on V2. A VictoriaMetrics scrapes the same targets as its Prometheus, and a
second judge reads that. The fault is the demo's: V2's errors go from 0.02 % to 12 %.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bascule.conventions import Verdict
from bascule.generate.victoriametrics import FOLDER, victoriametrics_files
from bascule.processes import ports
from bascule.processes.supervisor import Program, Supervisor
from bascule.scenarios.demo import ERROR_RATE, FAULT_STEP
from bascule.scenarios.house import House, standing
from bench import servers
from bench.harness import Bar, Result

RUNS = 2 if os.environ.get("BASCULE_BENCH") == "quick" else 5
BASELINE_SECONDS = 45.0
STEP_SECONDS = 25.0  # of half of the traffic on V2, before each fault
LONGEST_SECONDS = 60.0
OVER_SECONDS = 300.0  # triggers look minutes back
OURS, THEIRS = "VictoriaMetrics", "Prometheus"
Verdicts = Mapping[str, Callable[[], str]]


def run() -> Result:
    with (
        tempfile.TemporaryDirectory(prefix="bascule-engines-") as folder,
        standing(Path(folder), print, threading.Event()) as house,
        _read(house, Path(folder)) as verdicts,
    ):
        house.set_phase(0, "baseline")
        house.wait(BASELINE_SECONDS)
        found = [_fault(house, verdicts) for _ in range(RUNS)]
    medians = {name: statistics.median(each[name] for each in found) for name in (OURS, THEIRS)}
    bars = [Bar(f"fault to verdict on {name}, median of {RUNS}", median, "s", None) for name, median in medians.items()]
    ratio = Bar(f"fault to verdict, {OURS} beside {THEIRS}", medians[OURS] / medians[THEIRS], "x", 1.3)
    return Result([ratio, *bars], {"runs": found})


def _fault(house: House, verdicts: Verdicts) -> dict[str, float]:
    """Seconds from the fault until each judge says roll back. Each run is a step of its own."""
    house.set_phase(FAULT_STEP, "half")
    _settle(house, verdicts)
    began, found = house.lab.fault("v2", error_rate=ERROR_RATE), dict[str, float]()
    try:
        house.wait_for("both verdicts", lambda: _turned(verdicts, began, found), LONGEST_SECONDS)
    finally:
        house.lab.repair("v2")
        house.set_phase(0, "back to V1")
    print("  " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in found.items()), flush=True)
    return found


def _settle(house: House, verdicts: Verdicts) -> None:
    """Until no judge has said roll back for a while: its triggers look minutes back, at the fault before."""
    well_since = time.monotonic()

    def is_settled() -> bool:
        nonlocal well_since
        if Verdict.ROLL_BACK in [said() for said in verdicts.values()]:
            well_since = time.monotonic()
        return time.monotonic() - well_since >= STEP_SECONDS

    house.wait_for("another verdict", is_settled, OVER_SECONDS)


def _turned(verdicts: Verdicts, began: float, found: dict[str, float]) -> bool:
    for name, said in verdicts.items():
        if name not in found and said() == Verdict.ROLL_BACK:
            found[name] = round(time.time() - began, 2)
    return len(found) == len(verdicts)


@contextmanager
def _read(house: House, folder: Path) -> Iterator[Verdicts]:
    """What the house's own judge says, and one beside it."""
    with ExitStack() as stack:
        supervisor, port = stack.enter_context(Supervisor()), ports.free()
        supervisor.start(_victoria_metrics(house, folder, port))
        board = stack.enter_context(servers.judged(house.spec, f"http://127.0.0.1:{port}"))
        yield {OURS: lambda: str(board.verdict()["verdict"]), THEIRS: lambda: house.verdict().verdict}


def _victoria_metrics(house: House, folder: Path, port: int) -> Program:
    """Its configuration is written beside Prometheus' own, whose files it names."""
    config = house.prometheus_config.parent / "victoriametrics.yml"
    config.write_text(victoriametrics_files(house.spec)[f"{FOLDER}/scrape.yml"])
    return servers.victoria_metrics(folder / "victoriametrics", port, f"-promscrape.config={config}")
