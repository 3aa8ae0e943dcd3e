"""The console: one live page of the whole migration, read from Prometheus and the other roles over HTTP."""

from __future__ import annotations

import threading

from bascule import figures
from bascule.api.models.journal import PhaseAnswer, TimelineAnswer
from bascule.api.models.logs import LogStats
from bascule.api.models.verdict import SignalAnswer, VerdictAnswer
from bascule.api.server import serve
from bascule.api.servers import prometheus_of
from bascule.console import queries, screenshots
from bascule.console.answers import ListedIncident
from bascule.console.app import ROLE, create_app
from bascule.console.asked import measure
from bascule.console.browser import Browser, BrowserPage
from bascule.console.parts import JournalReading, Kept, Parts, ServiceHealth, TrafficReading
from bascule.console.render import FRAGMENTS, Renderer, for_acting, for_reading, has_charts
from bascule.console.runbooks import Runbooks
from bascule.console.sources import STALE_AFTER, Source, SourceReading, Watch
from bascule.console.stream import Stream, TooManyViewers
from bascule.console.viewer import NOBODY, Viewer
from bascule.console.views import build
from bascule.console.views.events import open_alerts, resolved, timeline
from bascule.console.views.logs import log_rows
from bascule.console.views.plan import plan, share_rows
from bascule.console.views.promises import promises
from bascule.console.views.search import LONGEST, LogSearch, visible
from bascule.console.views.services import own_rows, service_rows
from bascule.console.views.signals import THRESHOLD_AT, gate_rows, signal_groups, trigger_rows
from bascule.console.views.targets import TargetRow, quotas_told, targets
from bascule.console.views.verdict import notices, verdict_view
from bascule.spec import Spec

__all__ = [
    "FRAGMENTS",
    "LONGEST",
    "NOBODY",
    "STALE_AFTER",
    "THRESHOLD_AT",
    "Browser",
    "BrowserPage",
    "ServiceHealth",
    "ListedIncident",
    "JournalReading",
    "Kept",
    "LogSearch",
    "LogStats",
    "Parts",
    "PhaseAnswer",
    "SourceReading",
    "Renderer",
    "Runbooks",
    "SignalAnswer",
    "Source",
    "Stream",
    "TargetRow",
    "TimelineAnswer",
    "TooManyViewers",
    "TrafficReading",
    "VerdictAnswer",
    "Viewer",
    "Watch",
    "build",
    "create_app",
    "figures",
    "for_acting",
    "for_reading",
    "gate_rows",
    "has_charts",
    "log_rows",
    "notices",
    "open_alerts",
    "own_rows",
    "plan",
    "promises",
    "queries",
    "quotas_told",
    "resolved",
    "run",
    "screenshots",
    "service_rows",
    "share_rows",
    "signal_groups",
    "target_rows",
    "timeline",
    "trigger_rows",
    "verdict_view",
    "visible",
]


def target_rows(spec: Spec) -> list[TargetRow]:
    """Segments and partners against their own targets, worst first. Raises Unreachable without Prometheus."""
    prometheus = prometheus_of(spec)
    try:
        found = targets(spec, measure(spec, prometheus), "state")
    finally:
        prometheus.close()
    return [*found.segments, *found.partners]


def run(spec: Spec, stop: threading.Event) -> None:
    """Serve the page until `stop` is set."""
    serve(stop, create_app(spec, stop), spec, ROLE)
