"""The `logs` role: the pipeline on one thread, upkeep of the store on another, its HTTP pages on a third."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric

from bascule import conventions
from bascule.conventions import State
from bascule.errors import StoreError, UsageError
from bascule.logs import query
from bascule.logs.consumers import Consumers, Figure
from bascule.logs.files import FileSource
from bascule.logs.forget import forget_user
from bascule.logs.intake import intakes
from bascule.logs.pipeline import Feed, Pipeline
from bascule.logs.places import pseudonyms_of, root_of
from bascule.logs.store import Store, open_store
from bascule.processes.serving import add_metrics_page, serve_until
from bascule.spec import Spec

UPKEEP_SECONDS = 15.0
SAVE_SECONDS = 600.0

log = logging.getLogger(__name__)


def run(spec: Spec, stop: threading.Event) -> None:
    """Tail the spec's sources into the store until `stop` is set; serves /metrics, /health and /api/."""
    store = open_store(root_of(spec))
    try:
        _run(spec, store, stop)
    finally:
        store.close()


def _run(spec: Spec, store: Store, stop: threading.Event) -> None:
    pipeline = build(spec, store)
    upkeep = Upkeep(pipeline, store, spec.logs.retention, Consumers.load(store.root / "consumers.parquet"))
    threads = [threading.Thread(target=work, args=(stop,), name="logs") for work in (pipeline.run, upkeep.run)]
    for thread in threads:
        thread.start()
    try:
        serve_until(stop, application(spec, pipeline, upkeep), spec.stack.listen, spec.stack.ports.logs)
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=30)


def build(spec: Spec, store: Store) -> Pipeline:
    pseudonyms = pseudonyms_of(spec)
    feeds = []
    for source, intake in intakes(spec):
        intake.change = pseudonyms.replace
        intake.counting.resume(store.tally)
        if source.files:
            files = FileSource(intake.name, source.files, store.streams(intake.name), store.since)
            feeds.append(Feed(files, intake))
    return Pipeline(store, feeds)


@dataclass(eq=False)
class Upkeep:
    """What is done now and then: checkpoint, merging, retention, counting consumers."""

    pipeline: Pipeline
    store: Store
    retention: float
    consumers: Consumers
    counts: list[tuple[str, str, float]] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    saved_at: float = field(default_factory=time.monotonic)

    def run(self, stop: threading.Event) -> None:
        while True:
            self.once()
            if stop.wait(UPKEEP_SECONDS):
                break
        self.save()

    def once(self) -> None:
        try:
            self.count()
            with self.pipeline.lock:
                self.store.keep_up(self.retention, delivered=self.consumers.last)
            if time.monotonic() - self.saved_at > SAVE_SECONDS:
                self.save()
        except StoreError as error:
            log.error("%s", error)
            self.pipeline.problem("store", "upkeep")

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


def _gauge(metric: conventions.Metric) -> GaugeMetricFamily:
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)


def application(spec: Spec, pipeline: Pipeline, upkeep: Upkeep) -> FastAPI:
    app = FastAPI(title="Bascule logs", docs_url=None, redoc_url=None)
    registry = CollectorRegistry()
    registry.register(pipeline)
    registry.register(upkeep)
    add_metrics_page(app, registry)
    reader = query.Reader(root_of(spec))

    @app.get("/api/stats")
    def stats() -> dict[str, Any]:
        consumers = [{"version": v, "window": w, "users": round(n)} for v, w, n in list(upkeep.counts)]
        kept = [vars(figure) for figure in list(upkeep.figures)]
        aside = [path.name for path in upkeep.store.set_aside]
        return pipeline.stats() | {"consumers": consumers, "retention": kept, "set_aside": aside}

    @app.get("/api/search")
    def search(
        text: str = "", since: str | None = None, where: Annotated[list[str] | None, Query()] = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        try:
            return query.search(reader, text, query.moment(since), where or [], min(limit, 1000))
        except UsageError as error:
            raise HTTPException(400, str(error)) from error

    @app.get("/api/usage")
    def usage(since: str | None = None) -> list[dict[str, Any]]:
        try:
            return query.usage(reader, query.moment(since))
        except UsageError as error:
            raise HTTPException(400, str(error)) from error

    @app.post("/api/forget")
    def forget(request: dict[str, str]) -> dict[str, int]:
        return {"rows": forget_in(spec, upkeep, request.get("user", ""))}

    return app


def forget_in(spec: Spec, upkeep: Upkeep, user: str) -> int:
    with upkeep.pipeline.lock:
        rows = forget_user(upkeep.store, upkeep.consumers, pseudonyms_of(spec), user, time.time())
    upkeep.save()
    return rows
