"""The one table of states: what each cause of *no data* means for verdict, exit codes, colour and people.

A figure, alarm, gate, verdict or part of a report is `ok`, `bad`, `no data` or `not applicable`, nothing else. *No
data* always carries a cause; docs/no-data.md prints this table, and a test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bascule.conventions import GATE_EXIT_CODES, State, Verdict

SLA_NO_DATA_EXIT_CODE = 4
COLOURS = {State.OK: "green", State.BAD: "red", State.NO_DATA: "grey", State.NOT_APPLICABLE: "none"}


class Cause(StrEnum):
    """Why there is no data, the most telling first: of several causes at once, the first is the one that is said."""

    SERVER_AWAY = "server away"
    NOT_STORED = "not stored"
    CLOCK = "clock"
    OTHER_STEP = "other phase"
    SCRAPE_FAILING = "scrape failing"
    PROBE_FAILING = "probe failing"
    SILENT = "silent"
    LOST = "target lost"
    STALE = "stale"
    MAINTENANCE = "planned maintenance"
    UNMONITORED = "not monitored"
    NO_SERIES = "no series"
    UNPROVEN = "unproven"
    UNIT = "unit missing"
    BUCKET = "bucket missing"
    SCATTER = "scatter unknown"
    WINDOW = "window too short"
    CONTRADICTION = "contradiction"
    IMPOSSIBLE_VALUES = "impossible values"
    NO_BASELINE = "no baseline"
    NO_TRAFFIC = "no traffic"
    TOO_FEW = "too few events"


def no_data(cause: Cause | None, language: str = "en", said: str = "") -> str:
    """`no data: silent`, as every page and command says it; None: of an answer that names no cause. `said`: for it."""
    if language == "fr":
        return f"{said or 'sans données'} : {MEANINGS[cause].french if cause else 'cause inconnue'}"
    return f"{said or 'no data'}: {cause or 'cause unknown'}"


class Caused:
    """A dataclass with a state; ValueError unless there is a cause where there is no data, and only there."""

    state: State
    cause: Cause | None

    def __post_init__(self) -> None:
        if (self.state is State.NO_DATA) != (self.cause is not None):
            raise ValueError(
                f"{self.state.value} with the cause {self.cause}: no data has a cause, and nothing else has one"
            )


@dataclass(frozen=True)
class Meaning:
    """What a cause means to people: its name in French, the sentence that explains it, the next step, whether it
    calls somebody."""

    french: str
    sentence: str
    fix: str
    pages: bool = False

    @property
    def verdict(self) -> Verdict:
        """No cause of no data leads to any other verdict."""
        return Verdict.NO_DATA

    @property
    def gate_exit_code(self) -> int:
        return GATE_EXIT_CODES[self.verdict]


MEANINGS: dict[Cause, Meaning] = {
    Cause.SERVER_AWAY: Meaning(
        "serveur injoignable",
        "A server that Bascule reads (Prometheus, the judge, the journal) does not answer in time.",
        "Run `bascule status` to see which server is down, and start it; or correct its address under stack.external.",
        pages=True,
    ),
    Cause.NOT_STORED: Meaning(
        "échantillons non enregistrés",
        "Prometheus answers, but stores no new samples.",
        "Check its disk (is it full?) and its log.",
        pages=True,
    ),
    Cause.CLOCK: Meaning(
        "horloges décalées",
        "The clocks of two machines differ, so that a step starts in the future or samples look too old.",
        "Synchronise the clocks (NTP); `bascule doctor` shows the difference.",
    ),
    Cause.OTHER_STEP: Meaning(
        "autre étape",
        "The last evaluation is about another step of the plan than the current one.",
        "Wait for the next evaluation; if none comes, check that Prometheus scrapes the journal (bascule-incidents).",
    ),
    Cause.SCRAPE_FAILING: Meaning(
        "collecte en échec",
        "Prometheus scrapes the version's targets, and the scrapes fail (`up` is 0).",
        "Check that the service runs and that its /metrics answers; Prometheus' page Targets shows the error.",
        pages=True,
    ),
    Cause.PROBE_FAILING: Meaning(
        "sonde en échec",
        "The version's health address does not answer, or answers with an error.",
        "Check the service, its address, and its certificate.",
        pages=True,
    ),
    Cause.SILENT: Meaning(
        "version muette",
        "One version counts no requests, although the plan gives it traffic and the other version has some.",
        "Check whether the version hangs, and whether the load balancer sends it traffic.",
        pages=True,
    ),
    Cause.LOST: Meaning(
        "cible perdue",
        "Prometheus no longer scrapes the version: its newest sample is older than a few of its usual intervals.",
        "Check Prometheus' page Targets: a reload or a service discovery may have dropped the version's target.",
        pages=True,
    ),
    Cause.STALE: Meaning(
        "données périmées",
        "The newest sample is older than a few scrape intervals.",
        "Compare stack.scrape.interval with the server's real interval, which its page Targets shows.",
    ),
    Cause.MAINTENANCE: Meaning(
        "maintenance planifiée",
        "The services are or just were in planned maintenance: whether they are up then is not held against them.",
        "Wait for its end, or end it: `bascule maintenance end`.",
    ),
    Cause.UNMONITORED: Meaning(
        "non surveillé",
        "In a part of the window no scrape (or probe) came that was due, and what it would have found may decide.",
        "Wait until that part is over; Prometheus' page Targets shows what is scraped, its own `up` when it was away.",
    ),
    Cause.NO_SERIES: Meaning(
        "aucune série",
        "Prometheus holds no series of the metric for this version.",
        "Check the metric's name, the version label, and that the job is scraped.",
    ),
    Cause.UNPROVEN: Meaning(
        "sélecteur non vérifié",
        "The selector of the bad (or good) events names a label or value that this version's series do not have.",
        "Compare the selector with the labels that exist: `bascule generate SPEC --verify URL` shows what has no data.",
    ),
    Cause.UNIT: Meaning(
        "unité manquante",
        "The unit of a time is unknown, so it cannot be compared with a limit.",
        "Declare the signal's `unit`.",
    ),
    Cause.BUCKET: Meaning(
        "tranche manquante",
        "The histogram has no bucket where it would tell: at the limit, or beyond a quantile that is compared.",
        "Add that bucket bound to both versions, or move the limit to a bound that exists.",
    ),
    Cause.SCATTER: Meaning(
        "dispersion inconnue",
        "How much the values behind a mean differ from each other is unknown, so a difference may be chance.",
        "Declare `sum_of_squares`, or export the values as a histogram; if all values were equal so far, wait.",
    ),
    Cause.WINDOW: Meaning(
        "fenêtre trop courte",
        "The objective's window is shorter than what a report of this span can read one by one.",
        "Report on a shorter span, scrape more often, or declare a longer window, in whole minutes or hours.",
    ),
    Cause.CONTRADICTION: Meaning(
        "compteurs contradictoires",
        "The counters contradict each other: more good or bad events than events.",
        "Check that both selectors count the same requests.",
    ),
    Cause.IMPOSSIBLE_VALUES: Meaning(
        "valeurs impossibles",
        "The samples hold values that no counter can have (infinite, negative, or a jump beyond any traffic).",
        "Check the exporter.",
    ),
    Cause.NO_BASELINE: Meaning(
        "sans référence",
        "The old version has counted nothing that the new one can be compared with, in the step or in the hour before.",
        "Check that the old version exports the metric with the same labels, or decide by gates on the new one alone.",
    ),
    Cause.NO_TRAFFIC: Meaning(
        "aucun trafic",
        "No version gets requests (0 requests/s).",
        "No action needed if that is expected (at night, after a batch); else check the load balancer.",
    ),
    Cause.TOO_FEW: Meaning(
        "trop peu d'événements",
        "There are fewer events than a decision needs.",
        "Wait, or give the candidate more traffic.",
    ),
}


@dataclass(frozen=True)
class Missing:
    """Why something has no data: the cause, and what was found, as a sentence; `version`: where it is one's."""

    cause: Cause
    text: str
    version: str = ""


def most_telling(found: Iterable[Missing]) -> tuple[Missing, ...]:
    """Each once, the most telling cause first; within a cause as they were found."""
    rank = {cause: place for place, cause in enumerate(Cause)}
    return tuple(sorted(dict.fromkeys(found), key=lambda missing: rank[missing.cause]))


def first_of(causes: Iterable[Cause]) -> Cause | None:
    """The most telling of several causes; None where there is none."""
    found = set(causes)
    return next((cause for cause in Cause if cause in found), None)
