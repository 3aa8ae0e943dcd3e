"""Hostile inputs to everything that reads what outsiders write: no crash, no hang, bounded memory; counts by target.

    make bench NAME=fuzz                             5 s for each target, some minutes in all
    BENCH_FUZZ_SECONDS=300 make bench NAME=fuzz      for each target; BENCH_FUZZ_TARGETS=spec,search for some alone
    BENCH_FUZZ_SEED=7 make bench NAME=fuzz           other inputs

Good inputs are damaged in bytes, in values and in depth (bench/fuzzing/hostile.py); the HTTP APIs are asked by
Schemathesis from their OpenAPI documents. Each target has a process of its own, so that an end of it is found too.
`make fuzz` is guided by coverage instead (tests/fuzz).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from bench.fuzzing.apis import ROLES
from bench.fuzzing.targets import TARGETS
from bench.harness import Bar, Result

SECONDS = float(os.environ.get("BENCH_FUZZ_SECONDS", 5))
SEED = int(os.environ.get("BENCH_FUZZ_SEED", 1))
WANTED = [name for name in os.environ.get("BENCH_FUZZ_TARGETS", "").split(",") if name]
API_CASES = round(40 * SECONDS)  # of each role
GROWN = 150.0  # MB that a process may grow by, from its first 500 inputs on
PATIENCE = 600.0  # seconds beyond its time after which a process counts as hung


def run() -> Result:
    told = list(_all())
    bars = [bar for each in told for bar in _bars(each)]
    total = sum(each["cases"] for each in told)
    return Result([Bar("hostile inputs", total, "inputs", None), *bars], told)


def _all() -> Iterator[dict[str, Any]]:
    for name in TARGETS:
        if not WANTED or name in WANTED:
            yield _told(name, "bench.fuzzing.worker", name, str(SECONDS), str(SEED))
    for role in ROLES:
        if not WANTED or f"API of {role}" in WANTED:
            yield _told(f"API of {role}", "bench.fuzzing.apis", role, str(API_CASES), str(SEED))


def _told(name: str, module: str, *arguments: str) -> dict[str, Any]:
    """What a target's process found; one that ends or hangs is a crash or a hang itself."""
    none = {"target": name, "cases": 0, "refused": 0, "crashes": 1, "hangs": 0, "slowest": 0.0, "grown": 0.0}
    argv = [sys.executable, "-m", module, *arguments]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS + PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return none | {"crashes": 0, "hangs": 1, "failures": [{"error": "the process hung", "input": ""}]}
    try:
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        found = none | {"failures": [{"error": f"ended with {done.returncode}: {done.stderr[-2000:]}", "input": ""}]}
    print(f"  {name}: {found['cases']} inputs, {found['crashes']} crashes, {found['hangs']} hangs", flush=True)
    for failure in found["failures"]:
        print(f"    {failure['error'].strip().splitlines()[-1][:200]}", flush=True)
    return found


def _bars(found: dict[str, Any]) -> Iterator[Bar]:
    name = found["target"]
    yield Bar(f"{name}: inputs", found["cases"], "inputs", 1, "at_least")
    yield Bar(f"{name}: of them refused", found["refused"], "inputs", None)
    yield Bar(f"{name}: crashes and hangs", found["crashes"] + found["hangs"], "inputs", 0)
    yield Bar(f"{name}: slowest", found["slowest"], "s CPU", 1.0)
    yield Bar(f"{name}: memory grown", found["grown"], "MB", GROWN)
