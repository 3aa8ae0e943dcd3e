"""What several faults have in common: what they break, and what finds them."""

from __future__ import annotations

import os
import signal
from typing import ClassVar

from bascule.scenarios.drills.fault import (
    ACCURACY,
    ERRORS,
    ERRORS_HARM,
    HARM,
    LATENCY,
    Broken,
    Fault,
    evidence_of,
)
from bascule.scenarios.house import House


class Failing(Broken):
    """The service fails requests."""

    expects: ClassVar[tuple[str, ...]] = ("CandidateWorse", "V2ErrorSpike")
    also: ClassVar[tuple[str, ...]] = ERRORS_HARM
    signal: ClassVar[str] = ERRORS
    evidence: ClassVar[str] = evidence_of("errors")


class FailingRarely(Failing):
    """The service failed few requests before, of which the judge knows that they do not come in bursts."""

    needs_history: ClassVar[bool] = True

    def awaits(self, house: House) -> str:
        """A service that has served for a while has shown some errors."""
        return "V1's first errors, by which the judge learns of bursts" if house.is_learning("errors") else ""


class Slower(Broken):
    """The service takes longer."""

    expects: ClassVar[tuple[str, ...]] = ("CandidateWorse",)
    also: ClassVar[tuple[str, ...]] = (*HARM, "ResponseTimeHigh")  # it looks five minutes back, and ends as much later
    signal: ClassVar[str] = LATENCY
    evidence: ClassVar[str] = evidence_of("latency")


class Inaccurate(Broken):
    """The service answers, and its matches are worse."""

    expects: ClassVar[tuple[str, ...]] = ("CandidateWorse",)
    also: ClassVar[tuple[str, ...]] = HARM
    signal: ClassVar[str] = ACCURACY
    evidence: ClassVar[str] = evidence_of("accuracy")


class PartHangs(Fault):
    """A part of the stack is stopped by a signal; `bascule up` ends and starts it again after half a minute."""

    part: ClassVar[str]

    def __init__(self) -> None:
        self._stopped: int | None = None

    def hang(self, house: House) -> None:
        self._stopped = house.pid_of(self.part)
        os.kill(self._stopped, signal.SIGSTOP)

    def remove(self, house: House) -> None:
        """Let it go on, where it is the same process still."""
        if self._stopped is not None and self._stopped == house.pid_of(self.part):
            os.kill(self._stopped, signal.SIGCONT)
        self._stopped = None
