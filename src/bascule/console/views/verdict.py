"""The verdict in words, and what cannot be known at present."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bascule import figures, times
from bascule.api.models.verdict import VerdictAnswer
from bascule.api.next_step import next_step
from bascule.console.sources import Source, SourceReading
from bascule.console.views.services import ServiceRow
from bascule.conventions import State, Verdict
from bascule.spec import Spec
from bascule.states import Cause

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
    step = next_step(spec, opinion, phase)
    return VerdictView(
        opinion.verdict,
        WORDS[opinion.verdict],
        opinion.since,
        opinion.reasons,
        advice=step.text,
        said=said,
        command=step.command,
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
