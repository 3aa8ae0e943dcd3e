"""The SLA report of a span, made in a process of its own: what it cost, and its figures, as JSON.

It is run by its path, with whichever build of Bascule is on PYTHONPATH:

    python report.py '{"url": …, "start": 1790000000, "end": 1790086400}'
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from bascule.prometheus import Prometheus
from bascule.sla import evaluate
from bascule.spec import load


def main(asked: dict[str, Any]) -> dict[str, Any]:
    wall, cpu = time.perf_counter(), time.process_time()
    report = evaluate(load("supersmartmatch"), Prometheus(asked["url"], timeout=600.0), asked["start"], asked["end"])
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak_mb": int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024,
        "figures": {each.name: _value(each.whole.current) for each in report.objectives},
    }


def _value(current: Any) -> float | None:
    return current.value if current is not None else None


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
