"""The moves of the plan, and what each needs. Forward needs a reason to believe; back never needs anything.

| move | needs |
|---|---|
| start, the first step | fresh data of the baseline |
| promote, one step forward | the verdict *promote* of the present step |
| rollback, abort | nothing |
| pause, resume | nothing |

`force` with a reason replaces what is needed. It ends neither a pause nor an abort: those are a person's word.
A step that is set by its number is a move like any other: it is held to the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from bascule import times
from bascule.api.models.moves import WITHDRAWING, PlanMove
from bascule.api.models.verdict import VerdictAnswer
from bascule.conventions import EntryKind
from bascule.errors import StoreError, UsageError
from bascule.incidents import phases
from bascule.incidents.announce import Announce, Moved
from bascule.incidents.model import Entry, Pause, PhaseStep
from bascule.incidents.store import Store
from bascule.incidents.witness import Witness
from bascule.spec import Spec

KEEP_SECONDS = 1.0  # that the judge may take to say what it saw last; nobody who rolls back waits longer for it
FORCE = "or force it with a reason: --force --why REASON"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wish:
    """Who wants to move, why, and whether against the verdict."""

    who: str
    why: str
    force: bool = False


class Plan:
    """The plan as the journal has it, and every way to move it. Raises UsageError for a move that is refused.

    `clock`: Unix seconds; `announce`: tells people of a move that was made.
    """

    def __init__(
        self,
        spec: Spec,
        store: Store,
        witness: Witness,
        clock: Callable[[], float],
        announce: Announce = lambda moved: None,
    ) -> None:
        self._spec, self._store, self._witness, self._clock, self._announce = spec, store, witness, clock, announce
        self._asking = ThreadPoolExecutor(2, "comparison")

    # ---------------------------------------------------------------- the plan as it is

    @property
    def is_closed(self) -> bool:
        """Whether it was aborted, and not started again."""
        return self._store.phase().move == PlanMove.ABORT

    def move(self, move: PlanMove, wish: Wish) -> None:
        """Make a move."""
        seen = self._seen()
        at = self._now()
        match move:
            case PlanMove.PAUSE:
                self._store.pause(Pause(at, wish.who, wish.why))
            case PlanMove.RESUME:
                self._resume(at, wish)
            case PlanMove.ROLLBACK | PlanMove.ABORT:
                self._withdraw(self._step(at, 0, None, wish, move), seen)
            case PlanMove.START | PlanMove.PROMOTE:
                self._advance(self._next(at, move, wish), wish)
        self._tell(at, move, wish, seen)

    def set(self, number: int, share: float | None, wish: Wish) -> None:
        """Go to a step by its number."""
        seen = self._seen()
        at = self._now()
        wanted, present = self._step(at, number, share, wish), self._store.phase()
        if wanted.share == 0 < present.share:
            self._withdraw(wanted, seen)
        elif wanted.share > present.share or (wanted.share > 0 and wanted.number > present.number):
            self._advance(wanted, wish)
        else:
            phases.change(self._spec, self._store, replace(wanted, move=self._kept_move(wanted, present)))
        self._tell(at, f"step {number}", wish, seen)

    # ---------------------------------------------------------------- what a move rests on

    def _seen(self) -> str | None:
        """What the judge says of the present step, unless it takes too long: nobody who rolls back waits for it."""
        try:
            return self._asking.submit(self._witness.comparison, self._store.phase()).result(KEEP_SECONDS)
        except TimeoutError:
            log.warning("what the judge saw before the move is not known: it does not answer")
            return None

    def _tell(self, at: float, move: str, wish: Wish, seen: str | None) -> None:
        """Write down the verdict that the move was made on, and tell people; the move is done, whatever fails here."""
        verdict = _verdict(seen)
        try:
            self._store.add(Entry(self._now(), EntryKind.VERDICT, f"verdict at {move}: {verdict}", wish.who))
        except StoreError as error:
            log.warning("the verdict at the move was not kept: %s", error.what)
        self._announce(Moved(at, move, wish.who, wish.why, self._store.phase().share, verdict))

    def _now(self) -> float:
        return round(self._clock(), 3)

    def _step(self, at: float, number: int, share: float | None, wish: Wish, move: str = "set") -> PhaseStep:
        return replace(phases.wanted(self._spec, at, number, share, wish.who, wish.why), move=move)

    def _kept_move(self, wanted: PhaseStep, present: PhaseStep) -> str:
        """A plan that was closed is not opened by setting its step once more."""
        return present.move if wanted.share == present.share == 0 else wanted.move

    # ---------------------------------------------------------------- forward

    def _next(self, at: float, move: PlanMove, wish: Wish) -> PhaseStep:
        present, last = self._store.phase().number, len(self._spec.phases)
        if move is PlanMove.START and present > 0:
            raise UsageError(
                f"the plan has started: it is at step {present} of {last}", "use `bascule promote` for the next step"
            )
        if present >= last:
            raise UsageError(
                f"step {present} is the last one of the plan",
                "no action needed: all traffic is planned on the candidate",
            )
        return self._step(at, present + 1, None, wish, move)

    def _advance(self, wanted: PhaseStep, wish: Wish) -> None:
        present = self._store.phase()
        self._must_be_open(wanted)
        objection = self._objection(present, wanted)
        if objection and not wish.force:
            raise UsageError(f"not moved to step {wanted.number}: {objection}", f"wait until this has changed, {FORCE}")
        if objection:
            wanted = replace(wanted, why=f"forced although {objection}: {wish.why}")
        phases.change(self._spec, self._store, wanted, expected=present)

    def _must_be_open(self, wanted: PhaseStep) -> None:
        paused = self._store.paused()
        if paused is not None:
            raise UsageError(_said("the plan is paused", paused), "`bascule resume` ends the pause")
        present = self._store.phase()
        if self.is_closed and wanted.move != PlanMove.START:
            raise UsageError(_said("the plan was aborted", present), "`bascule start` starts it again")

    def _objection(self, present: PhaseStep, wanted: PhaseStep) -> str:
        """What speaks against going forward; nothing when all that is needed is there."""
        if present.share > 0:
            skipped = "one step at a time" if wanted.number > present.number + 1 else ""
            return skipped or self._witness.against_promotion(present)
        restarts = present.move in WITHDRAWING and wanted.number > 1
        skipped = "the plan begins again at its first step" if restarts else ""
        return skipped or self._witness.against_start()

    # ---------------------------------------------------------------- back

    def _withdraw(self, wanted: PhaseStep, seen: str | None) -> None:
        """Take all traffic from the candidate. What the judge sees is kept; once moved, it sees another step."""
        present = self._store.phase()
        if wanted.move == "set":
            wanted = replace(wanted, move=PlanMove.ROLLBACK)
        elif wanted.move == PlanMove.ROLLBACK and self.is_closed:
            wanted = replace(wanted, move=PlanMove.ABORT)  # only a new start opens it
        phases.change(self._spec, self._store, wanted)
        if seen is not None and present.share > 0:
            self._keep(wanted, seen)

    def _keep(self, step: PhaseStep, seen: str) -> None:
        """Whatever fails here, the traffic is back already."""
        try:
            self._store.keep_comparison(step.at, seen)
        except StoreError as error:
            log.warning("the last comparison before the rollback was not kept: %s", error.what)

    # ---------------------------------------------------------------- pause

    def _resume(self, at: float, wish: Wish) -> None:
        if self._store.paused() is None:
            raise UsageError("the plan is not paused", "no action needed")
        self._store.resume(at, wish.who, wish.why)


def _verdict(seen: str | None) -> str:
    if seen is None:
        return "none, because the judge gave no answer about this step"
    answer = VerdictAnswer.model_validate_json(seen)
    return f"{answer.verdict.words}: {' '.join(answer.reasons[:2])}".rstrip(": ")


def _said(what: str, done: Pause | PhaseStep) -> str:
    why = f": {done.why}" if done.why else ""
    return f"{what} since {times.dated(done.at)} by {done.who}{why}"
