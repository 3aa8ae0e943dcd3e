"""What an evaluation costs the former judge and this one, on the same samples in a real Prometheus."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.harness import Bar
from bench.scaling.load import Sender, load_of
from bench.scaling.servers import Server, server

FORMER = "a52c4b5f6c8584dd82669719ea3dcb2b5f8d3668~1"  # the last build that read series by series
BEGIN = 1_790_000_000
STEP, REACH = 5, 20  # seconds after the beginning at which the phase begins; of history that is read first
FIRST = 32  # the second at which both have caught up


@dataclass(frozen=True)
class Size:
    """So many instances a version, followed for so many seconds; what is asked of this build, of the former's cost."""

    instances: int
    looks: int = 12
    former_looks: int = 4
    cheaper: float | None = None
    quicker: float | None = None


@dataclass(frozen=True)
class Judged:
    """Of one build: own processor time and wall time of an evaluation, at the median, and the server's, in seconds."""

    cpu: float
    wall: float
    server_cpu: float
    peak_mb: float
    digests: list[str]
    availability: list[float] = field(repr=False)


@dataclass(frozen=True)
class Compared:
    """Both builds on one Prometheus; what a sample costs that server to take in, seconds, and its memory then."""

    size: Size
    series: int
    per_sample: float
    server_mb: float
    ours: Judged
    former: Judged | None

    def bars(self) -> Iterator[Bar]:
        name = f"{self.size.instances} instances a version"
        yield Bar(f"{name}: own CPU of an evaluation", self.ours.cpu, "s", None)
        yield Bar(f"{name}: wall time of it", self.ours.wall, "s", None)
        yield Bar(f"{name}: the server's CPU for it", self.ours.server_cpu, "s", None)
        yield Bar(f"{name}: largest memory", self.ours.peak_mb, "MB", None)
        if self.former is not None:
            yield Bar(f"{name}: own CPU, the former build", self.former.cpu, "s", None)
            yield Bar(f"{name}: wall time, the former build", self.former.wall, "s", None)
            yield Bar(f"{name}: own CPU less", self.former.cpu / self.ours.cpu, "x", self.size.cheaper, "at_least")
            yield Bar(f"{name}: wall time less", self.former.wall / self.ours.wall, "x", self.size.quicker, "at_least")
            yield Bar(f"{name}: evaluations that differ", self._differing(self.former), "evaluations", 0)
            yield Bar(f"{name}: largest difference of availability", self._apart(self.former), "", 1e-9)

    def _differing(self, former: Judged) -> int:
        return sum(one != two for one, two in zip(self.ours.digests, former.digests, strict=False))

    def _apart(self, former: Judged) -> float:
        both = len(former.availability) - 2  # the last seconds are seen by fewer evaluations
        return float(np.abs(np.array(former.availability[:both]) - np.array(self.ours.availability[:both])).max())


def compared(size: Size) -> Compared:
    """Follow one load with both builds."""
    with tempfile.TemporaryDirectory(prefix="bascule-scale-") as name, server(Path(name)) as prometheus:
        load, sender = load_of(size.instances, FIRST + size.looks + 1), Sender(prometheus.receiver)
        seconds, before = FIRST + size.looks + 1, prometheus.cpu()
        for second in range(seconds):
            sender.send(load, second, BEGIN)
        per_sample, megabytes = (prometheus.cpu() - before) / (seconds * len(load)), prometheus.resident_mb()
        ours = followed(Path("src"), prometheus, size.looks)
        with former_build() as source:
            former = followed(source, prometheus, size.former_looks)
        return Compared(size, len(load), per_sample, megabytes, ours, former)


def followed(source: Path, prometheus: Server, looks: int) -> Judged:
    """By the build whose `src` this is."""
    asked = {"url": prometheus.client.url, "pid": prometheus.pid, "reach": REACH, "step": BEGIN + STEP}
    asked |= {"first": BEGIN + FIRST, "last": BEGIN + FIRST + looks}
    found = in_build(source, Path(__file__).with_name("follow.py"), asked)
    cpu, wall = np.median(found["costs"], axis=0)
    return Judged(
        float(cpu), float(wall), found["server_cpu"], found["peak_mb"], found["digests"], found["availability"]
    )


def in_build(source: Path, script: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """What a script prints as JSON when it runs with another build."""
    environment = {**os.environ, "PYTHONPATH": str(source.absolute())}
    argv = [sys.executable, str(script), json.dumps(asked)]
    done = subprocess.run(argv, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextmanager
def former_build() -> Iterator[Path]:
    """The `src` of the former build, from the repository's history."""
    archived = subprocess.run(["git", "archive", FORMER, "src"], check=True, capture_output=True).stdout
    with tempfile.TemporaryDirectory(prefix="bascule-former-") as name:
        subprocess.run(["tar", "-x", "-C", name], input=archived, check=True)
        yield Path(name) / "src"
