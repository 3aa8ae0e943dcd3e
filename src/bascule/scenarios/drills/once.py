"""One drill: a fault goes in, its alert is timed until a receiver has it, the fault goes out, its end is awaited."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
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
    removed: float | None = None
    ended: float | None = None  # seconds after the fault was removed
    expected: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
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


def drill(house: Watched, receiver: Hearing, fault: Declared, force: Force, hold: float = 0.0) -> Drill:
    """Try one fault, for at least `hold` seconds. It is removed whatever happens."""
    found = Drill(fault.key)
    open_before = {incident.id for incident in house.open_incidents()}
    with _in_force(house, fault, force, found):
        if fault.kind is FaultClass.QUIET:
            house.wait(fault.lasts)
        else:
            _find(house, receiver, fault, found)
        house.wait(max(AFTER_SECONDS, found.injected + hold - time.time()))
    _await_end(house, fault, found)
    _sort(house, receiver, fault, found, open_before)
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


def _find(house: Watched, receiver: Hearing, fault: Declared, found: Drill) -> None:
    """Wait until the receiver has the alert, and the verdict has turned."""
    deadline = time.monotonic() + fault.bound + PATIENCE_SECONDS
    while time.monotonic() < deadline and (found.delivered is None or found.verdict is None):
        _hear(receiver, fault, found)
        _ask_verdict(house, found)
        if found.delivered is not None and time.time() - found.injected > found.delivered + 2 * AFTER_SECONDS:
            break  # a fault that does not call for a rollback changes no verdict
        house.wait(0.1)
    found.signal = _course(house, fault.signal, found.injected)
    found.course = _course(house, fault.evidence, found.injected)
    found.evidence = _first_rise(found.course)


def _hear(receiver: Hearing, fault: Declared, found: Drill) -> None:
    for told in receiver.firing(found.injected):
        alert = told.names(fault.expects) if fault.expects else told.subject
        if alert and found.delivered is None:
            found.delivered, found.delivered_alert = round(told.at - found.injected, 2), alert


def _ask_verdict(house: Watched, found: Drill) -> None:
    if found.verdict is not None:
        return
    try:
        said = house.verdict().verdict
    except BasculeError:
        return
    if said in (Verdict.ROLL_BACK, Verdict.NO_DATA):
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


def _await_end(house: Watched, fault: Declared, found: Drill) -> None:
    """Until what the fault set off has ended, but for what lasts for hours, such as a budget that is spent."""

    def still_open() -> list[IncidentAnswer]:
        return [i for i in house.open_incidents() if fault.is_found_by(i.alert) and _is_of(i, found)]

    if fault.stays:
        return
    since = time.time()
    try:
        house.wait_for(
            "the end of the alert",
            lambda: not still_open(),
            TIMED_END_SECONDS if fault.kind is FaultClass.TIMED else END_SECONDS,
        )
    except NotSeen as missing:
        found.problem = f"{missing.what}: {', '.join(_told_apart(each) for each in still_open())}"
    else:
        found.ended = round(time.time() - since, 1)


def _told_apart(incident: IncidentAnswer) -> str:
    """An alert with the labels that tell it from its like."""
    labels = {name: value for name, value in incident.labels.items() if name not in ("alertname", "severity")}
    return f"{incident.alert} {' '.join(f'{name}={value}' for name, value in sorted(labels.items()))}"


def _is_of(incident: IncidentAnswer, found: Drill) -> bool:
    return (incident.reopened or incident.received).timestamp() >= found.injected - 1


def _sort(house: Watched, receiver: Hearing, fault: Declared, found: Drill, open_before: set[int]) -> None:
    """Which alerts came, and which of them had no cause in the fault. Of those, only what calls people counts."""
    new = [incident for incident in house.incidents() if incident.id not in open_before and _is_of(incident, found)]
    starts = [i.starts.timestamp() - found.injected for i in new if fault.is_found_by(i.alert)]
    received = [i.received.timestamp() - found.injected for i in new if fault.is_found_by(i.alert) and not i.reopened]
    found.alert = round(max(0.0, min(starts)), 2) if starts else None
    found.journal = round(min(received), 2) if received else None
    paging = {incident.alert for incident in new if Severity.of(incident.severity).pages}
    found.expected = sorted(filter(fault.is_found_by, paging))
    found.unexpected = sorted(paging.difference(found.expected, fault.also))
    if fault.kind is FaultClass.QUIET:
        told = [notice.subject for notice in receiver.firing(found.injected) if not notice.names(fault.tells)]
        found.unexpected += dict.fromkeys(told)
