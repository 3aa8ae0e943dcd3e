"""A move of the plan is told to the first of every escalation: who, why, and on which verdict. It pages nobody."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bascule import times
from bascule.api.models.moves import PlanMove
from bascule.delivery import DAY_SECONDS, Courier, Message
from bascule.errors import BasculeError
from bascule.incidents.store import Store
from bascule.spec import Spec

_WORDS: dict[str, str] = {
    PlanMove.START: "STARTED",
    PlanMove.PROMOTE: "PROMOTED",
    PlanMove.ROLLBACK: "ROLLED BACK",
    PlanMove.PAUSE: "PAUSED",
    PlanMove.RESUME: "RESUMED",
    PlanMove.ABORT: "ABORTED",
}
_UNPLANNED = "SHARE SET"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Moved:
    """A move that was made. `at`: Unix seconds; `move`: a PlanMove, or other words for a step set by its number;
    `share`: what the candidate gets now; `verdict`: what the move was made on, empty where that is not known."""

    at: float
    move: str
    who: str
    why: str
    share: float
    verdict: str = ""


Announce = Callable[[Moved], None]


@dataclass(frozen=True)
class Announcer:
    """Owes a move to people; once each, however often it is told."""

    spec: Spec
    store: Store
    courier: Courier

    def __call__(self, moved: Moved) -> None:
        """Whatever fails here, the move is made already."""
        for receiver in self.spec.notify.first_told:
            try:
                self.courier.owe(receiver, self._message(moved))
            except BasculeError as error:
                log.error("%s is not told of %r: %s", receiver, moved.move, error.what)

    def resume(self, now: float) -> None:
        """Tell of the last moves, of which a process that ended may have told nobody. `now`: Unix seconds."""
        for moved in self._last():
            if now - moved.at < DAY_SECONDS:
                self(moved)

    def _last(self) -> Iterator[Moved]:
        *_, step = steps = self.store.phases()
        pause = self.store.paused()
        if len(steps) > 1:  # the first one is the journal's own
            yield Moved(step.at, step.move, step.who, step.why, step.share)
        if pause is not None:
            yield Moved(pause.at, PlanMove.PAUSE, pause.who, pause.why, step.share)

    def _message(self, moved: Moved) -> Message:
        done = _WORDS.get(moved.move, _UNPLANNED)
        gets = f"{self.spec.versions.candidate} gets {moved.share:.0%}"
        return Message(
            key=f"{self.spec.metadata.name}-{self.store.identity}-move-{moved.at:.3f}",
            subject=" ".join(f"[{self.spec.title}] {done} by {moved.who}: {gets}".split()),
            text="\n".join(self._lines(moved)),
        )

    def _lines(self, moved: Moved) -> Iterator[str]:
        yield f"{moved.move} by {moved.who} at {times.dated(moved.at)}"
        if moved.why:
            yield f"reason: {moved.why}"
        if moved.verdict:
            yield f"verdict at that moment: {moved.verdict}"
        if moved.share > 0:
            yield f"to roll back: {self.spec.rollback_command}"
        yield f"console: {self.spec.stack.page('console')}"
