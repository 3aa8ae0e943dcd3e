"""A healthy house, started repeatedly: no alert of any kind may fire.

make chaos NAME=starts                        ten starts, watched for two minutes each, about 25 min
BASCULE_CHAOS=1 make chaos NAME=starts        one start
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path

from bench.harness import Bar, Result

from bascule.scenarios.house import House, standing

WATCHED_SECONDS = 120.0
FIRED = 'max by (alertname, job) (max_over_time(ALERTS{alertstate="firing",alertname!~".*DeadMansSwitch"}[1h]))'


def run() -> Result:
    number = int(os.environ.get("BASCULE_CHAOS", "10").partition(":")[0])
    seen = [_start(each + 1, number) for each in range(number)]
    bars = [
        Bar("starts", number, "", None),
        Bar("alerts that fired", sum(len(fired) for fired, _ in seen), "", 0),
        Bar("incidents opened", sum(opened for _, opened in seen), "", 0),
    ]
    return Result(bars, {"fired": [fired for fired, _ in seen]})


def _start(number: int, of: int) -> tuple[list[str], int]:
    """The alerts that fired within the time after a start, and how many incidents there are."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="starts-") as folder, _house(folder) as house:
        up = time.monotonic() - began
        time.sleep(WATCHED_SECONDS)
        fired = [
            f"{s.labels.get('alertname')} {s.labels.get('job', '')}".strip() for s in house.prometheus.instant(FIRED)
        ]
        opened = len(house.incidents())
        print(f"  start {number} of {of}: up after {up:.0f} s; fired: {', '.join(fired) or 'nothing'}", flush=True)
        return fired, opened


def _house(folder: str) -> AbstractContextManager[House]:
    return standing(Path(folder), lambda _: None, threading.Event())
