"""The `logs` role: the pipeline on one thread, upkeep of the store on another, its HTTP pages on a third."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any

from fastapi import FastAPI, Query
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from bascule import conventions
from bascule.api.models.logs import Forget, Forgotten, Ingest, LogCounts, LogLine, LogStats, Search, Taken, UsageRow
from bascule.api.rights import Lane, Right, needs
from bascule.api.server import application, serve
from bascule.conventions import State
from bascule.errors import StoreError
from bascule.logs.parsing.intake import Intake, intakes
from bascule.logs.reading.beats import REMEMBERED, BeatsReceiver
from bascule.logs.reading.files import FileSource
from bascule.logs.reading.stdin import StandardInput
from bascule.logs.serving.ingest import ingest_beside, sources_for
from bascule.logs.serving.pipeline import FileFeed, Pipeline
from bascule.logs.storing import query
from bascule.logs.storing.consumers import Consumers, RetentionFigure
from bascule.logs.storing.counts import counts
from bascule.logs.storing.engine import SearchClient, Sender
from bascule.logs.storing.forget import forget_user
from bascule.logs.storing.places import pseudonyms_of, root_of
from bascule.logs.storing.segments import identities
from bascule.logs.storing.store import LogStore, open_store
from bascule.processes.workers import Workers
from bascule.spec import Spec
from bascule.spec.log_patterns import log_index

UPKEEP_SECONDS = 15.0
SAVE_SECONDS = 600.0
SECONDS_OF_A_DAY = 86_400.0

log = logging.getLogger(__name__)


def run(spec: Spec, stop: threading.Event) -> None:
    """Tail the spec's sources into the store until `stop` is set; serves /metrics, /health and /api/."""
    store = open_store(root_of(spec))
    try:
        _run(spec, store, stop)
    finally:
        store.close()


def _run(spec: Spec, store: LogStore, stop: threading.Event) -> None:
    pipeline = build(spec, store)
    settings = spec.logs.search_engine
    sender = Sender.load(SearchClient(settings, log_index(spec)), store.root) if settings else None
    consumers = Consumers.load(store.root / "consumers.parquet")
    upkeep = Upkeep(pipeline, store, spec.logs.retention, consumers, sender)
    workers = Workers(stop)
    workers.start("reading", partial(pipeline.run, stop))
    workers.start("upkeep", partial(upkeep.run, stop))
    for receiver in receivers(spec, pipeline, store):
        workers.start(f"beats {receiver.address}", partial(receiver.run, stop))
    for given in standard_input(spec, pipeline, store):
        workers.start("standard input", partial(_to_the_end, given, stop))
    if sender:
        workers.start("sending", partial(sender.run, stop))
    try:
        serve(stop, pages(spec, pipeline, upkeep, (workers,)), spec, "logs")
    finally:
        stop.set()
        workers.join(30)


def _to_the_end(given: StandardInput, stop: threading.Event) -> None:
    """Standard input may end before the role does; it does not begin again."""
    given.run(stop)
    stop.wait()


def build(spec: Spec, store: LogStore) -> Pipeline:
    feeds = []
    for source, intake in intakes(spec):
        if source.files:
            known, from_end = store.streams(intake.name), source.start_at == "end"
            files = FileSource(intake.name, source.files, known, store.since, start_at_end=from_end)
            feeds.append(FileFeed(files, prepared(spec, intake, store)))
    return Pipeline(store, feeds)


def receivers(spec: Spec, pipeline: Pipeline, store: LogStore) -> list[BeatsReceiver]:
    """A receiver for every Beats source."""
    found = []
    for source, intake in intakes(spec):
        if source.beats:
            receiver = BeatsReceiver(source.beats, prepared(spec, intake, store), pipeline.commit, source.tls)
            receiver.problem = partial(pipeline.problem, intake.name)
            receiver.duplicates = partial(pipeline.left_out, intake.name)
            receiver.known.add(identities(store.folder, REMEMBERED))
            pipeline.others.append(receiver)
            found.append(receiver)
    return found


def standard_input(spec: Spec, pipeline: Pipeline, store: LogStore) -> list[StandardInput]:
    """A reader where the spec declares standard input as a source."""
    given = [prepared(spec, intake, store) for source, intake in intakes(spec) if source.stdin]
    found = [StandardInput(intake, pipeline.commit, partial(pipeline.problem, intake.name)) for intake in given]
    pipeline.others += found
    return found


def prepared(spec: Spec, intake: Intake, store: LogStore) -> Intake:
    """The intake with pseudonyms, and with the endpoints that the metrics have already."""
    intake.change = pseudonyms_of(spec).replace
    intake.counting.resume(store.tally)
    return intake


@dataclass(eq=False)
class Upkeep:
    """What is done occasionally: checkpoint, merging, retention, counting consumers."""

    pipeline: Pipeline
    store: LogStore
    retention: float
    consumers: Consumers
    sender: Sender | None = None
    counts: list[tuple[str, str, float]] = field(default_factory=list)
    figures: list[RetentionFigure] = field(default_factory=list)
    saved_at: float = field(default_factory=time.monotonic)
    refused: str = ""  # why the last upkeep failed; empty when it did not

    def run(self, stop: threading.Event) -> None:
        while True:
            self.once()
            if stop.wait(UPKEEP_SECONDS):
                break
        self._guarded(self.save)

    def once(self) -> None:
        self._guarded(self._once)

    def _guarded(self, work: Callable[[], None]) -> None:
        """Whatever fails is told, and tried again the next time."""
        try:
            work()
            self.refused = ""
        except StoreError as error:
            log.error("%s", error)
            self._tell(error.what)
        except Exception as error:  # a defect of ours must not end the upkeep for good
            why = f"the log store is not kept up: {type(error).__name__}"
            if why != self.refused:
                log.exception("internal error: the upkeep of the log store failed; it is tried again")
            self._tell(why)

    def _tell(self, why: str) -> None:
        self.refused = why
        self.pipeline.problem("upkeep", "store")

    def _once(self) -> None:
        self.count()
        with self.pipeline.lock:
            self.store.keep_up(self._kept(), delivered=self._delivered())
            self._bound_the_spool()
            self.store.probe()
        if time.monotonic() - self.saved_at > SAVE_SECONDS:
            self.save()

    def obstacles(self) -> Iterator[str]:
        """What keeps the store from being kept up, and rows from being sent on, in sentences."""
        if self.refused:
            yield self.refused
        for path in sorted(self.store.failing.copy()):
            yield f"the log store's {path.name} cannot be kept up; the log says why"
        if self.sender and (stuck := self.sender.stuck()):
            yield stuck

    def _delivered(self) -> int:
        """The last commit that everything which follows the store has taken in."""
        return min([self.consumers.last] + ([self.sender.last] if self.sender else []))

    def _bound_the_spool(self) -> None:
        """Rows that wait for an engine for longer than is declared are dropped anyway."""
        if self.sender:
            longest = timedelta(seconds=self._kept() + self.sender.engine.settings.spool)
            self.store.drop_before(datetime.now(UTC) - longest, self.store.checkpointed)

    def _kept(self) -> float:
        """For how long rows stay (seconds)."""
        only_engine = self.sender is not None and self.sender.engine.settings.keep == "engine"
        return SECONDS_OF_A_DAY if only_engine else self.retention

    def count(self) -> None:
        now = time.time()
        self.consumers.follow(self.store.folder, now)
        self.counts, self.figures = list(self.consumers.counts(now)), list(self.consumers.retention(now))

    def save(self) -> None:
        self.saved_at = time.monotonic()
        self.consumers.save()

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus_client at each scrape."""
        consumers = _gauge(conventions.LOG_CONSUMERS)
        for version, window, number in self.counts:
            consumers.add_metric((version, window), number)
        ratio, state = _gauge(conventions.LOG_RETENTION), _gauge(conventions.LOG_RETENTION_STATE)
        for figure in self.figures:
            if figure.value is not None:
                ratio.add_metric((figure.version, figure.window), figure.value)
            for name in State:
                state.add_metric((figure.version, figure.window, name), float(name == figure.state))
        yield from (consumers, ratio, state)
        if self.sender:
            yield from _sending(self.sender)


def _sending(sender: Sender) -> Iterator[Metric]:
    documents = CounterMetricFamily("bascule_log_documents", conventions.LOG_SENT.help, labels=("result",))
    for result, number in vars(sender.sent).items():
        documents.add_metric((result,), number)
    waiting = _gauge(conventions.LOG_SPOOLED)
    waiting.add_metric((), len(sender.waiting()))
    yield from (documents, waiting)


def _gauge(metric: conventions.Metric) -> GaugeMetricFamily:
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)


def pages(spec: Spec, pipeline: Pipeline, upkeep: Upkeep, work: Sequence[Workers] = ()) -> FastAPI:
    registry = CollectorRegistry()
    registry.register(pipeline)
    registry.register(upkeep)
    app = application(spec, "logs", registry, ready=lambda: [*pipeline.obstacles(), *upkeep.obstacles()], work=work)
    reader = query.LogReader(root_of(spec))

    @app.get("/api/stats", response_model=LogStats, **needs(Right.READ, lane=Lane.FREE))
    def stats() -> dict[str, Any]:
        consumers = [{"version": v, "window": w, "users": round(n)} for v, w, n in list(upkeep.counts)]
        kept = [vars(figure) for figure in list(upkeep.figures)]
        aside = [path.name for path in upkeep.store.set_aside]
        return pipeline.stats() | {"consumers": consumers, "retention": kept, "set_aside": aside}

    @app.get("/api/search", response_model=list[LogLine], response_model_exclude_unset=True)
    def search(asked: Annotated[Search, Query()]) -> list[dict[str, Any]]:
        """The latest lines that hold a text and meet every condition."""
        since, until = query.span(asked.since, asked.until)
        return query.search(reader, asked.text, since, asked.where, asked.limit, until)

    @app.get("/api/counts")
    def count(asked: Annotated[Search, Query()]) -> LogCounts:
        """How many lines the same search matches: over time, by source, level, version, endpoint and status."""
        since, until = query.span(asked.since, asked.until)
        return LogCounts.model_validate(counts(reader, asked.text, since, asked.where, until))

    @app.get("/api/usage", response_model=list[UsageRow], response_model_exclude_unset=True)
    def usage(since: Annotated[str, Query(max_length=100)] = "") -> list[dict[str, Any]]:
        return query.usage(reader, query.moment(since))

    @app.post("/api/forget")
    def forget(asked: Forget) -> Forgotten:
        return Forgotten(rows=forget_in(spec, upkeep, asked.user))

    @app.post("/api/ingest")
    def ingest(asked: Ingest) -> Taken:
        """Read files to their end; the role's own reading waits meanwhile."""
        prepare = partial(prepared, spec, store=upkeep.store)
        sources = {path: sources_for(spec, [path], name)[path] for path, name in asked.sources.items()}
        done = ingest_beside(pipeline, upkeep.store, spec, sources, prepare, upkeep.once)
        return Taken(**vars(done) | {"sources": dict(done.sources)})

    return app


def forget_in(spec: Spec, upkeep: Upkeep, user: str) -> int:
    with upkeep.pipeline.lock:
        rows = forget_user(upkeep.store, upkeep.consumers, pseudonyms_of(spec), user, time.time())
    upkeep.save()
    return rows
