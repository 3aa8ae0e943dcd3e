"""The judge at a thousand instances, beside the last build that read series by series.

    make bench NAME=scale                             everything
    BASCULE_BENCH=looking,rules make bench NAME=scale    some parts: looking, memory, restart, rules, report, push
    BASCULE_BENCH=looking,50,200 make bench NAME=scale   looking at these sizes alone
    BASCULE_BENCH=quick make bench NAME=scale            everything, small: to see that it works

1. looking: both builds evaluate the same samples of a real Prometheus, which got them by remote write. Own CPU is that
   of the judge's process; wall time includes the server's answers. Every evaluation is compared bit by bit
2. memory: half an hour in which a twentieth of the instances is replaced each minute (samples without a server)
3. restart: a judge with a snapshot of an hour at 1 s goes on from a real Prometheus
4. rules: three real Prometheus servers side by side, without rules and with each build's
5. report: the SLA report of a day at 15 s, by both builds from one real Prometheus
6. push: a real Prometheus that writes its samples to a judge, second by second as fast as they go
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import Any, ClassVar, Protocol

from bench.harness import Bar, Result
from bench.scaling.keeping import apart, memory, restart
from bench.scaling.looking import Size, compared
from bench.scaling.pushing import pushed
from bench.scaling.reporting import reported
from bench.scaling.ruling import ruled

WANTED = os.environ.get("BASCULE_BENCH", "").split(",")
QUICK = WANTED == ["quick"]
SIZES = (
    Size(10),
    Size(50),
    Size(200, cheaper=40, quicker=12),
    Size(400, former_looks=2, quicker=12),
    Size(1000, looks=8, former_looks=2, quicker=15),
)
QUICK_SIZES = (Size(5), Size(20))


class Part(Protocol):
    """What was measured."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def bars(self) -> Iterator[Bar]: ...


def run() -> Result:
    parts = {name: list(measure()) for name, measure in MEASURES.items() if _is_wanted(name)}
    bars = [bar for found in parts.values() for part in found for bar in part.bars()]
    bars += _growth(parts.get("looking", ()))
    return Result(bars, {name: [asdict(part) for part in found] for name, found in parts.items()})


def _is_wanted(part: str) -> bool:
    return QUICK or WANTED == [""] or part in WANTED


def _sizes() -> Iterable[Size]:
    chosen = [size for size in SIZES if str(size.instances) in WANTED]
    return QUICK_SIZES if QUICK else chosen or SIZES


def _growth(sizes: Iterable[Any]) -> Iterator[Bar]:
    """Own CPU per series at the largest size against the second."""
    costs = [(each.size.instances, each.ours.cpu / each.series) for each in sizes]
    if len(costs) > 1:
        (small, before), (large, after) = costs[1] if len(costs) > 2 else costs[0], costs[-1]
        yield Bar(f"own CPU per series at {large} against {small}", after / before, "x", 1.2)


def _looking() -> Iterator[Part]:
    for size in _sizes():
        yield compared(size)


def _memory() -> Iterator[Part]:
    yield apart(memory, 5, 25) if QUICK else apart(memory, 200, 30)


def _restart() -> Iterator[Part]:
    yield apart(restart, 5, 600) if QUICK else apart(restart, 200, 3600)


def _rules() -> Iterator[Part]:
    yield ruled(5, 10) if QUICK else ruled(100, 60)


def _report() -> Iterator[Part]:
    yield reported(5, 2.0) if QUICK else reported(100, 24.0)


def _push() -> Iterator[Part]:
    if QUICK:
        yield pushed(5, 5)
    else:
        yield from (pushed(instances, 20) for instances in (200, 1000))


MEASURES: dict[str, Callable[[], Iterator[Part]]] = {
    "looking": _looking,
    "memory": _memory,
    "restart": _restart,
    "rules": _rules,
    "report": _report,
    "push": _push,
}
