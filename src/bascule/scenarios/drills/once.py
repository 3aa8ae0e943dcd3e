"""One drill: a fault goes in, its alert is timed until a receiver has it, the fault goes out, its end is awaited."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from bascule.api.models.journal import IncidentAnswer
from bascule.conventions import Severity, Verdict
from bascule.errors import BasculeError
from bascule.scenarios.drills.fault import Declared, Fault, FaultClass
from bascule.scenarios.house import House, NotSeen, Watched
from bascule.scenarios.receiver import HeardNotice

BEFORE_SECONDS = 20.0  # of the evidence's past, which its rise is measured against
AFTER_SECONDS = 5.0  # what else the fault sets off
PATIENCE_SECONDS = 45.0  # beyond the bound, until a fault counts as not found
END_SECONDS = 420.0  # a rule over five minutes ends that much later
TIMED_END_SECONDS = 720.0
CALLING = (Verdict.ROLL_BACK, Verdict.NO_DATA)  # verdicts that ask somebody to act


@dataclass
class Drill:
    """What came of one fault. Seconds after its injection, None where it was not seen; `injected`: Unix seconds."""

    fault: str
    injected: float = 0.0
    evidence: float | None = None
    alert: float | None = None
    journal: float | None = None
    delivered: float | None = None
    delivered_alert: str = ""
    verdict: float | None = None
    verdict_said: str = ""
    already: str = ""  # the verdict that asked somebody to act when the fault went in, and has stayed
    removed: float | None = None
    ended: float | None = None  # seconds after the fault was removed
    expected: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)  # the faults whose drills overlapped with this one
    problem: str = ""
    source: dict[str, float] = field(default_factory=dict)  # the source document's alerts that fired, and when
    course: list[tuple[float, float]] = field(default_factory=list)  # of the evidence
    signal: list[tuple[float, float]] = field(default_factory=list)


class Hearing(Protocol):
    """Somebody who is told."""

    def firing(self, since: float) -> list[HeardNotice]:
        """What they were told of alerts that fire, from a moment on."""


@dataclass(frozen=True)
class Force:
    """How a fault is put in, which gives the moment, and taken out."""

    inject: Callable[[], float]
    remove: Callable[[], None]


def in_lab(house: House, fault: Fault) -> Force:
    """A fault of the lab's own."""
    return Force(lambda: fault.inject(house), lambda: fault.remove(house))


def began(incident: IncidentAnswer) -> float:
    """When the journal took it in, or it last began again; Unix seconds."""
    return (incident.reopened or incident.received).timestamp()


@dataclass(frozen=True)
class Before:
    """What fired before the fault, or waited to: nothing of it was found by the drill. `at`: Unix seconds."""

    fault: Declared
    at: float
    firing: frozenset[int]  # incidents
    waiting: Sequence[Mapping[str, str]]  # labels of alerts whose rules hold, but not for long enough yet

    @classmethod
    def now(cls, house: Watched, fault: Declared) -> Before:
        at = time.time()
        pending = house.prometheus.instant('ALERTS{alertstate="pending"}')
        own = ("__name__", "alertstate")
        waiting = [{name: value for name, value in each.labels.items() if name not in own} for each in pending]
        return cls(fault, at, frozenset(incident.id for incident in house.open_incidents()), waiting)

    def new(self, incidents: Sequence[IncidentAnswer]) -> list[IncidentAnswer]:
        """Those of the incidents that came since, and that the fault may have caused."""
        return [each for each in incidents if self._is_new(each) and self.fault.may_cause(each)]

    def _is_new(self, incident: IncidentAnswer) -> bool:
        has_waited = any(labels.items() <= incident.labels.items() for labels in self.waiting)
        return began(incident) >= self.at and incident.id not in self.firing and not has_waited


def drill(
    house: Watched,
    receiver: Hearing,
    fault: Declared,
    force: Force,
    hold: float = 0.0,
    beside: Sequence[Declared] = (),
) -> Drill:
    """Try one fault, for at least `hold` seconds. It is removed whatever happens.

    `beside`: the faults that are tried at the same time; it grows as others begin.
    """
    found = Drill(fault.key)
    before = Before.now(house, fault)
    with _in_force(house, fault, force, found):
        if fault.kind is FaultClass.QUIET:
            house.wait(fault.lasts)
        else:
            _find(house, receiver, fault, found, before)
        house.wait(max(AFTER_SECONDS, found.injected + hold - time.time()))
    _await_end(house, fault, found, before)
    _sort(fault, found, before.new(house.incidents()), beside)
    if fault.kind is FaultClass.QUIET:
        told = [notice.in_short for notice in receiver.firing(found.injected) if not notice.names(fault.tells)]
        found.unexpected += dict.fromkeys(told)
    return found


@contextmanager
def _in_force(house: Watched, fault: Declared, force: Force, found: Drill) -> Iterator[None]:
    house.annotate("drill", f"{fault.key}: {fault.title}")
    found.injected = time.time()
    try:
        found.injected = force.inject()
        yield
    finally:
        force.remove()
        found.removed = time.time() - found.injected


def _find(house: Watched, receiver: Hearing, fault: Declared, found: Drill, before: Before) -> None:
    """Wait until the receiver has the alert, and the verdict has turned."""
    deadline = time.monotonic() + fault.bound + PATIENCE_SECONDS
    found.already = _calling(house)
    while time.monotonic() < deadline and (found.delivered is None or found.verdict is None):
        if found.delivered is None:
            _hear(house, receiver, fault, found, before)
        if found.verdict is None:
            _ask_verdict(house, found)
        if found.delivered is not None and time.time() - found.injected > found.delivered + 2 * AFTER_SECONDS:
            break  # a fault that does not call for a rollback changes no verdict
        house.wait(fault.pause)
    found.signal = _course(house, fault.signal, found.injected)
    found.course = _course(house, fault.evidence, found.injected)
    found.evidence = _first_rise(found.course)


def _hear(house: Watched, receiver: Hearing, fault: Declared, found: Drill, before: Before) -> None:
    """A command may take a while to break it: what is told meanwhile was told at once."""
    for told in receiver.firing(before.at):
        if alert := _own(told, house, fault, before):
            found.delivered, found.delivered_alert = round(max(0.0, told.at - found.injected), 2), alert
            return


def _own(told: HeardNotice, house: Watched, fault: Declared, before: Before) -> str:
    """The alert by which a notice reports the fault; empty for none. It also lists what fired before, and has ended."""
    named = {number: alert for number, alert in told.firing.items() if fault.is_found_by(alert)}
    new = {incident.id for incident in before.new(house.incidents())} if named else ()
    return next((alert for number, alert in named.items() if number in new), "")


def _calling(house: Watched) -> str:
    """The verdict, where it asks somebody to act; empty where it does not, or the judge does not answer."""
    try:
        said = house.verdict().verdict
    except BasculeError:
        return ""
    return said if said in CALLING else ""


def _ask_verdict(house: Watched, found: Drill) -> None:
    """One that lasts from an earlier fault does not count until it has changed."""
    said = _calling(house)
    if said == found.already:
        return
    found.already = ""
    if said:
        found.verdict, found.verdict_said = round(time.time() - found.injected, 2), said


def _course(house: Watched, expression: str, injected: float) -> list[tuple[float, float]]:
    """An expression each second from just before: (seconds after the injection, value)."""
    if not expression:
        return []
    series = house.prometheus.range(expression, injected - BEFORE_SECONDS, time.time(), 1.0)
    points = [(at, value) for one in series for at, value in zip(one.times, one.values, strict=True)]
    return sorted((round(float(at) - injected, 2), round(float(value), 4)) for at, value in points)


def _first_rise(course: list[tuple[float, float]]) -> float | None:
    """When it first rose above all it had been just before the injection."""
    before = max((value for at, value in course if at <= 0), default=0.0)
    return next((at for at, value in course if at > 0 and value > before), None)


def _await_end(house: Watched, fault: Declared, found: Drill, before: Before) -> None:
    """Until what the fault set off has ended, but for what lasts for hours, such as a budget that is spent."""

    def still_open() -> list[IncidentAnswer]:
        return [each for each in before.new(house.open_incidents()) if fault.is_found_by(each.alert)]

    if fault.stays:
        return
    since = time.time()
    try:
        house.wait_for(
            "the end of the alert",
            lambda: not still_open(),
            TIMED_END_SECONDS if fault.kind is FaultClass.TIMED else END_SECONDS,
            fault.pause,
        )
    except NotSeen as missing:
        found.problem = f"{missing.what}: {', '.join(_told_apart(each) for each in still_open())}"
    else:
        found.ended = round(time.time() - since, 1)


def _told_apart(incident: IncidentAnswer) -> str:
    """An alert with the labels that tell it from its like."""
    labels = {name: value for name, value in incident.labels.items() if name not in ("alertname", "severity")}
    return f"{incident.alert} {' '.join(f'{name}={value}' for name, value in sorted(labels.items()))}"


def _sort(fault: Declared, found: Drill, new: Sequence[IncidentAnswer], beside: Sequence[Declared]) -> None:
    """Which alerts came, and which of them none of the faults that were in explains. Of those, only what calls people
    counts."""
    own = [incident for incident in new if fault.is_found_by(incident.alert)]
    starts = [incident.starts.timestamp() - found.injected for incident in own]
    received = [incident.received.timestamp() - found.injected for incident in own if not incident.reopened]
    found.alert = round(max(0.0, min(starts)), 2) if starts else None
    found.journal = round(max(0.0, min(received)), 2) if received else None
    paging = {incident.alert for incident in new if Severity.of(incident.severity).pages}
    explained = {*fault.also, *(alert for other in beside for alert in (*other.expects, *other.also))}
    found.expected = sorted(filter(fault.is_found_by, paging))
    found.unexpected = sorted(paging.difference(found.expected, explained))
    found.beside = sorted({other.key for other in beside})
