"""What a person does next on a verdict, in a sentence and as a command: for the page and the command line alike."""

from __future__ import annotations

from dataclasses import dataclass

from bascule import figures
from bascule.api.models.verdict import VerdictAnswer
from bascule.conventions import State, Verdict
from bascule.spec import Spec
from bascule.states import MEANINGS


@dataclass(frozen=True)
class NextStep:
    """`command`: what to paste into a shell, with nothing left to fill in; empty where there is nothing to run."""

    text: str
    command: str = ""


def next_step(spec: Spec, opinion: VerdictAnswer, phase: int | None) -> NextStep:
    """Whether it is safe to go on, and how. `phase`: the plan's present step, None when it is not known."""
    return NextStep(_text(spec, opinion, phase), _command(spec, opinion, phase))


def _text(spec: Spec, opinion: VerdictAnswer, phase: int | None) -> str:
    baseline, candidate = (name.upper() for name in spec.versions.both)
    match opinion.verdict:
        case Verdict.ROLL_BACK if phase == 0:
            return f"Rolled back to {baseline}. Confirm that the traffic has moved, then fix {candidate}."
        case Verdict.ROLL_BACK:
            return f"Send all traffic back to {baseline} now{_by_hand(spec)}. Then check the comparisons that are bad."
        case Verdict.PROMOTE if phase is not None and phase >= len(spec.phases):
            return f"Every gate of the last phase passes. {baseline} can be retired."
        case Verdict.PROMOTE:
            share = "the plan's next share" if phase is None else figures.share(spec.phases[phase].share)
            return f"Every gate passes. {candidate} may go to {share}{_by_hand(spec)}."
        case Verdict.HOLD:
            return _staying(spec, opinion, phase)
        case _:
            fix = MEANINGS[opinion.cause].fix if opinion.cause else "Find out what has no data."
            return f"Do not promote. {fix}"


def _staying(spec: Spec, opinion: VerdictAnswer, phase: int | None) -> str:
    """Whether it is safe to go on, which is what people ask while the verdict is hold."""
    baseline, candidate = (name.upper() for name in spec.versions.both)
    if phase == 0:
        first = figures.share(spec.phases[0].share) if spec.phases else "the first step"
        return f"All traffic is planned on {baseline}. Start with {first} when {candidate} is ready."
    if phase is None or phase >= len(spec.phases):
        return "Hold. No action needed unless the verdict changes."
    share, following = (figures.share(spec.phases[at].share) for at in (phase - 1, phase))
    return f"Stay at {share}; it is not yet safe to go to {following}.{_gates_passed(opinion)}"


def _gates_passed(opinion: VerdictAnswer) -> str:
    states = [gate.state for gate in opinion.gates]
    if not states:
        return ""
    failing = f", {states.count(State.BAD)} fail" if State.BAD in states else ""
    undecided = f", {states.count(State.NO_DATA)} not yet known" if State.NO_DATA in states else ""
    return f" Of {len(states)} gates {states.count(State.OK)} pass{failing}{undecided}."


def _by_hand(spec: Spec) -> str:
    """Without a hook the journal only keeps what was decided: somebody moves the traffic."""
    return "" if spec.share_hook else ", at the load balancer, and record it"


def _command(spec: Spec, opinion: VerdictAnswer, phase: int | None) -> str:
    why = opinion.reasons[0] if opinion.reasons else ""
    match opinion.verdict:
        case Verdict.ROLL_BACK if phase != 0:
            return spec.move_command("rollback", why)
        case Verdict.PROMOTE if phase is not None and phase < len(spec.phases):
            return spec.move_command("promote" if phase else "start", why)
        case _:
            return ""
