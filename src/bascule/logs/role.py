"""The `logs` role: the pipeline on one thread, its HTTP pages on another."""

from __future__ import annotations

import threading
from typing import Any

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from bascule.logs.files import FileSource
from bascule.logs.intake import intakes
from bascule.logs.pipeline import Counted, Feed, Journal, Pipeline
from bascule.processes.serving import add_metrics_page, serve_until
from bascule.spec import Spec


def run(spec: Spec, stop: threading.Event) -> None:
    """Tail the spec's sources until `stop` is set; serves /metrics, /health and /api/stats."""
    pipeline = build(spec, Counted())
    reader = threading.Thread(target=pipeline.run, args=(stop,), name="logs")
    reader.start()
    try:
        serve_until(stop, application(pipeline), spec.stack.listen, spec.stack.ports.logs)
    finally:
        stop.set()
        reader.join(timeout=30)


def build(spec: Spec, journal: Journal) -> Pipeline:
    feeds = [
        Feed(FileSource(intake.name, source.files, journal.streams(intake.name)), intake)
        for source, intake in intakes(spec)
        if source.files
    ]
    return Pipeline(journal, feeds)


def application(pipeline: Pipeline) -> FastAPI:
    app = FastAPI(title="Bascule logs", docs_url=None, redoc_url=None)
    registry = CollectorRegistry()
    registry.register(pipeline)
    add_metrics_page(app, registry)

    @app.get("/api/stats")
    def stats() -> dict[str, Any]:
        return pipeline.stats()

    return app
