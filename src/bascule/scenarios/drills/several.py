"""Many drills on one house, and whether each class keeps its bound."""

from __future__ import annotations

import statistics
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from bascule.errors import BasculeError
from bascule.scenarios import source_rules
from bascule.scenarios.drills.fault import Declared, Fault, FaultClass
from bascule.scenarios.drills.in_force import FOLDER_PREFIX, noted
from bascule.scenarios.drills.information import Scales, information_bound
from bascule.scenarios.drills.once import Drill, drill, in_lab
from bascule.scenarios.house import House, Stopped, standing
from bascule.scenarios.receiver import Person, listening
from bascule.scenarios.site import SitePart, standing_site

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
    skipped: str = ""  # why it cannot be made on this machine
    information: float | None = None  # seconds: the information bound at the house's traffic

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
    def bound(self) -> float:
        """What it is held to: a statistical fault to what the traffic allows, where that is longer."""
        is_statistical = self.fault.kind is FaultClass.STATISTICAL
        return max(self.fault.bound, self.information or 0.0) if is_statistical else self.fault.bound

    @property
    def failures(self) -> list[str]:
        """What was not as declared, in words; empty for a drill that passed."""
        found = [f"unexpected: {name}" for run in self.runs for name in run.unexpected]
        found += [run.problem for run in self.runs if run.problem]
        if self.fault.kind is not FaultClass.QUIET and not self.skipped:
            found += [f"{len(self.runs) - len(self.delivered)} of {len(self.runs)} not delivered"] * (
                len(self.delivered) < len(self.runs)
            )
            found += self._too_slow()
        return list(dict.fromkeys(found))

    def _too_slow(self) -> list[str]:
        median, slowest, bound = self.median, self.slowest, self.bound
        if median is None or slowest is None:
            return []
        found = [f"median {median:.1f} s, bound {bound:g} s"] if median > bound else []
        if self.fault.kind is FaultClass.HARD and slowest > SLOWEST_HARD:
            found.append(f"slowest {slowest:.1f} s, bound {SLOWEST_HARD:g} s")
        return found


@dataclass(frozen=True)
class WantedDrills:
    """What is drilled. `runs`: of each hard fault; `hold`: seconds for which each stays at least; `out`: a folder for
    word of the fault in force."""

    faults: Sequence[Fault]
    runs: int
    hold: float
    out: Path

    @property
    def by_house(self) -> list[list[Fault]]:
        """Those that must not alarm have a house of their own: the errors of a bad client come in bursts, and a judge
        that has seen bursts waits longer; what a real fault does to a budget lasts for hours."""
        quiet = [fault for fault in self.faults if fault.kind is FaultClass.QUIET]
        others = [fault for fault in self.faults if fault.kind is not FaultClass.QUIET]
        return [faults for faults in (quiet, others) if faults]

    @property
    def needed(self) -> set[SitePart]:
        return {part for fault in self.faults if not fault.unable for part in fault.needs}

    def runs_of(self, fault: Fault) -> int:
        return self.runs if fault.kind is FaultClass.HARD else 1


def run(
    wanted: WantedDrills, report: Report, stop: threading.Event, write: Callable[[list[Tried]], None]
) -> list[Tried]:
    """Every fault that is wanted; `write` is given the results after each, so that none is lost."""
    tried: list[Tried] = []
    for faults in wanted.by_house:
        _run_in_one_house(replace(wanted, faults=faults), tried, report, stop, write)
    return tried


def _run_in_one_house(
    wanted: WantedDrills,
    tried: list[Tried],
    report: Report,
    stop: threading.Event,
    write: Callable[[list[Tried]], None],
) -> None:
    with (
        at_half(report, stop, wanted.needed) as (house, receiver),
        source_rules.beside(house, house.lab.folder / "source-rules") as theirs,
    ):
        for fault in wanted.faults:
            one = Tried(fault, skipped=fault.unable, information=_information(house, fault))
            tried.append(one)
            if one.skipped:
                report(f"{fault.key} is skipped: {one.skipped}")
                continue
            for number in range(wanted.runs_of(fault)):
                report(f"{fault.kind}: {fault.title}{f' (run {number + 1})' if wanted.runs > 1 else ''}")
                found = _attempt(house, receiver, fault, wanted)
                found.source = _of_theirs(theirs, found)
                one.runs.append(found)
                report(f"  {said(found, fault)}")
                write(tried)
                house.wait(SETTLE_SECONDS)


def _of_theirs(theirs: source_rules.SourceRules, found: Drill) -> dict[str, float]:
    """What the source document's rules found while the fault was in."""
    if found.removed is None:
        return {}
    try:
        return theirs.fired(found.injected, found.injected + found.removed)
    except BasculeError:
        return {}


def _information(house: House, fault: Fault) -> float | None:
    if fault.shift is None:
        return None
    plan, judge = house.traffic.plan, house.spec.judge
    each = plan.rate * (1 + plan.ratings) / 2
    try:
        compared = len([line for line in house.verdict().signals if line.threshold is not None])
    except BasculeError:
        return None
    return information_bound(fault.shift, Scales(each, judge.false_alarm_budget / max(compared, 1)))


def _attempt(house: House, receiver: Person, fault: Fault, wanted: WantedDrills) -> Drill:
    """A drill that goes wrong is told, and the next is tried; a stop is none."""
    try:
        force = noted(in_lab(house, fault), wanted.out, fault.key, fault.leaves(house), house.lab.folder)
        return drill(house, receiver, fault, force, wanted.hold)
    except Stopped:
        raise
    except BasculeError as error:
        return Drill(fault.key, problem=str(error.what))
    except (OSError, httpx.HTTPError) as error:
        return Drill(fault.key, problem=f"{type(error).__name__}: {error}")


def said(found: Drill, fault: Declared) -> str:
    if fault.kind is FaultClass.QUIET:
        return f"alarms: {', '.join(found.unexpected) or 'none'}"
    told = f"{found.delivered_alert} after {found.delivered} s" if found.delivered is not None else "not delivered"
    return "; ".join(filter(None, [told, *(f"unexpected {name}" for name in found.unexpected), found.problem]))


@contextmanager
def at_half(report: Report, stop: threading.Event, needed: Collection[SitePart] = ()) -> Iterator[tuple[House, Person]]:
    """A house with a history of the baseline, half of its traffic on V2, and a person who is told.

    `needed`: what is started beside the lab.
    """
    with (
        tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as folder,
        listening() as receiver,
        standing_site(Path(folder), needed) as site,
        standing(Path(folder), report, stop, told=receiver, site=site) as house,
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
