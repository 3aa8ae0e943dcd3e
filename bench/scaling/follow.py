"""A judge that follows a Prometheus second by second, in a process of its own: what each evaluation cost, as JSON.

It is run by its path, with whichever build of Bascule is on PYTHONPATH, and uses only what every build has:

    python follow.py '{"url": …, "pid": 7, "step": 1790000005, "first": 1790000030, "last": 1790000040, "reach": 20}'
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from bascule import conventions as names
from bascule.judge import JointLook, PhaseWatch, PlanStep, outcome_of
from bascule.prometheus import Prometheus
from bascule.spec import load

SEGMENTS = ("enterprise", "api_partners", "freemium", names.TOTAL_SEGMENT)


def main(asked: dict[str, Any]) -> dict[str, Any]:
    client = Prometheus(asked["url"], timeout=600.0)
    plan = PlanStep(3, float(asked["step"]), dict.fromkeys(SEGMENTS, 0.5))
    watch = PhaseWatch(load("supersmartmatch"), client, plan, reach=float(asked["reach"]))
    looks: list[JointLook] = []
    feed = watch.engine.feed

    def kept(look: JointLook) -> None:
        looks.append(look)
        feed(look)

    watch.engine.feed = kept  # type: ignore[method-assign]
    watch.advance(float(asked["first"]))
    costs, digests, around, before = [], [], None, _cpu_of(asked["pid"])
    for now in range(asked["first"] + 1, asked["last"] + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        watch.advance(float(now))
        around = watch.surroundings(float(now))
        outcome_of(watch.engine, around)
        costs.append((time.process_time() - cpu, time.perf_counter() - wall))
        digests.append(_digest(looks))
    return {
        "costs": costs,
        "digests": digests,
        "server_cpu": (_cpu_of(asked["pid"]) - before) / len(costs),
        "availability": _course(around),
        "peak_mb": int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024,
    }


def _cpu_of(pid: int) -> float:
    """Processor time of another process so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _digest(looks: list[JointLook]) -> str:
    """Of the time, seconds, oldest sample and increments of all looks so far."""
    digest = hashlib.sha256()
    for look in looks:
        digest.update(repr((look.time, look.seconds, look.since)).encode() + look.increments.tobytes())
    return digest.hexdigest()


def _course(around: Any) -> list[float]:
    """The candidate's mean `up` by second, however a build keeps it."""
    if hasattr(around, "attendance"):
        (service,) = around.attendance.services
        return [float(share) for share in service.found / service.came]
    course = around.availability
    return [float(value) for value in (course[1] if isinstance(course, tuple) else [mean for _, mean in course])]


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
