"""Services: up, down or no data, worst first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bascule import figures, promql, times
from bascule.console.parts import ServiceHealth
from bascule.console.sources import STALE_AFTER, Source, SourceReading
from bascule.conventions import State, probe_job
from bascule.prometheus import Sample
from bascule.spec import Spec
from bascule.states import Cause, no_data

if TYPE_CHECKING:
    from bascule.console.parts import Parts

WORST_FIRST = (State.BAD, State.NO_DATA, State.OK, State.NOT_APPLICABLE)
SAID_BY = ("redis_up", "nginx_up", "probe_success")
FOREIGN_RESEND = 60.0  # seconds: the default of a Prometheus that is not ours


@dataclass(frozen=True)
class ServiceRow:
    name: str
    kind: str
    state: State
    word: str
    detail: str
    age: str
    query: str
    since: datetime | None = None


def service_rows(spec: Spec, reading: SourceReading[ServiceHealth], now: float) -> list[ServiceRow]:
    health = reading.fresh(now)
    rows = [_row(spec, name, service.kind, health, now) for name, service in spec.services.items()]
    rows += [_probe(name, health) for name in spec.probes]
    return sorted(rows, key=lambda row: WORST_FIRST.index(row.state))


def own_rows(parts: Parts, reading: SourceReading[ServiceHealth], now: float) -> list[ServiceRow]:
    """The parts that watch: those the page reads itself by their answer, the rest by Prometheus."""
    asked: tuple[Source[Any], ...] = (parts.traffic, parts.judge, parts.journal, parts.logs)
    rows = [_asked(source, now) for source in asked]
    return [*rows, _row(parts.spec, "alertmanager", "alerts", reading.fresh(now), now), _beating(parts, now)]


def _beating(parts: Parts, now: float) -> ServiceRow:
    """Whether an alert gets from Prometheus to Alertmanager: one that always fires has just done so."""
    reading = parts.alerting.reading
    since = None if reading.at is None else times.moment(reading.at)
    if beats(parts.spec, reading, now):
        return ServiceRow("alerting", "alerts", State.OK, "works", "heartbeat", "", parts.heartbeat, since)
    cause = Cause.SERVER_AWAY if since is None else Cause.STALE
    return replace(_unknown("alerting", "alerts", cause, "last heartbeat", parts.heartbeat), since=since)


def _unknown(name: str, kind: str, cause: Cause, detail: str, query: str, age: str = "") -> ServiceRow:
    return ServiceRow(name, kind, State.NO_DATA, no_data(cause), detail, age, query)


def beats(spec: Spec, reading: SourceReading[float], now: float) -> bool:
    """Prometheus repeats each alert at its resend delay; two may get lost."""
    age = reading.age(now)
    return age is not None and age <= 3 * (_resend(spec) + spec.stack.scrape.evaluation)


def _resend(spec: Spec) -> float:
    return FOREIGN_RESEND if "prometheus" in spec.stack.external else spec.stack.scrape.resend_delay


def _asked(source: Source[Any], now: float) -> ServiceRow:
    reading = source.reading
    state = State.OK if reading.is_fresh(now) else State.NO_DATA
    word = "answers" if state is State.OK else no_data(Cause.SERVER_AWAY)
    age = "" if state is State.OK or reading.at is None else figures.span(reading.age(now))
    return ServiceRow(source.name, "part", state, word, reading.error, age, "queried by this page")


def _row(spec: Spec, name: str, kind: str, health: ServiceHealth | None, now: float) -> ServiceRow:
    query = f'up{{job="{name}"}}'
    if name in spec.services and not promql.said_by(spec.services[name]):
        return ServiceRow(
            name, kind, State.NOT_APPLICABLE, "not watched", "neither metrics nor health address", "", query
        )
    if health is None:
        return ServiceRow(
            name, kind, State.NO_DATA, no_data(Cause.SERVER_AWAY), "Prometheus does not answer", "", query
        )
    samples = [sample for sample in health.samples if sample.labels.get("job") == name]
    ups = [sample for sample in samples if sample.labels.get("__name__") == "up"]
    if not ups:
        return _unknown(name, kind, Cause.NO_SERIES, "Prometheus has no sample of it", query)
    age = max(now - health.times.get(sample.target, now) for sample in ups)
    if age > max(STALE_AFTER, 3 * spec.stack.scrape.interval):
        return ServiceRow(
            name, kind, State.NO_DATA, no_data(Cause.STALE), "no longer scraped", figures.span(age), query
        )
    return _answering(name, kind, samples, ups, health, query)


def _answering(
    name: str, kind: str, samples: list[Sample], ups: list[Sample], health: ServiceHealth, query: str
) -> ServiceRow:
    down = [sample for sample in ups if sample.value == 0]
    behind = [
        s for s in samples if s.labels.get("__name__") in ("redis_up", "nginx_up", "probe_success") and s.value == 0
    ]
    if not down and not behind:
        return ServiceRow(name, kind, State.OK, "up", _of(len(ups), len(ups)), "", query)
    age = figures.span(health.down_for[name]) if name in health.down_for else ""
    why = _error(name, health) if down else _of_exporter(name, behind)
    detail = why if len(ups) == 1 else f"{_of(len(ups) - len(down), len(ups))}; {why}"
    return ServiceRow(name, kind, State.BAD, "down", detail, age, query)


def _of_exporter(name: str, behind: list[Sample]) -> str:
    if any(sample.labels.get("__name__") == "probe_success" for sample in behind):
        return "its health address does not answer, or answers with an error"
    return f"its exporter answers, but {name} does not"


def _probe(name: str, health: ServiceHealth | None) -> ServiceRow:
    query = f'probe_success{{job="{probe_job(name)}"}}'
    samples = _of_probe(name, health.samples if health else ())
    if not samples:
        cause = Cause.SERVER_AWAY if health is None else Cause.NO_SERIES
        return _unknown(name, "probe", cause, "no probe has answered", query)
    if all(sample.value == 1 for sample in samples):
        return ServiceRow(name, "probe", State.OK, "reachable", "", "", query)
    return ServiceRow(name, "probe", State.BAD, "unreachable", "the probe from outside fails", "", query)


def _of_probe(name: str, samples: Iterable[Sample]) -> list[Sample]:
    job = probe_job(name)
    return [s for s in samples if s.labels.get("job") == job and s.labels.get("__name__") == "probe_success"]


def _error(job: str, health: ServiceHealth) -> str:
    """Why the scrape fails, in the last words of Prometheus' message: `connection refused`."""
    error = next((t.last_error for t in health.targets if t.job == job and t.last_error), "")
    return error.rpartition(": ")[2] or "it does not answer"


def _of(up: int, all_of_them: int) -> str:
    return f"{up} of {all_of_them} up" if all_of_them > 1 else ""
