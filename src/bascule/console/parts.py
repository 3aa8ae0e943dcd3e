"""Reading the other parts of the house: Prometheus, the judge, the incident journal, the logs."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from bascule import promql, slo, times
from bascule.api import IncidentsClient, JudgeClient, LogsClient, SlaClient
from bascule.api.models.journal import TimelineAnswer
from bascule.api.models.logs import LogCounts, LogLine, LogStats, Search
from bascule.api.models.moves import KeptComparison, PlanAnswer
from bascule.api.models.others import DeliveryAnswer
from bascule.api.models.verdict import VerdictAnswer
from bascule.api.servers import alertmanager_of, prometheus_of
from bascule.console import queries
from bascule.console.answers import HEARTBEAT, IncidentFile, ListedIncident
from bascule.console.asked import PROOF_KEPT_FOR, ReadOnce, business, known, measure
from bascule.console.sources import Source
from bascule.conventions import SEGMENT, Alert, EntryKind
from bascule.discover import unseen
from bascule.errors import Problem, QueryRejected
from bascule.prometheus import ActiveAlert, Sample, Target
from bascule.promql import Unproven
from bascule.spec import Spec
from bascule.states import Cause

TIMEOUT = 2.0  # seconds: a part that needs longer is as good as silent on a live page
RECENT = 7 * 86400.0  # seconds of incidents that are read; open ones always are
SEARCH_TIMEOUT = 10.0  # seconds: a search reads files
PAST = 35 * 86400.0  # seconds of the timeline that are read


@dataclass(frozen=True)
class TrafficReading:
    """Who gets the requests, by segment; shares are of the candidate, rates in requests per second.

    `unknown`: why nothing of it is known.
    """

    share: Mapping[str, float | None] = field(default_factory=dict)
    planned: Mapping[str, float] = field(default_factory=dict)
    baseline_rate: Mapping[str, float] = field(default_factory=dict)
    candidate_rate: Mapping[str, float] = field(default_factory=dict)
    total_share: float | None = None
    unknown: Cause | None = None
    left: Mapping[str, float] = field(default_factory=dict)  # by version: clients that left in the last five minutes

    def why(self, rate: float | None) -> Cause:
        """Why a share is not known, where there are so many requests: a version that is not up cannot be counted."""
        return self.unknown or (Cause.SCRAPE_FAILING if rate else Cause.NO_TRAFFIC)


@dataclass(frozen=True)
class ServiceHealth:
    """Whether the services answer: samples of `up` and its kin, and when they were taken."""

    samples: tuple[Sample, ...] = ()
    times: Mapping[tuple[str, str], float] = field(default_factory=dict)  # (job, instance) -> Unix seconds
    targets: tuple[Target, ...] = ()
    down_for: Mapping[str, float] = field(default_factory=dict)  # job -> seconds
    pending: tuple[ActiveAlert, ...] = ()


@dataclass(frozen=True)
class JournalReading:
    """What the incident journal holds."""

    incidents: tuple[ListedIncident, ...] = ()
    timeline: tuple[TimelineAnswer, ...] = ()
    phase: PlanAnswer | None = None
    compared: KeptComparison | None = None  # before the candidate's traffic was taken back


@dataclass(frozen=True)
class Kept:
    """The share of good events in the last hour, by SLA; `covered`: for how many seconds of it there are samples.

    `events`: of those whose share is not known, how many there were. `unproven`: the selectors that cannot count what
    they name, by SLA.
    """

    good: Mapping[str, float]
    covered: float
    events: Mapping[str, float] = field(default_factory=dict)
    unproven: Mapping[str, tuple[Unproven, ...]] = field(default_factory=dict)


class Parts:
    """The sources of one page. `transport` replaces the network in tests."""

    def __init__(self, spec: Spec, transport: httpx.BaseTransport | None = None) -> None:
        self.spec = spec
        self.transport = transport
        self._judge = JudgeClient(spec, seconds=TIMEOUT, transport=transport)
        self._incidents = IncidentsClient(spec, seconds=TIMEOUT, transport=transport)
        self.acting = IncidentsClient(spec, transport=transport)
        self.archive = SlaClient(spec, transport=transport)
        self._reader = LogsClient(spec, seconds=TIMEOUT, transport=transport)
        self._searcher = LogsClient(spec, seconds=SEARCH_TIMEOUT, transport=transport)
        self.prometheus = prometheus_of(spec, timeout=TIMEOUT, transport=transport)
        self.judge: Source[VerdictAnswer] = Source("judge", self._judge.verdict, said_at=_ticked)
        self.journal: Source[JournalReading] = Source("incidents", self._journal)
        self.owed: Source[list[DeliveryAnswer]] = Source("owed", self._incidents.owed, interval=2.0)
        self.traffic: Source[TrafficReading] = Source("prometheus", self._traffic)
        self.health: Source[ServiceHealth] = Source("services", self._health)
        self.logs: Source[LogStats] = Source("logs", self._reader.stats, interval=2.0)
        self.unseen: Source[list[Problem]] = Source("unseen", lambda: unseen(spec, self.prometheus), interval=30.0)
        self.slas: Source[Kept] = Source("slas", self._slas, interval=15.0)
        self.alertmanager = alertmanager_of(spec, timeout=TIMEOUT, transport=transport)
        self.heartbeat = spec.alert_prefix + Alert.DEAD_MANS_SWITCH
        self.alerting: Source[float] = Source("alerting", self._beat, interval=2.0, said_at=float)

        self.measured = ReadOnce(lambda: measure(spec, self.prometheus))
        self.notices = ReadOnce(self._incidents.notices)
        self.unproven = ReadOnce(lambda: slo.unproven_slas(spec, self.prometheus), kept_for=PROOF_KEPT_FOR)
        self.business = ReadOnce(lambda: business(spec, self.prometheus, self.unproven()))

    @property
    def sources(self) -> tuple[Source[Any], ...]:
        """What a live page cannot do without."""
        return (self.traffic, self.health, self.judge, self.journal, self.logs)

    @property
    def all_sources(self) -> tuple[Source[Any], ...]:
        return (*self.sources, self.slas, self.alerting, self.owed, self.unseen)

    def close(self) -> None:
        roles = (self._judge, self._incidents, self.acting, self.archive, self._reader, self._searcher)
        for client in (*roles, self.prometheus, self.alertmanager):
            client.close()

    def search(self, asked: Search) -> list[LogLine]:
        """Lines of the logs, the latest first. Raises UsageError when the logs role refuses the question."""
        return self._searcher.search(asked)

    def counts(self, asked: Search) -> LogCounts:
        """How many lines the same search matches. Raises as `search`."""
        return self._searcher.counts(asked)

    def incident(self, identity: int) -> IncidentFile:
        """All about an incident. Raises UsageError when there is none, Unreachable when the journal is silent."""
        detail = self._incidents.incident(identity)
        incident = ListedIncident.model_validate(detail.model_dump(exclude={"entries"}))
        start, end = incident.around(datetime.now(UTC))
        notices, deliveries = self._incidents.told(incident.situation)
        recent = self.journal.reading.value or JournalReading()
        return IncidentFile(
            incident,
            detail.entries,
            self._incidents.timeline(start, end),
            [each for each in recent.incidents if each.situation == incident.situation],
            notices,
            deliveries,
        )

    # ------------------------------------------------------------ one method a source

    def _journal(self) -> JournalReading:
        now = round(time.time())
        incidents = self._incidents.rows("/api/incidents", ListedIncident, since=now - RECENT)
        timeline = self._incidents.timeline(now - PAST)
        phase = self._incidents.phase()
        return JournalReading(
            tuple(incident for incident in incidents if incident.severity != HEARTBEAT),
            tuple(_with_one_start(timeline)),
            phase,
            self._incidents.comparison() if phase.is_withdrawn else None,
        )

    def _beat(self) -> float:
        """When Alertmanager last heard the alert that always fires (Unix seconds)."""
        for alert in self.alertmanager.alerts():
            if alert["labels"].get("alertname") == self.heartbeat:
                return times.parse(alert["updatedAt"]).timestamp()
        raise QueryRejected(
            f"Alertmanager has no alert {self.heartbeat}, which always fires",
            "check that Prometheus runs, and that it sends its alerts to this Alertmanager",
        )

    def _slas(self) -> Kept:
        slos = {each.name: each for each in slo.all_of(self.spec)}
        good = self._answers({name: each.promql(queries.LOOK_BACK) for name, each in slos.items()})
        rest = {name: each.events(queries.LOOK_BACK) for name, each in slos.items() if name not in good}
        samples = known(self.prometheus.scalar(queries.COVERED)) or 0.0
        return Kept(good, samples * self.spec.stack.scrape.interval, self._answers(rest), self.unproven())

    def _answers(self, asked: Mapping[str, str]) -> dict[str, float]:
        """The answers that there are."""
        answers = {name: known(self.prometheus.scalar(query)) for name, query in asked.items()}
        return _present(answers)

    def _traffic(self) -> TrafficReading:
        spec, ask = self.spec, self.prometheus.instant
        total = ask(queries.share_total(spec))
        return TrafficReading(
            share=_by_label(ask(queries.share_by_segment(spec)), spec.segments.label),
            planned=_present(_by_label(ask(queries.planned_by_segment(spec)), SEGMENT)),
            baseline_rate=_present(self._rates(spec.versions.baseline)),
            candidate_rate=_present(self._rates(spec.versions.candidate)),
            total_share=_number(total[0].value) if total else None,
            left=self._answers({version: promql.left(spec, version, "5m") for version in spec.versions.both}),
        )

    def _rates(self, version: str) -> Mapping[str, float | None]:
        return _by_label(self.prometheus.instant(queries.rate_by_segment(self.spec, version)), self.spec.segments.label)

    def _health(self) -> ServiceHealth:
        samples = self.prometheus.instant(queries.HEALTH)
        down = sorted({s.labels.get("job", "") for s in samples if s.labels.get("__name__") == "up" and s.value == 0})
        return ServiceHealth(
            samples=tuple(samples),
            times={s.target: s.value for s in self.prometheus.instant(queries.HEALTH_TIMES)},
            targets=tuple(self.prometheus.targets()),
            down_for=self._down_for(down),
            pending=tuple(alert for alert in self.prometheus.alerts() if alert.state == "pending"),
        )

    def _down_for(self, jobs: list[str]) -> Mapping[str, float]:
        if not jobs:
            return {}
        return _present(_by_label(self.prometheus.instant(queries.down_seconds(self.spec, jobs)), "job"))


def _with_one_start(timeline: list[TimelineAnswer]) -> list[TimelineAnswer]:
    """Without the journal's own phase 0 where somebody then set phase 0, too: it is the same beginning."""
    entries = sorted(timeline, key=lambda entry: entry.at)
    phases = [entry for entry in entries if entry.kind == EntryKind.PHASE][:2]
    twice = len(phases) == 2 and all(entry.number == 0 for entry in phases)
    return [entry for entry in entries if not (twice and entry is phases[0])]


def _ticked(opinion: VerdictAnswer) -> float:
    """When the judge last looked: an answer given now can be an old opinion."""
    now = time.time()
    return now if opinion.tick is None else min(now, opinion.tick.timestamp())


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _by_label(samples: list[Sample], label: str) -> Mapping[str, float | None]:
    return {sample.labels.get(label, ""): _number(sample.value) for sample in samples}


def _present(values: Mapping[str, float | None]) -> dict[str, float]:
    return {key: value for key, value in values.items() if value is not None}
