"""What a move of the plan rests on: the judge's word about the present step, and Prometheus' about the baseline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from bascule import promql
from bascule.api import JudgeClient
from bascule.api.models.verdict import VerdictAnswer
from bascule.api.servers import prometheus_of
from bascule.conventions import Verdict
from bascule.errors import BasculeError
from bascule.incidents.model import PhaseStep
from bascule.spec import Spec
from bascule.spec.quantities import format_duration

ASK_SECONDS = 3.0
SAME_START_SECONDS = 0.002  # a step's start is written with milliseconds


class Witness(Protocol):
    """Each answer is a reason against the move in words, or nothing."""

    def against_promotion(self, present: PhaseStep) -> str:
        """Why the judge does not say promote of this very step."""

    def against_start(self) -> str:
        """Why nothing is known of the baseline."""

    def comparison(self, present: PhaseStep) -> str | None:
        """The judge's last answer about this step as JSON; None where there is none."""


class HouseWitness:
    """Asks the stack's judge and Prometheus, each within ASK_SECONDS. `clock`: Unix seconds."""

    def __init__(self, spec: Spec, clock: Callable[[], float] = time.time) -> None:
        self._spec, self._clock = spec, clock
        self._judge = JudgeClient(spec, seconds=ASK_SECONDS)
        self._prometheus = prometheus_of(spec, ASK_SECONDS)

    def close(self) -> None:
        self._judge.close()
        self._prometheus.close()

    def against_promotion(self, present: PhaseStep) -> str:
        try:
            answer = self._judge.verdict()
        except BasculeError as error:
            return f"there is no verdict ({error.what})"
        if not _is_about(answer, present):
            return f"there is no verdict of step {present.number} yet"
        age = self._clock() - answer.tick.timestamp() if answer.tick else None
        if age is None or age > self._oldest:
            return "there is no verdict yet" if age is None else f"the last verdict is {age:.0f} s old"
        if answer.verdict is Verdict.PROMOTE:
            return ""
        return f"the verdict is {answer.verdict.value.replace('_', ' ')} ({_first(answer)})"

    def against_start(self) -> str:
        baseline = self._spec.versions.baseline
        series = promql.traffic(self._spec).where(*self._spec.versions.matchers(baseline))
        try:
            seen = self._prometheus.scalar(f"count(last_over_time({series.over(format_duration(self._oldest))}))")
        except BasculeError as error:
            return f"there is no data of {baseline} ({error.what})"
        return "" if isinstance(seen, float) and seen > 0 else f"there is no data of {baseline}"

    def comparison(self, present: PhaseStep) -> str | None:
        try:
            answer = self._judge.verdict()
        except BasculeError:
            return None
        return answer.model_dump_json(exclude_unset=True) if _is_about(answer, present) else None

    @property
    def _oldest(self) -> float:
        """Seconds after which an evaluation, or a sample, says nothing about the present."""
        return max(5.0, 3 * self._spec.judge.tick, 3 * self._spec.stack.scrape.interval)


def _is_about(answer: VerdictAnswer, step: PhaseStep) -> bool:
    judged = answer.phase
    if judged is None or judged.started is None or judged.number != step.number:
        return False
    return abs(judged.started.timestamp() - step.at) <= SAME_START_SECONDS


def _first(answer: VerdictAnswer) -> str:
    return answer.reasons[0].rstrip(".") if answer.reasons else "without a reason"
