"""The moves of the plan that are possible now: what each does, what it rests on, and the command that makes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bascule import figures
from bascule.api.models.moves import PlanMove
from bascule.console.views.plan import ShownPlan
from bascule.console.views.verdict import VerdictView
from bascule.conventions import Verdict
from bascule.spec import Spec

BACK = (PlanMove.ROLLBACK, PlanMove.ABORT)


@dataclass(frozen=True)
class Offer:
    """`against`: why a person has to insist; nothing when all that the move needs is there."""

    move: PlanMove
    title: str
    effect: str
    command: str
    against: str = ""
    is_advised: bool = False

    @property
    def is_back(self) -> bool:
        return self.move in BACK


def offers(spec: Spec, plan: ShownPlan, verdict: VerdictView) -> list[Offer]:
    """The advised one first. The way back is offered whenever it is not known that all traffic is back."""
    found = list(_offers(spec, plan, verdict))
    return sorted(found, key=lambda offer: not offer.is_advised)


def _offers(spec: Spec, plan: ShownPlan, verdict: VerdictView) -> Iterator[Offer]:
    baseline, candidate = (name.upper() for name in spec.versions.both)
    why = verdict.reasons[0] if verdict.reasons else ""
    if plan.number != 0:
        now = figures.share(plan.share)
        effect = f"{candidate}'s share goes from {now} to 0{figures.THIN}%; the plan restarts at its first step."
        yield Offer(
            PlanMove.ROLLBACK,
            f"Roll back to {baseline}",
            f"{effect} {_by(spec)}",
            spec.move_command(PlanMove.ROLLBACK, why),
            is_advised=verdict.verdict is Verdict.ROLL_BACK,
        )
    if plan.number is None:
        return
    yield from _forward(spec, plan, verdict, why)
    if plan.paused:
        effect = "Steps forward are possible again."
        yield Offer(PlanMove.RESUME, "Resume", effect, spec.move_command(PlanMove.RESUME, ""))
    else:
        effect = "The share stays as it is; no step forward until someone resumes the plan. Alerts still fire."
        yield Offer(PlanMove.PAUSE, "Pause", effect, spec.move_command(PlanMove.PAUSE, ""))
    if not plan.closed:
        back = f"{candidate}'s share goes to 0{figures.THIN}%" if plan.number else "The share stays at 0"
        effect = f"{back}, and the plan is closed: only a new start opens it. {_by(spec)}"
        yield Offer(PlanMove.ABORT, "Abort", effect, spec.move_command(PlanMove.ABORT, why))


def _forward(spec: Spec, plan: ShownPlan, verdict: VerdictView, why: str) -> Iterator[Offer]:
    if plan.number is None or plan.paused or plan.number >= len(spec.phases):
        return
    move = PlanMove.PROMOTE if plan.number else PlanMove.START
    if plan.closed and move is not PlanMove.START:
        return
    candidate, step = spec.versions.candidate.upper(), spec.phases[plan.number]
    share = figures.share(step.share)
    title = f"Promote to {share}" if plan.number else f"Start with {share}"
    hold = f", held for {figures.span(step.hold)}" if step.hold else ""
    effect = f"{candidate}'s share goes from {figures.share(plan.share)} to {share}{hold}. {_by(spec)}"
    is_meant = verdict.verdict is Verdict.PROMOTE
    against = "" if is_meant or move is PlanMove.START else f"the verdict is {verdict.word.lower()}, not promote"
    yield Offer(move, title, effect, spec.move_command(move, why if is_meant else ""), against, is_advised=is_meant)


def _by(spec: Spec) -> str:
    if spec.share_hook:
        return "The spec's share hook moves the traffic."
    return "The journal records it; move the traffic at the load balancer yourself: the spec has no share hook."
