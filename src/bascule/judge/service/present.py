"""The journal's present step of the plan: an evaluation of any other step is no verdict.

It is asked anew for each answer. The order decides: first comes the evaluation, then the journal is asked, so that
what is answered was about the step that was present when it was asked.
"""

from __future__ import annotations

from bascule.api import IncidentsClient
from bascule.api.models.journal import PhaseAnswer
from bascule.errors import BasculeError
from bascule.judge.service.outcome import JudgeOutcome
from bascule.judge.texts import clock_text
from bascule.spec import Spec
from bascule.states import Cause, Missing

ASK_SECONDS = 2.0
SAME_SECONDS = 0.002  # both tell when a step began to the millisecond


class PresentStep:
    """Asks the journal. The client is shared: it may be used by several threads."""

    def __init__(self, spec: Spec, client: IncidentsClient | None = None) -> None:
        self._client = client or IncidentsClient(spec, seconds=ASK_SECONDS)

    def close(self) -> None:
        self._client.close()

    def missing(self, number: int, started: float) -> Missing | None:
        """Why an evaluation of the step of this number, begun then (Unix seconds), is no verdict; None where it is."""
        try:
            present = self._client.phase()
        except BasculeError as error:
            last = f"The last known step is {_step_text(number, started)}."
            return Missing(Cause.SERVER_AWAY, f"The plan's present step is not known: {error.what}. {last}")
        begun = present.started.timestamp()
        if present.number == number and abs(begun - started) < SAME_SECONDS:
            return None
        return Missing(Cause.OTHER_STEP, _other_text(present, number, started))

    def missing_of(self, outcome: JudgeOutcome | None) -> Missing | None:
        """The same, of an evaluation; where there is none, there is no verdict anyway."""
        return self.missing(outcome.plan.number, outcome.plan.started) if outcome is not None else None


def _other_text(present: PhaseAnswer, number: int, started: float) -> str:
    now = _step_text(present.number, present.started.timestamp())
    return f"The last evaluation is about {_step_text(number, started)}; the plan's present step is {now}."


def _step_text(number: int, started: float) -> str:
    return f"phase {number} (since {clock_text(started)})"
