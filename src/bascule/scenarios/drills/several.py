"""Many drills on one house, and whether each class keeps its bound."""

from __future__ import annotations

import statistics
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bascule.errors import BasculeError
from bascule.scenarios.drills.fault import Declared, Fault, FaultClass
from bascule.scenarios.drills.once import Drill, drill, in_lab
from bascule.scenarios.house import House, Stopped, standing
from bascule.scenarios.receiver import Person, listening

BASELINE_SECONDS = 45.0
SETTLE_SECONDS = 30.0
SLOWEST_HARD = 20.0
HALF = 3  # the phase that gives V2 half of the traffic
Report = Callable[[str], None]


@dataclass(frozen=True)
class Tried:
    """A fault and what came of each of its runs."""

    fault: Declared
    runs: list[Drill] = field(default_factory=list)

    @property
    def delivered(self) -> list[float]:
        return [run.delivered for run in self.runs if run.delivered is not None]

    @property
    def median(self) -> float | None:
        return statistics.median(self.delivered) if self.delivered else None

    @property
    def slowest(self) -> float | None:
        return max(self.delivered, default=None)

    @property
    def failures(self) -> list[str]:
        """What was not as declared, in words; empty for a drill that passed."""
        found = [f"unexpected: {name}" for run in self.runs for name in run.unexpected]
        found += [run.problem for run in self.runs if run.problem]
        if self.fault.kind is not FaultClass.QUIET:
            found += [f"{len(self.runs) - len(self.delivered)} of {len(self.runs)} not delivered"] * (
                len(self.delivered) < len(self.runs)
            )
            found += self._too_slow()
        return list(dict.fromkeys(found))

    def _too_slow(self) -> list[str]:
        median, slowest, bound = self.median, self.slowest, self.fault.bound
        if median is None or slowest is None:
            return []
        found = [f"median {median:.1f} s, bound {bound:g} s"] if median > bound else []
        if self.fault.kind is FaultClass.HARD and slowest > SLOWEST_HARD:
            found.append(f"slowest {slowest:.1f} s, bound {SLOWEST_HARD:g} s")
        return found


def run(
    faults: Sequence[Fault], runs: int, report: Report, stop: threading.Event, write: Callable[[list[Tried]], None]
) -> list[Tried]:
    """Every fault once, hard ones `runs` times; `write` is given the results after each, so that none is lost."""
    tried: list[Tried] = []
    with at_half(report, stop) as (house, receiver):
        for fault in faults:
            one = Tried(fault)
            tried.append(one)
            for number in range(runs if fault.kind is FaultClass.HARD else 1):
                report(f"{fault.kind}: {fault.title}{f' (run {number + 1})' if runs > 1 else ''}")
                one.runs.append(_attempt(house, receiver, fault))
                report(f"  {said(one.runs[-1], fault)}")
                write(tried)
                house.wait(SETTLE_SECONDS)
    return tried


def _attempt(house: House, receiver: Person, fault: Fault) -> Drill:
    """A drill that goes wrong is told, and the next is tried; a stop is none."""
    try:
        return drill(house, receiver, fault, in_lab(house, fault))
    except Stopped:
        raise
    except BasculeError as error:
        return Drill(fault.key, problem=str(error.what))


def said(found: Drill, fault: Declared) -> str:
    if fault.kind is FaultClass.QUIET:
        return f"alarms: {', '.join(found.unexpected) or 'none'}"
    told = f"{found.delivered_alert} after {found.delivered} s" if found.delivered is not None else "not delivered"
    return "; ".join(filter(None, [told, *(f"unexpected {name}" for name in found.unexpected), found.problem]))


@contextmanager
def at_half(report: Report, stop: threading.Event) -> Iterator[tuple[House, Person]]:
    """A house with a history of the baseline, half of its traffic on V2, and a person who is told."""
    with (
        tempfile.TemporaryDirectory(prefix="bascule-drill-") as folder,
        listening() as receiver,
        standing(Path(folder), report, stop, told=receiver) as house,
    ):
        report(f"baseline for {BASELINE_SECONDS:g} s, then half of the traffic on V2")
        house.set_phase(0, "baseline")
        house.wait(BASELINE_SECONDS)
        house.set_phase(HALF, "drills at 50 %")
        house.wait(SETTLE_SECONDS)
        receiver.told.clear()
        yield house, receiver


def seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
