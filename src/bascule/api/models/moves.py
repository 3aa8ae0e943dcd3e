"""The moves of the plan, and the plan as the journal answers it. Times are Unix seconds in JSON."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from bascule.api.models.fields import Answer, Prose, Request, Text, UnixTime, Who
from bascule.api.models.journal import PhaseAnswer
from bascule.api.models.verdict import VerdictAnswer


class PlanMove(StrEnum):
    """What a person or a pipeline does to the plan."""

    START = "start"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"


WITHDRAWING = (PlanMove.ROLLBACK, PlanMove.ABORT)  # what takes all traffic from the candidate


class Forceable(Request):
    """`force` moves forward against the verdict; it needs a reason."""

    who: Who
    why: Prose = ""
    force: bool = False

    @model_validator(mode="after")
    def _has_reason(self) -> Self:
        if self.force and not self.why:
            raise ValueError("'force' needs a reason in 'why'")
        return self


class MoveRequest(Forceable):
    """A move of the plan by one step."""


class PhaseChange(Forceable):
    """A step of the plan, 0 for before the first; the share is the phase's own when left out."""

    number: int = Field(ge=0, le=1000)
    share: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)


class PauseAnswer(Answer):
    """Since when the plan is paused, and by whom."""

    at: UnixTime
    who: Text = ""
    why: Text = ""


class PlanAnswer(PhaseAnswer):
    """The plan's present step and how it came about.

    `move`: the move that led here, `set` for a step that was set by its number; `paused`: None while it is not;
    `closed`: after an abort, until a new start.
    """

    move: Text = ""
    paused: PauseAnswer | None = None
    closed: bool = False

    @property
    def is_withdrawn(self) -> bool:
        """Whether the candidate had traffic, and all of it was taken back."""
        return self.move in WITHDRAWING


class KeptComparison(Answer):
    """What the judge said last before the candidate's traffic was taken back; None where nobody could say."""

    at: UnixTime | None = None
    verdict: VerdictAnswer | None = None
