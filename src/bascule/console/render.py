"""From a page's values to HTML, as a whole and in fragments that can be renewed one by one."""

from __future__ import annotations

import re
import shlex
from functools import cache
from http import HTTPStatus
from importlib import resources
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from bascule import __version__, figures, times
from bascule.console import texts
from bascule.console.charts import DEFAULT_WINDOW, WINDOWS
from bascule.console.runbooks import Runbook, Runbooks
from bascule.console.stream import Fragments
from bascule.console.viewer import Viewer
from bascule.console.views import ConsolePage, IncidentHistory, search
from bascule.console.views.executive import Executive
from bascule.console.views.incident import IncidentView
from bascule.console.views.search import FoundLines
from bascule.console.views.signals import SignalGroup, SignalRow
from bascule.console.views.sla import SlaView
from bascule.console.views.targets import Targets
from bascule.spec import Spec
from bascule.spec.quantities import format_duration
from bascule.states import no_data
from bascule.visible import finished

FRAGMENTS = (
    "say",
    "notices",
    "verdict",
    "plan",
    "moves",
    "alerts",
    "services",
    "shares",
    "compared",
    "gates",
    "triggers",
    "promises",
    "logs",
    "timeline",
    "resolved",
)

CODE = re.compile(r"`([^`]+)`")

PAGES = (
    ("/", "Overview"),
    ("/segments", "Segments"),
    ("/incidents", "Incidents"),
    ("/sla", "SLA"),
    ("/dashboards", "Dashboards"),
    ("/logs", "Logs"),
    ("/executive", "Executive"),
    ("/wall", "War room"),
    ("/checklist", "Checklist"),
    ("/drills", "Drills"),
    ("/migrations", "Migrations"),
    ("/runbooks/", "Runbooks"),
)
MOVES_TO_MAKE = "moves to make"  # the fragment of moves as an operator sees it
TITLES = {
    400: "The address asks for something that cannot be shown",
    401: "Sign in to read this",
    403: "This is not allowed",
    404: "Page not found",
    502: "A part that this page needs does not answer",
    503: "Too many pages are open",
}


def for_reading(frame: Fragments) -> Fragments:
    """A frame as it is seen by who may only read."""
    return {name: html for name, html in frame.items() if name != MOVES_TO_MAKE}


def for_acting(frame: Fragments) -> Fragments:
    """A frame as operators see it."""
    moves = {"moves": frame[MOVES_TO_MAKE]} if MOVES_TO_MAKE in frame else {}
    return {**for_reading(frame), **moves}


class Renderer:
    """Lays a page out. Every value is escaped: names of segments, alerts and services come from outside."""

    def __init__(self, spec: Spec, runbooks: Runbooks | None = None) -> None:
        self.spec = spec
        self.runbooks = runbooks or Runbooks()
        self._templates = Environment(
            loader=PackageLoader("bascule.console"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            finalize=finished,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._groups: dict[str, tuple[SignalGroup, str]] = {}
        self._templates.filters |= _filters()
        self._templates.globals |= {
            "spec": spec,
            "PAGES": PAGES,
            "verdict_word": texts.verdict_word,
            "sla_word": texts.sla_word,
            "impact_word": texts.impact_word,
            "no_data": no_data,
            "baseline": spec.versions.baseline.upper(),
            "candidate": spec.versions.candidate.upper(),
            "prometheus": self.prometheus_link,
            "runbook_of": lambda alert: self.runbooks.page_for(alert, spec.alert_prefix),
            "windows": list(WINDOWS),
            "default_window": DEFAULT_WINDOW,
            "version": __version__,
            "has_charts": has_charts(),
            "spans": search.SPANS,
            "levels": search.LEVELS,
            "statuses": search.STATUSES,
        }

    def page(self, page: ConsolePage, viewer: Viewer) -> str:
        return self.whole("page.html", viewer, page=page, may_act=viewer.may_act, here="Overview")

    def incidents(self, history: IncidentHistory, viewer: Viewer) -> str:
        return self.whole("incidents.html", viewer, history=history, here="Incidents")

    def incident(self, view: IncidentView, viewer: Viewer) -> str:
        return self.whole("incident.html", viewer, view=view, here="Incidents")

    def wall(self, page: ConsolePage, viewer: Viewer, every: int) -> str:
        return self.whole("wall.html", viewer, page=page, every=every, here="War room")

    def segments(self, targets: Targets, problem: str, viewer: Viewer) -> str:
        return self.whole("segments.html", viewer, targets=targets, problem=problem, here="Segments")

    def executive(self, view: Executive, language: str, problem: str, viewer: Viewer) -> str:
        return self.whole("executive.html", viewer, here="Executive", **_in_words(view, language, problem))

    def executive_now(self, view: Executive, language: str, problem: str) -> str:
        return self.part("_executive.html", **_in_words(view, language, problem))

    def sla(self, view: SlaView, viewer: Viewer) -> str:
        return self.whole("sla.html", viewer, view=view, here="SLA")

    def sign_in(self, viewer: Viewer, has_users: bool, used: bool) -> str:
        return self.whole("sign_in.html", viewer, has_users=has_users, used=used, here="")

    def problem(self, status: int, error: str, fix: str, viewer: Viewer) -> str:
        """Why no page is at an address, and the way back."""
        title = TITLES.get(status, "This page cannot be shown")
        error = "nothing is at this address" if error == HTTPStatus.NOT_FOUND.phrase else error
        return self.whole("problem.html", viewer, status=status, title=title, error=error, fix=fix, here="")

    def logs(self, found: FoundLines, viewer: Viewer) -> str:
        return self.whole("logs.html", viewer, asked=found.asked, found=found, here="Logs")

    def found(self, found: FoundLines) -> str:
        """The part of the page of logs that changes while it is followed."""
        return self.part("_found.html", found=found)

    def runbook_index(self, viewer: Viewer, missing: str = "") -> str:
        books = list(self.runbooks.pages.values())
        return self.whole("runbooks.html", viewer, books=books, missing=missing, here="Runbooks")

    def runbook(self, book: Runbook, viewer: Viewer) -> str:
        return self.whole("runbook.html", viewer, book=book, here="Runbooks")

    def fragments(self, page: ConsolePage) -> dict[str, str]:
        """HTML by the id of the element it replaces; what an operator sees otherwise once more, for them."""
        found = {name: self.part(f"_{name}.html", page=page, may_act=False) for name in FRAGMENTS}
        found[MOVES_TO_MAKE] = self.part("_moves.html", page=page, may_act=True)
        for group in page.groups:
            found[f"signal-{group.name}"] = self._group(group)
        return found

    def _group(self, group: SignalGroup) -> str:
        """Most of a frame, and the same in every second one: the judge looks once a second."""
        kept = self._groups.get(group.name)
        if kept is None or kept[0] != group:
            kept = self._groups[group.name] = (group, self.part("_signal.html", group=group))
        return kept[1]

    def incident_fragments(self, history: IncidentHistory) -> dict[str, str]:
        return {"incidents": self.part("_incidents.html", history=history)}

    def detail(self, row: SignalRow, chart_queries: dict[str, str]) -> str:
        """What is behind one row of the comparison."""
        return self.part("_detail.html", row=row, chart_queries=chart_queries)

    def prometheus_link(self, query: str) -> str:
        """Where Prometheus shows this query itself."""
        parameters = {"g0.expr": query, "g0.tab": "0", "g0.range_input": "1h"}
        return f"{self.spec.stack.url('prometheus')}/graph?{urlencode(parameters)}"

    def whole(self, template: str, viewer: Viewer, **values: Any) -> str:
        """A page."""
        return self.part(template, viewer=viewer, **values)

    def part(self, template: str, **values: Any) -> str:
        """A part of a page."""
        return self._templates.get_template(template).render(**values).strip()


def _in_words(view: Executive, language: str, problem: str) -> dict[str, Any]:
    return {"view": view, "language": language, "words": texts.TEXTS[language], "problem": problem}


@cache
def has_charts() -> bool:
    """Whether the chart library was fetched when the package was built."""
    return resources.files("bascule.console").joinpath("static/vendor/uPlot.iife.min.js").is_file()


def coded(text: str) -> Markup:
    """Text in which `bascule status` is code, as in the messages for a terminal."""
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))


def _filters() -> dict[str, Any]:
    return {
        "share": figures.share,
        "count": figures.count,
        "rate": figures.rate,
        "used": figures.used,
        "quoted": shlex.quote,
        "span": figures.span,
        "multiple": figures.multiple,
        "duration": format_duration,
        "local": figures.local,
        "coded": coded,
        "dated": lambda moment: times.dated(moment.timestamp()),
        "utc": lambda moment: times.clock(moment.timestamp()),
        "seconds": lambda value: figures.figure(value, "seconds"),
        "at": times.rfc3339,
        "iso": lambda moment: times.rfc3339(moment.timestamp()),
    }
