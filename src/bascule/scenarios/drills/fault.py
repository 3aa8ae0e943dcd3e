"""What a drill's fault is: what is broken and restored, what must be found, and how soon."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar

from bascule.conventions import SIGNAL_LOG_EVIDENCE, SIGNAL_THRESHOLD
from bascule.scenarios.house import House

# What many errors do truly, also minutes after they ended: budgets are used up, targets of a segment or partner missed.
BUDGETS = ("SlaBreached", "SlaAtRisk", "SlaBudgetBurn", "PartnerErrorsHigh", "SegmentErrorsHigh")
HARM = (*BUDGETS, "RollbackTriggered")
ERRORS_HARM = (*HARM, "V2ErrorSpike", "CandidateWorse")


class FaultClass(StrEnum):
    """`hard`: delivered within 10 s at the median, 20 s at worst. `statistical`: within 30 s, or what the traffic
    allows. `timed`: a rule's own `for` and 15 s. `quiet`: no alarm at all."""

    HARD = "hard"
    STATISTICAL = "statistical"
    TIMED = "timed"
    QUIET = "quiet"


class Declared:
    """What a fault is declared to be, beforehand. `key`: its name on the command line. Times in seconds.

    `expects`: any of these alerts finds it (without any: whatever calls people). `also`: alerts that truly follow from
    it. `evidence`: an expression whose rise is the first sign of it in Prometheus. `lasts`: how long a quiet one stays;
    `tells`: what it may tell people.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    kind: ClassVar[FaultClass]
    bound: ClassVar[float]
    expects: ClassVar[tuple[str, ...]] = ()
    also: ClassVar[tuple[str, ...]] = BUDGETS
    evidence: ClassVar[str] = ""
    lasts: ClassVar[float] = 45.0
    tells: ClassVar[tuple[str, ...]] = ()

    def is_found_by(self, alert: str) -> bool:
        return alert in self.expects or (not self.expects and self.kind is not FaultClass.QUIET)


class Fault(Declared, ABC):
    """One fault of the lab: a class in a file of `scenarios/faults`."""

    @abstractmethod
    def inject(self, house: House) -> float:
        """Break it; the moment (Unix seconds) from which it is broken."""

    @abstractmethod
    def remove(self, house: House) -> None:
        """Put it right again; also where it was broken by half."""


class HardFault(Fault):
    kind: ClassVar[FaultClass] = FaultClass.HARD
    bound: ClassVar[float] = 10.0


class StatisticalFault(Fault):
    kind: ClassVar[FaultClass] = FaultClass.STATISTICAL
    bound: ClassVar[float] = 30.0


class TimedFault(Fault):
    kind: ClassVar[FaultClass] = FaultClass.TIMED


class QuietFault(Fault):
    kind: ClassVar[FaultClass] = FaultClass.QUIET
    bound: ClassVar[float] = 0.0
    also: ClassVar[tuple[str, ...]] = ()


class Broken(Fault):
    """A service of the lab that behaves otherwise; `changes` are those of `Lab.fault`."""

    service: ClassVar[str] = "v2"
    changes: ClassVar[Mapping[str, Any]]

    def inject(self, house: House) -> float:
        return house.lab.fault(self.service, **self.changes)

    def remove(self, house: House) -> None:
        house.lab.repair(self.service)


def to(**changes: Any) -> Mapping[str, Any]:
    """What a broken service's behaviour changes to: `to(error_rate=0.12)`."""
    return MappingProxyType(changes)


def evidence_of(signal: str) -> str:
    """The judge's evidence on a signal, as a share of what makes an alarm."""
    where = f'{{signal="{signal}"}}'
    by = "on (signal, user_segment)"
    return f"max({SIGNAL_LOG_EVIDENCE.name}{where} / {by} ({SIGNAL_THRESHOLD.name}{where} > 0))"
