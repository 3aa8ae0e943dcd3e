"""One drill: a fault goes in, its alert is timed until a receiver has it, the fault goes out, its end is awaited."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bascule.api.models.journal import IncidentAnswer
from bascule.conventions import Severity, Verdict
from bascule.errors import BasculeError
from bascule.scenarios.drills.fault import Fault, FaultClass
from bascule.scenarios.house import House, NotSeen
from bascule.scenarios.receiver import Receiver

BEFORE_SECONDS = 20.0  # of the evidence's past, which its rise is measured against
AFTER_SECONDS = 5.0  # what else the fault sets off
PATIENCE_SECONDS = 45.0  # beyond the bound, until a fault counts as not found
END_SECONDS = 240.0


@dataclass
class Drill:
    """What came of one fault. Seconds after its injection, None where it was not seen; `injected`: Unix seconds."""

    fault: str
    injected: float = 0.0
    evidence: float | None = None
    alert: float | None = None
    delivered: float | None = None
    delivered_alert: str = ""
    verdict: float | None = None
    verdict_said: str = ""
    removed: float | None = None
    ended: float | None = None  # seconds after the fault was removed
    expected: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    problem: str = ""


def drill(house: House, receiver: Receiver, fault: Fault) -> Drill:
    """Try one fault. It is removed whatever happens."""
    found = Drill(fault.key)
    open_before = {incident.id for incident in house.open_incidents()}
    with _in_force(house, fault, found):
        if fault.kind is FaultClass.QUIET:
            house.wait(fault.lasts)
        else:
            _find(house, receiver, fault, found)
        house.wait(AFTER_SECONDS)
    _await_end(house, fault, found)
    _sort(house, receiver, fault, found, open_before)
    return found


@contextmanager
def _in_force(house: House, fault: Fault, found: Drill) -> Iterator[None]:
    house.annotate("drill", f"{fault.key}: {fault.title}")
    found.injected = time.time()
    try:
        found.injected = fault.inject(house)
        yield
    finally:
        fault.remove(house)
        found.removed = time.time() - found.injected


def _find(house: House, receiver: Receiver, fault: Fault, found: Drill) -> None:
    """Wait until the receiver has the alert, and the verdict has turned."""
    deadline = time.monotonic() + fault.bound + PATIENCE_SECONDS
    while time.monotonic() < deadline and (found.delivered is None or found.verdict is None):
        _hear(receiver, fault, found)
        _ask_verdict(house, found)
        if found.delivered is not None and time.time() - found.injected > found.delivered + 2 * AFTER_SECONDS:
            break  # a fault that does not call for a rollback changes no verdict
        house.wait(0.1)
    found.evidence = _evidence(house, fault, found.injected)


def _hear(receiver: Receiver, fault: Fault, found: Drill) -> None:
    for told in receiver.firing(found.injected):
        alert = told.names(fault.expects)
        if alert and found.delivered is None:
            found.delivered, found.delivered_alert = round(told.at - found.injected, 2), alert


def _ask_verdict(house: House, found: Drill) -> None:
    if found.verdict is not None:
        return
    try:
        said = house.verdict().verdict
    except BasculeError:
        return
    if said in (Verdict.ROLL_BACK, Verdict.NO_DATA):
        found.verdict, found.verdict_said = round(time.time() - found.injected, 2), said


def _evidence(house: House, fault: Fault, injected: float) -> float | None:
    """When the evidence first rose above all it had been just before."""
    if not fault.evidence:
        return None
    series = house.prometheus.range(fault.evidence, injected - BEFORE_SECONDS, time.time(), 1.0)
    points = [(at, value) for one in series for at, value in zip(one.times, one.values, strict=True)]
    before = max((value for at, value in points if at <= injected), default=0.0)
    rising = [at for at, value in points if at > injected and value > before]
    return round(float(min(rising)) - injected, 2) if rising else None


def _await_end(house: House, fault: Fault, found: Drill) -> None:
    """Until what the fault set off has ended, but for what stands for hours, such as a budget that is spent."""

    def is_over() -> bool:
        return not [i for i in house.open_incidents() if i.alert in fault.expects and _is_of(i, found)]

    since = time.time()
    try:
        house.wait_for("the end of the alert", is_over, END_SECONDS)
    except NotSeen as missing:
        found.problem = missing.what
    else:
        found.ended = round(time.time() - since, 1)


def _is_of(incident: IncidentAnswer, found: Drill) -> bool:
    return (incident.reopened or incident.received).timestamp() >= found.injected - 1


def _sort(house: House, receiver: Receiver, fault: Fault, found: Drill, open_before: set[int]) -> None:
    """Which alerts came, and which of them had no cause in the fault. Of those, only what calls people counts."""
    new = [incident for incident in house.incidents() if incident.id not in open_before and _is_of(incident, found)]
    starts = [i.starts.timestamp() - found.injected for i in new if i.alert in fault.expects]
    found.alert = round(max(0.0, min(starts)), 2) if starts else None
    paging = {incident.alert for incident in new if Severity.of(incident.severity).pages}
    found.expected = sorted(paging.intersection(fault.expects))
    found.unexpected = sorted(paging.difference(fault.expects, fault.also))
    if fault.kind is FaultClass.QUIET:
        told = [notice.subject for notice in receiver.firing(found.injected) if not notice.names(fault.tells)]
        found.unexpected += dict.fromkeys(told)
