"""The journal's present step of the plan: an evaluation of any other step is no verdict.

It is asked again for each answer. The order decides: first comes the evaluation, then the journal is asked, so that
what is answered was about the step that was present when it was asked.
"""

from __future__ import annotations

import time

from bascule.api import IncidentsClient
from bascule.api.models.moves import PlanAnswer
from bascule.conventions import Verdict
from bascule.errors import BasculeError
from bascule.judge.sampling.plan import PlanStep, begun
from bascule.judge.service.opinion import Opinion
from bascule.judge.texts import clock_text
from bascule.spec import Spec
from bascule.states import Cause, Missing

ASK_SECONDS = 2.0
PLAN_SECONDS = 0.5  # how long an evaluation waits for the journal
PAUSE_SECONDS = 10.0  # for which it is not asked again, after that was in vain
MOST_REASONS = 5
SAME_SECONDS = 0.002  # both tell when a step began to the millisecond


class PresentStep:
    """Asks the journal. The client is shared: it may be used by several threads."""

    def __init__(self, spec: Spec, client: IncidentsClient | None = None) -> None:
        self._spec = spec
        self._client = client or IncidentsClient(spec, seconds=ASK_SECONDS)
        self._quick = client or IncidentsClient(spec, seconds=PLAN_SECONDS)
        self._silent_until = 0.0

    def close(self) -> None:
        self._client.close()
        self._quick.close()

    def plan(self) -> PlanStep | None:
        """The present step; None where the journal does not tell it at once."""
        if time.monotonic() < self._silent_until:
            return None
        try:
            present = self._quick.phase()
        except BasculeError:
            self._silent_until = time.monotonic() + PAUSE_SECONDS
            return None
        return PlanStep(present.number, begun(present.started.timestamp()), self._spec.planned_shares(present.share))

    def told(self, opinion: Opinion) -> Opinion:
        """What may be said: no data of any other step; what a rollback, an abort or a pause means for the verdict."""
        outcome = opinion.outcome
        if outcome is None:
            return opinion
        try:
            plan = self._client.phase()
        except BasculeError as error:
            return opinion.without_data(_unknown(error, outcome.plan.number, outcome.plan.started))
        missing = _of_other(plan, outcome.plan.number, outcome.plan.started)
        return opinion.without_data(missing) if missing else self._with_plan(opinion, plan)

    def after_withdrawal(self, opinion: Opinion) -> Opinion:
        """What a rollback or an abort means for the verdict, where there is a journal that tells of one."""
        if time.monotonic() < self._silent_until:
            return opinion
        try:
            plan = self._quick.phase()
        except BasculeError:
            return opinion
        return self._with_plan(opinion, plan) if plan.is_withdrawn else opinion

    def _with_plan(self, opinion: Opinion, plan: PlanAnswer) -> Opinion:
        if opinion.outcome is None or opinion.verdict not in (Verdict.HOLD, Verdict.PROMOTE):
            return opinion
        reasons = opinion.outcome.judgement.reasons
        if plan.is_withdrawn:
            reasons = (_withdrawn_text(plan), *self._next(), *self._compared(plan.why))
        if plan.paused is not None:
            paused = plan.paused
            text = f"Paused since {clock_text(paused.at.timestamp())} by {paused.who}{_because(paused.why)}"
            reasons = (f"{text}. `bascule resume` ends the pause.", *reasons)
        is_held = plan.is_withdrawn or plan.paused is not None
        return opinion.saying(Verdict.HOLD, reasons) if is_held else opinion

    def _next(self) -> tuple[str, ...]:
        baseline, candidate = self._spec.versions.both
        return (f"All traffic is planned on {baseline}. Fix {candidate}, then start the plan again: `bascule start`.",)

    def _compared(self, why: str) -> tuple[str, ...]:
        """What was compared last before the candidate's traffic was taken back, with its date; not what `why` says."""
        try:
            kept = self._client.comparison()
        except BasculeError as error:
            return (f"The last comparison is not known: {error.what}.",)
        if kept.verdict is None:
            return ("No comparison was stored: the judge did not answer during the rollback.",)
        at = kept.verdict.tick or kept.at
        then = f"At {clock_text(at.timestamp())}" if at else "Before"
        said = f"{then} the verdict was {kept.verdict.verdict.words}:"
        return tuple(f"{said} {reason}" for reason in kept.verdict.reasons[:MOST_REASONS] if reason not in why)


def _unknown(error: BasculeError, number: int, started: float) -> Missing:
    last = f"The last known step is {_step_text(number, started)}."
    return Missing(Cause.SERVER_AWAY, f"The plan's current step is not known: {error.what}. {last}")


def _of_other(present: PlanAnswer, number: int, started: float) -> Missing | None:
    if present.number == number and abs(present.started.timestamp() - started) < SAME_SECONDS:
        return None
    return Missing(Cause.OTHER_STEP, _other_text(present, number, started))


def _withdrawn_text(plan: PlanAnswer) -> str:
    done = "Aborted" if plan.closed else "Rolled back"
    return f"{done} at {clock_text(plan.started.timestamp())} by {plan.who}{_because(plan.why)}."


def _because(why: str) -> str:
    return f": {why.rstrip('.')}" if why else ""


def _other_text(present: PlanAnswer, number: int, started: float) -> str:
    now = _step_text(present.number, present.started.timestamp())
    return f"The last evaluation is about {_step_text(number, started)}; the plan's current step is {now}."


def _step_text(number: int, started: float) -> str:
    return f"phase {number} (since {clock_text(started)})"
