"""What a drill's fault is: what is broken and restored, what must be found, and how soon."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar

from bascule.api.models.journal import IncidentAnswer
from bascule.conventions import NO_DATA_CAUSE, SHARE_OFF_PLAN, SIGNAL_LOG_EVIDENCE, SIGNAL_THRESHOLD, Recorded
from bascule.scenarios.drills.information import Shift
from bascule.scenarios.house import House
from bascule.scenarios.site import SitePart

# What many errors do truly, also minutes after they ended: budgets are used up, targets of a segment or partner missed.
BUDGETS = ("SlaBreached", "SlaAtRisk", "SlaBudgetBurn", "PartnerErrorsHigh", "SegmentErrorsHigh")
HARM = (*BUDGETS, "RollbackTriggered")
ERRORS_HARM = (*HARM, "V2ErrorSpike", "CandidateWorse", "UnsuccessfulAnswersHigher")


def share_of(part: str, whole: str) -> str:
    """What of one counter another is, within the last seconds."""
    return f"sum(rate({part}[5s])) / sum(rate({whole}[5s]))"


class FaultClass(StrEnum):
    """`hard`: delivered within 10 s at the median, 20 s at worst. `statistical`: within 30 s, or what the traffic
    allows. `timed`: a rule's own `for` and 15 s. `quiet`: no alarm at all."""

    HARD = "hard"
    STATISTICAL = "statistical"
    TIMED = "timed"
    QUIET = "quiet"


class HousePart(StrEnum):
    """What a fault breaks, or needs to be as it is. Faults of different parts are drilled at the same time."""

    VERSION = "version"  # how V2 answers
    TRAFFIC = "traffic"  # that V2 gets its half of it
    SHARE = "share"  # the planned one, and the one that is served
    REDIS = "redis"
    LOGS = "logs"
    DISK = "disk"
    CERTIFICATE = "certificate"
    PARTNER = "partner"


class Declared:
    """What a fault is declared to be, beforehand. `key`: its name on the command line. Times in seconds.

    expects: any of these alerts finds it (without any: whatever calls people).
    also: alerts that truly follow from it.
    signal: an expression of what it changes, as users or services meet it.
    evidence: an expression whose rise is the first sign of it in Prometheus.
    shift: what it does to the share of a signal, from which the information bound follows.
    lasts: how long a quiet one stays. tells: what it may tell people.
    stays: its alert rightly outlasts it by an hour, and its end is not waited for.
    needs: what is started for it beside the lab.
    pause: seconds between two looks at what came of it.
    breaks: the parts that it concerns; none: the whole house, and no other fault is in beside it.
    needs_history: it is found the sooner the longer the house has watched, and tried after the others.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    kind: ClassVar[FaultClass]
    bound: ClassVar[float]
    expects: ClassVar[tuple[str, ...]] = ()
    also: ClassVar[tuple[str, ...]] = BUDGETS
    signal: ClassVar[str] = ""
    evidence: ClassVar[str] = ""
    shift: ClassVar[Shift | None] = None
    lasts: ClassVar[float] = 45.0
    pause: ClassVar[float] = 0.1
    stays: ClassVar[bool] = False
    needs: ClassVar[tuple[SitePart, ...]] = ()
    tells: ClassVar[tuple[str, ...]] = ()
    breaks: ClassVar[frozenset[HousePart]] = frozenset()
    needs_history: ClassVar[bool] = False

    @property
    def unable(self) -> str:
        """Why it cannot be made on this machine; empty where it can."""
        return ""

    def is_found_by(self, alert: str) -> bool:
        return alert in self.expects or (not self.expects and self.kind is not FaultClass.QUIET)

    def may_cause(self, incident: IncidentAnswer) -> bool:
        """Whether it can have set the incident off. All that a house of its own has, by what was broken there."""
        return True

    def excludes(self, other: Declared) -> bool:
        """Whether the two must not be in at the same time."""
        return not self.breaks or not other.breaks or not self.breaks.isdisjoint(other.breaks)


class Fault(Declared, ABC):
    """One fault of the lab: a class in a file of `scenarios/faults`."""

    signal: ClassVar[str] = 'sum(rate(http_requests_total{version="v2"}[5s]))'

    def awaits(self, house: House) -> str:
        """What the house has to know before the drill begins; empty once it does."""
        return ""

    @abstractmethod
    def inject(self, house: House) -> float:
        """Break it; the moment (Unix seconds) from which it is broken."""

    def leaves(self, house: House) -> Sequence[str]:
        """Commands that take out what would outlive a drill that is killed."""
        return ()

    @abstractmethod
    def remove(self, house: House) -> None:
        """Put it right again; also where it was broken by half."""


class HardFault(Fault):
    kind: ClassVar[FaultClass] = FaultClass.HARD
    bound: ClassVar[float] = 10.0


class StatisticalFault(Fault):
    kind: ClassVar[FaultClass] = FaultClass.STATISTICAL
    bound: ClassVar[float] = 30.0
    needs_history: ClassVar[bool] = True


class TimedFault(Fault):
    """Several of them are in at the same time, for minutes: they leave the machine to the house."""

    kind: ClassVar[FaultClass] = FaultClass.TIMED
    pause: ClassVar[float] = 1.0


class RuleFault(TimedFault):
    """Found by a rule that holds for five minutes."""

    bound: ClassVar[float] = 300.0 + 15.0 + 60.0


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


ERRORS = share_of('http_requests_total{version="v2",status=~"5.."}', 'http_requests_total{version="v2"}')
LATENCY = share_of(*(f'http_request_duration_seconds_{part}{{version="v2"}}' for part in ("sum", "count")))
MATCHES = 'supersmartmatch_matches_total{version="v2"}'
ACCURACY = share_of('supersmartmatch_matches_total{version="v2",success="True"}', MATCHES)

# What several faults are first seen by.
SERVICE_DOWN = f"max(1 - {Recorded.SERVICE_UP})"
SILENT = f'max({NO_DATA_CAUSE.name}{{cause="silent"}})'
OFF_PLAN = f"max({SHARE_OFF_PLAN.name})"


def to(**changes: Any) -> Mapping[str, Any]:
    """What a broken service's behaviour changes to: `to(error_rate=0.12)`."""
    return MappingProxyType(changes)


def evidence_of(signal: str) -> str:
    """The judge's evidence on a signal, as a share of what makes an alarm."""
    where = f'{{signal="{signal}"}}'
    by = "on (signal, user_segment)"
    return f"max({SIGNAL_LOG_EVIDENCE.name}{where} / {by} ({SIGNAL_THRESHOLD.name}{where} > 0))"
