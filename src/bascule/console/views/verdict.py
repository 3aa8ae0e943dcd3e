"""The verdict in words, and what cannot be known at present."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bascule import figures, times
from bascule.api.models.verdict import VerdictAnswer
from bascule.console.sources import Source, SourceReading
from bascule.console.views.services import ServiceRow
from bascule.conventions import State, Verdict
from bascule.spec import Spec
from bascule.states import MEANINGS, Cause

WORDS = {
    Verdict.PROMOTE: "Promote",
    Verdict.HOLD: "Hold",
    Verdict.ROLL_BACK: "Roll back",
    Verdict.NO_DATA: "No data",
}
TITLES = {
    "judge": "the judge",
    "incidents": "the incident journal",
    "prometheus": "Prometheus",
    "services": "Prometheus' targets",
    "logs": "the logs",
}
WITHOUT = {
    "judge": "there is no verdict and no evidence until it answers again",
    "incidents": "alerts, timeline and phase may have changed since",
    "prometheus": "traffic and charts do not change; alerts that Prometheus raises cannot fire",
    "services": "whether the services answer is not known",
    "logs": "figures from the logs do not change",
}
MOST_DOWN = 2  # services that are down, each with a notice of its own


@dataclass(frozen=True)
class VerdictView:
    """`then` is what was said last, when that is too old to be repeated as the present; `command` does the advice."""

    verdict: Verdict
    word: str
    since: datetime | None
    reasons: list[str]
    advice: str
    said: datetime | None
    then: str = ""
    command: str = ""
    cause: Cause | None = None  # of no data


@dataclass(frozen=True)
class PageNotice:
    """Something the reader must know before believing the rest. `key` stays the same while it lasts."""

    key: str
    title: str
    text: str
    age: str = ""
    items: tuple[str, ...] = ()  # each with its reason, for who opens the notice


def verdict_view(spec: Spec, reading: SourceReading[VerdictAnswer], phase: int | None, now: float) -> VerdictView:
    """`phase`: the plan's present step, None when it is not known."""
    opinion = reading.fresh(now)
    if opinion is None and reading.value and reading.answers(now) and reading.value.verdict is Verdict.NO_DATA:
        opinion = reading.value  # it cannot look, and says why
    if opinion is None:
        return _silent(reading, now)
    said = None if reading.at is None else times.moment(reading.at)
    return VerdictView(
        opinion.verdict,
        WORDS[opinion.verdict],
        opinion.since,
        opinion.reasons,
        advice=_advice(spec, opinion, phase),
        said=said,
        command=_command(spec, opinion, phase),
        cause=opinion.cause,
    )


def _silent(reading: SourceReading[VerdictAnswer], now: float) -> VerdictView:
    """No fresh opinion is no verdict, whatever the last one was."""
    advice = "Do not promote. See below which part is down, and start it again."
    if reading.value is None or reading.at is None:
        reason = reading.error or "No verdict yet."
        away = Cause.SERVER_AWAY
        return VerdictView(Verdict.NO_DATA, WORDS[Verdict.NO_DATA], None, [reason], advice, None, cause=away)
    since = times.moment(reading.at)
    silence = "The judge answers, but has made no evaluation since."
    why = silence if reading.answers(now) else "The judge does not answer."
    reasons = [why] + [reading.error] * bool(reading.error)
    then, cause = WORDS[reading.value.verdict], Cause.STALE if reading.answers(now) else Cause.SERVER_AWAY
    return VerdictView(Verdict.NO_DATA, WORDS[Verdict.NO_DATA], since, reasons, advice, since, then, cause=cause)


def _advice(spec: Spec, opinion: VerdictAnswer, phase: int | None) -> str:
    """What the person on call does next."""
    baseline, candidate = (name.upper() for name in spec.versions.both)
    match opinion.verdict:
        case Verdict.ROLL_BACK if phase == 0:
            return f"Rolled back to {baseline}. Confirm below that traffic has moved, then fix {candidate}."
        case Verdict.ROLL_BACK:
            return f"Send all traffic back to {baseline} now{_by_hand(spec)}. Then check what is marked bad below."
        case Verdict.PROMOTE if phase is not None and phase >= len(spec.phases):
            return f"Every gate of the last phase passes. {baseline} can be retired."
        case Verdict.PROMOTE:
            share = "the plan's next share" if phase is None else figures.share(spec.phases[phase].share)
            return f"Every gate passes. {candidate} may go to {share}{_by_hand(spec)}."
        case Verdict.HOLD:
            return _staying(spec, opinion, phase)
        case _:
            fix = MEANINGS[opinion.cause].fix if opinion.cause else "See below what has no data."
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
    """What to paste into a shell; nothing in it is left to fill in."""
    why = opinion.reasons[0] if opinion.reasons else ""
    match opinion.verdict:
        case Verdict.ROLL_BACK if phase != 0:
            return spec.move_command("rollback", why)
        case Verdict.PROMOTE if phase is not None and phase < len(spec.phases):
            return spec.move_command("promote" if phase else "start", why)
        case _:
            return ""


def notices(sources: Sequence[Source[Any]], services: Sequence[ServiceRow], now: float) -> list[PageNotice]:
    """What is silent or down, most severe first."""
    silent = [_notice(source, now) for source in sources if not source.reading.is_fresh(now)]
    prometheus_is_silent = any(notice.key == "prometheus" for notice in silent)
    if prometheus_is_silent:
        silent = [notice for notice in silent if notice.key != "services"]
    return [*_down([row for row in services if row.state is State.BAD]), *silent]


def _down(rows: Sequence[ServiceRow]) -> list[PageNotice]:
    """A notice for each service that is down; one for all where they are many, which no wall could show."""
    if len(rows) > MOST_DOWN:
        return [PageNotice("down-many", f"{len(rows)} services are down", ", ".join(row.name for row in rows))]
    return [PageNotice(f"down-{row.name}", f"{row.name} is down", row.detail, row.age) for row in rows]


def _notice(source: Source[Any], now: float) -> PageNotice:
    reading = source.reading
    age = reading.age(now)
    title = f"No data from {TITLES[source.name]}"
    text = WITHOUT[source.name] + (f". {reading.error}" if reading.error else "")
    return PageNotice(source.name, title, text, "" if age is None else f"for {figures.span(age)}")
