"""Many drills on a house, and whether each class keeps its bound."""

from __future__ import annotations

import statistics
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from bascule import times
from bascule.errors import BasculeError, ProcessFailed
from bascule.scenarios import source_rules
from bascule.scenarios.drills.fault import Declared, Fault, FaultClass
from bascule.scenarios.drills.in_force import FOLDER_PREFIX, noted
from bascule.scenarios.drills.information import Scales, information_bound
from bascule.scenarios.drills.once import Drill, drill, in_lab
from bascule.scenarios.drills.side_by_side import Company, side_by_side
from bascule.scenarios.house import House, NotSeen, Stopped, standing
from bascule.scenarios.receiver import Person, listening
from bascule.scenarios.site import SitePart, standing_site

BASELINE_SECONDS = 45.0
SETTLE_SECONDS = 30.0  # after the step to half of the traffic
REST_SECONDS = 5.0  # before each drill ...
FORGET_SECONDS = 30.0  # ... and at most so much longer, until no evidence is left of the one before
READY_SECONDS = 900.0  # for which a fault waits at most until the house knows what it has to
SLOWEST_HARD = 20.0
HALF = 3  # the phase that gives V2 half of the traffic
Report = Callable[[str], None]


@dataclass(frozen=True)
class Tried:
    """A fault and what came of each of its runs."""

    fault: Declared
    runs: Sequence[Drill] = ()
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
        that has seen bursts waits longer; what a real fault does to a budget lasts for hours. Of the quiet ones, those
        that stay come last: what they set off late would be taken for another's."""
        quiet = sorted((fault for fault in self.faults if fault.kind is FaultClass.QUIET), key=lambda each: each.stays)
        others = [fault for fault in self.faults if fault.kind is not FaultClass.QUIET]
        return [faults for faults in (quiet, others) if faults]

    @property
    def needed(self) -> set[SitePart]:
        return {part for fault in self.faults if not fault.unable for part in fault.needs}

    def runs_of(self, fault: Fault) -> int:
        return self.runs if fault.kind is FaultClass.HARD else 1


class Results:
    """What came of the faults so far, in their order. Safe to use from several threads.

    `write` is given all results after each run, so that none is lost.
    """

    def __init__(self, faults: Sequence[Fault], write: Callable[[list[Tried]], None]) -> None:
        self._faults, self._write = faults, write
        self._known: dict[Declared, Tried] = {}
        self._lock = threading.Lock()

    @property
    def tried(self) -> list[Tried]:
        return [self._known[fault] for fault in self._faults if fault in self._known]

    def keep(self, one: Tried) -> None:
        with self._lock:
            self._known[one.fault] = one
            self._write(self.tried)


def run(
    wanted: WantedDrills, report: Report, stop: threading.Event, write: Callable[[list[Tried]], None]
) -> list[Tried]:
    """Every fault that is wanted; `write` is given the results after each run."""
    results = Results(wanted.faults, write)
    for faults in wanted.by_house:
        part = replace(wanted, faults=faults)
        with (
            at_half(report, stop, part.needed) as (house, receiver),
            source_rules.beside(house, house.lab.folder / "source-rules") as theirs,
        ):
            side_by_side(faults, ProvingGround(part, house, receiver, theirs, results, report).attempt, stop)
    return results.tried


@dataclass(frozen=True)
class ProvingGround:
    """A house in which faults are tried, who is told of them, and the source document's rules beside it.

    Threads may share it.
    """

    wanted: WantedDrills
    house: House
    receiver: Person
    theirs: source_rules.SourceRules
    results: Results
    report: Report
    company: Company = field(default_factory=Company)

    def attempt(self, fault: Fault) -> None:
        """All runs of a fault, or the reason why there is none."""
        one = Tried(fault, skipped=fault.unable, information=_information(self.house, fault))
        if one.skipped:
            self.report(f"{fault.key} is skipped: {one.skipped}")
            self.results.keep(one)
            return
        runs = self.wanted.runs_of(fault)
        for number in range(1, runs + 1):
            self._rest()
            self._get_ready(fault)
            self.report(f"{fault.key} ({fault.kind}): {fault.title}{f' (run {number})' if runs > 1 else ''}")
            found = self._drill(fault)
            found.source = self._found_by_them(found)
            self.report(f"{fault.key}: {said(found, fault)}")
            one = replace(one, runs=[*one.runs, found])
            self.results.keep(one)

    def _rest(self) -> None:
        """What is left of the fault before must not help to find this one. Raises ProcessFailed without traffic."""
        if not self.house.traffic.is_running:
            raise ProcessFailed(
                "the lab's traffic has ended", "give fewer faults, or shorter ones: it lasts four hours"
            )
        self.house.wait(REST_SECONDS)
        self.house.forget(FORGET_SECONDS)

    def _get_ready(self, fault: Fault) -> None:
        """A house that does not know in time is drilled as it is."""
        awaited = fault.awaits(self.house)
        if awaited:
            self.report(f"{fault.key}: waits for {awaited}, at most {times.lasting(READY_SECONDS)}")
            with suppress(NotSeen):
                self.house.wait_for(awaited, lambda: not fault.awaits(self.house), READY_SECONDS, 1.0)

    def _drill(self, fault: Fault) -> Drill:
        """A drill that goes wrong is told, and the next is tried; a stop is none."""
        house, wanted = self.house, self.wanted
        try:
            force = noted(in_lab(house, fault), wanted.out, fault.key, fault.leaves(house), house.lab.folder)
            with self.company.of(fault) as beside:
                return drill(house, self.receiver, fault, force, wanted.hold, beside)
        except Stopped:
            raise
        except BasculeError as error:
            return Drill(fault.key, problem=str(error.what))
        except (OSError, httpx.HTTPError) as error:
            return Drill(fault.key, problem=f"{type(error).__name__}: {error}")

    def _found_by_them(self, found: Drill) -> dict[str, float]:
        """What the source document's rules found while the fault was in."""
        if found.removed is None:
            return {}
        try:
            return self.theirs.fired(found.injected, found.injected + found.removed)
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
