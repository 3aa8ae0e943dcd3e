"""SLA reports: true to the last event, fast and small on a month; the source document's reporter beside them.

1. ten seeds of a month (8 services, 4 segments, down-time, resets, a gap, births, an idle night, maintenance), each in
   a real Prometheus: every figure of the report against the events themselves
2. one day of the same read from rules that promtool backfilled
3. a month scraped every minute: seconds and memory of a process that makes the report
4. the literal reporter on the same server
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.harness import Bar, Result

SUPPORT = Path(__file__).parents[1] / "tests" / "support"
MIDNIGHT_IN_PARIS = 1767222000.0
SEEDS = range(1, 11)
DAYS = 30.0


def run() -> Result:
    truths = [_truth(seed) for seed in SEEDS]
    rules = _from_rules()
    cost = _cost()
    literal = _literal()
    figures = sum(t["figures"] for t in truths)
    wrong = sum(t["wrong"] for t in truths)
    bars = [
        Bar("figures held against the truth, ten seeds", figures, "figures", 5000, "at_least"),
        Bar("figures that differ from the truth, raw series", wrong, "figures", 0),
        Bar("largest difference, backfilled rules", rules["worst_relative"], "share", 1e-3),
        Bar("report of 30 days scraped each minute", cost["seconds"], "s", 5.0),
        Bar("processor time of it, Prometheus apart", cost["processor"], "s", None),
        Bar("memory of the process that makes it", cost["megabytes"], "MB", 300.0),
        Bar("its PDF", cost["pdf_seconds"], "s", None),
        Bar("the source document's reporter: figures that are right", literal["right"], "of 4", None),
    ]
    return Result(bars, {"truth": truths, "rules": rules, "cost": cost, "literal": literal})


def support(name: str) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, SUPPORT / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def _stand(folder: Path, seed: int, days: float, interval: float, start: float = MIDNIGHT_IN_PARIS) -> Any:
    """A world, written into blocks in `folder`."""
    world = support("sla_world").build(seed, start, days, interval)
    world.write(folder / "in.txt")
    support("sla_truth").write_blocks(folder / "in.txt", folder / "data")
    (folder / "in.txt").unlink()
    return world


def _truth(seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = _stand(folder, seed, DAYS, 300)
        with support("sla_truth").prometheus(folder / "data", folder) as client:
            started = time.perf_counter()
            report = _evaluate(world, client)
            seconds = time.perf_counter() - started
        check = support("sla_truth").differences(report, world)
    print(f"seed {seed}: {check.figures} figures, {len(check.wrong)} wrong, {seconds:.1f} s", flush=True)
    return {
        "seed": seed,
        "figures": check.figures,
        "wrong": len(check.wrong),
        "seconds": seconds,
        "first": check.wrong[:3],
    }


def _evaluate(world: Any, client: Any) -> Any:
    from bascule.sla import evaluate
    from bascule.spec import parse

    start, end = world.times[0] - world.interval, world.times[-1]
    journal = support("sla_truth").journal_of(world)
    return evaluate(parse(support("sla_world").SPEC), client, start, end, journal=journal)


def _from_rules() -> dict[str, Any]:
    from bascule.spec import parse

    truth = support("sla_truth")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = _stand(folder, 2, 1, 60)
        with truth.prometheus(folder / "data", folder) as client:
            truth.backfill_rules(client, parse(support("sla_world").SPEC), world, folder, folder / "data")
        with truth.prometheus(folder / "data", folder) as client:
            report = _evaluate(world, client)
    off = []
    for objective in report.objectives[1:]:
        where = {"version": "v2"} if objective.gain else {}
        ours = objective.whole.current
        exact = truth.Truth(world, objective.promise, where).over(ours.start, ours.end)
        off.append(abs(ours.value - exact.value))
    check = truth.differences(report, world)
    return {"worst_relative": max(off), "figures": check.figures, "not_exact": len(check.wrong)}


def _cost() -> dict[str, Any]:
    """The report in a process of its own, as `bascule sla report` makes it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = _stand(folder, 1, DAYS, 60)
        with support("sla_truth").prometheus(folder / "data", folder) as client:
            start, end = world.times[0] - world.interval, world.times[-1]
            arguments = json.dumps([client.url, start, end, support("sla_world").SPEC])
            environment = {**os.environ, "SLA_BENCH": arguments}
            runs = [_one_report(environment) for _ in range(3)]
    return min(runs, key=lambda one: one["seconds"]) | {"runs": runs, "load_average": os.getloadavg()}


_PROGRAM = """
import json, os, time
from pathlib import Path
url, start, end, text = json.loads(os.environ["SLA_BENCH"])
began = time.perf_counter()
from bascule.prometheus import Prometheus
from bascule.sla import evaluate, render_html, render_json
from bascule.spec import parse
report = evaluate(parse(text), Prometheus(url, timeout=120), start, end)
render_html(report), render_json(report)
seconds = time.perf_counter() - began
processor = time.process_time()
status = Path("/proc/self/status").read_text()  # ru_maxrss would count the process that this one was forked from
megabytes = int(status.partition("VmHWM:")[2].split()[0]) / 1024
from bascule.sla import render_pdf
began = time.perf_counter()
render_pdf(report)
pdf = time.perf_counter() - began
print(json.dumps({"seconds": seconds, "processor": processor, "megabytes": megabytes, "pdf_seconds": pdf}))
"""


def _one_report(environment: dict[str, str]) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], env=environment, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def _literal() -> dict[str, Any]:
    """The literal reporter on data that ends now, as written and with its first query fixed."""
    literal = support("sla_literal")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        end = time.time() // 300 * 300
        world = _stand(folder, 5, 2, 300, start=end - 2 * 86400)
        with support("sla_truth").prometheus(folder / "data", folder) as client:
            try:
                as_written: Any = literal.reporter(client.url).generate_sla_report(0, 1)
            except IndexError as error:
                as_written = f"IndexError: {error}"
            theirs = literal.reporter(client.url, mended=True).generate_sla_report(0, 1)["sla_metrics"]
            report = _evaluate(world, client)
    ours = {o.name: o.whole.current.value for o in report.objectives}
    right = sum(_close(theirs.get(name, {}).get("actual"), value, name) for name, value in ours.items())
    shown = {name: metric["actual"] for name, metric in theirs.items()}
    return {"as_written": str(as_written), "mended": shown, "truth": ours, "right": right}


def _close(theirs: float | None, truth: float | None, name: str) -> bool:
    if theirs is None or truth is None:
        return False
    return abs(theirs / (100 if name == "availability" else 1) - truth) < 1e-4
