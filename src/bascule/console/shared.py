"""What the routes of the console share."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime

from fastapi import HTTPException

from bascule.console import queries
from bascule.console.charts import Charts, known_signals
from bascule.console.parts import Parts
from bascule.console.render import Renderer
from bascule.console.sources import Watch
from bascule.console.stream import Stream
from bascule.console.viewer import Viewer
from bascule.console.views import IncidentHistory, build, history
from bascule.console.views.incident import IncidentView, incident_view
from bascule.console.views.search import FoundLines, LogSearch, found
from bascule.console.views.signals import aged, signal_row
from bascule.errors import BasculeError, UsageError
from bascule.spec import Spec

UNKNOWN_ROW = "the judge does not know this signal and segment; choose a row of the overview"
FIRST_LOOK = 2.5  # seconds a page waits for its figures when nobody had been looking


class Console:
    """The sources, the renderer and the streams of frames."""

    def __init__(self, spec: Spec, stop: threading.Event, parts: Parts) -> None:
        self.spec = spec
        self.parts = parts
        self.watch = Watch(self.parts.all_sources)
        self.charts = Charts(self.parts)
        self.renderer = Renderer(spec)
        self.stream = Stream(self.frame, stop, self.parts.judge.news)
        self.incident_stream = Stream(self.incident_frame, stop, self.parts.journal.news)

    def frame(self) -> dict[str, str]:
        self.watch.look()
        return self.renderer.fragments(build(self.parts, time.time()))

    def incident_frame(self) -> dict[str, str]:
        self.watch.look()
        return self.renderer.incident_fragments(self._history())

    def page(self, viewer: Viewer) -> str:
        self.look()
        return self.renderer.page(build(self.parts, time.time()), viewer)

    def incidents(self, viewer: Viewer) -> str:
        self.look()
        return self.renderer.incidents(self._history(), viewer)

    def _history(self) -> IncidentHistory:
        reading, now = self.parts.journal.reading, time.time()
        try:
            return history(reading, now, self.parts.notices() if reading.is_fresh(now) else ())
        except BasculeError as error:
            return replace(history(reading, now), error=error.what)

    def incident(self, identity: int) -> IncidentView:
        """Raises HTTPException when the journal has no such incident, BasculeError when it cannot be asked."""
        self.look()
        try:
            file = self.parts.incident(identity)
        except UsageError as error:
            raise HTTPException(404, error.what) from error
        return incident_view(self.spec, file, datetime.now(UTC))

    def wall(self, viewer: Viewer, every: int) -> str:
        self.look()
        return self.renderer.wall(build(self.parts, time.time()), viewer, every)

    def found(self, asked: LogSearch) -> FoundLines:
        self.look()
        return found(self.parts, asked, time.time())

    def look(self) -> None:
        if self.watch.look():
            self.watch.settle(FIRST_LOOK)

    def detail(self, signal: str, segment: str) -> str:
        told = known_signals(self.parts).get((signal, segment))
        if told is None:
            raise HTTPException(404, UNKNOWN_ROW)
        row = signal_row(self.spec, told, aged(self.parts.judge.reading, time.time()))
        courses = {v: queries.values(self.spec, signal, segment, v) for v in self.spec.versions.both}
        return self.renderer.detail(row, courses)

    def close(self) -> None:
        self.watch.stop()
        self.parts.close()
