"""`python -m bench.fuzzing.worker TARGET SECONDS SEED`: gives a target hostile inputs; prints as JSON what they did.

A process of its own for each target: an end of the process is a crash too, and memory is that target's.
"""

from __future__ import annotations

import base64
import json
import random
import resource
import signal
import sys
import time
import traceback
from dataclasses import asdict, dataclass, field
from types import FrameType

from bench.fuzzing.targets import TARGETS

HANG_SECONDS = 1.0  # of processor time, for one input
WARM = 500  # inputs after which memory is compared
KEPT = 20  # failures that are told


@dataclass
class Fuzzed:
    """`refused`: inputs that were told to be wrong, as they should be. Memory in MB; `slowest` in seconds."""

    target: str
    cases: int = 0
    refused: int = 0
    crashes: int = 0
    hangs: int = 0
    slowest: float = 0.0
    grown: float = 0.0
    failures: list[dict[str, str]] = field(default_factory=list)


class Hang(BaseException):
    """No handler of the tested code takes it for an error of its own."""


def main(name: str, seconds: float, seed: int) -> None:
    signal.signal(signal.SIGPROF, _hang)
    chance, found, seen = random.Random(seed), Fuzzed(name), set[str]()
    with TARGETS[name]() as target:
        end, before = time.monotonic() + seconds, 0.0
        while time.monotonic() < end:
            data = target.make(chance)
            begun = time.process_time()
            failure = _tried(target.give, target.allowed, data, found)
            found.slowest = max(found.slowest, time.process_time() - begun)
            if failure and failure.splitlines()[-1] not in seen and len(found.failures) < KEPT:
                seen.add(failure.splitlines()[-1])
                found.failures.append({"error": failure, "input": base64.b64encode(data).decode()})
            found.cases += 1
            if found.cases == WARM:
                before = _memory()
        found.grown = _memory() - before if before else 0.0
    print(json.dumps(asdict(found)))


def _tried(give, allowed, data: bytes, found: Fuzzed) -> str:
    """Why it failed; empty when it took the input, or refused it as it says."""
    signal.setitimer(signal.ITIMER_PROF, HANG_SECONDS)
    try:
        give(data)
    except allowed:
        found.refused += 1
    except Hang:
        found.hangs += 1
        return traceback.format_exc() + "\nHang"
    except Exception:  # noqa: BLE001 - it is what is looked for
        found.crashes += 1
        return traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return ""


def _hang(number: int, frame: FrameType | None) -> None:
    raise Hang


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
