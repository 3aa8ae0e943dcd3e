"""From a page's values to HTML, as a whole and in fragments that can be renewed one by one."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from bascule import __version__, times
from bascule.console import figures
from bascule.console.charts import DEFAULT_WINDOW, WINDOWS
from bascule.console.runbooks import Runbook, Runbooks
from bascule.console.views import ConsolePage, IncidentHistory, search
from bascule.console.views.search import FoundLines, LogSearch
from bascule.console.views.signals import SignalRow
from bascule.spec import Spec
from bascule.spec.quantities import format_duration

FRAGMENTS = (
    "say",
    "notices",
    "verdict",
    "plan",
    "alerts",
    "services",
    "shares",
    "gates",
    "triggers",
    "promises",
    "logs",
    "timeline",
    "resolved",
)


class Renderer:
    """Lays a page out. Every value is escaped: names of segments, alerts and services come from outside."""

    def __init__(self, spec: Spec, runbooks: Runbooks | None = None) -> None:
        self.spec = spec
        self.runbooks = runbooks or Runbooks()
        self._templates = Environment(
            loader=PackageLoader("bascule.console"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= _filters()
        self._templates.globals |= {
            "spec": spec,
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

    def page(self, page: ConsolePage) -> str:
        return self._render("page.html", page=page, here="Overview")

    def incidents(self, history: IncidentHistory) -> str:
        return self._render("incidents.html", history=history, here="Incidents")

    def logs(self, asked: LogSearch, found: FoundLines) -> str:
        return self._render("logs.html", asked=asked, found=found, here="Logs")

    def found(self, found: FoundLines) -> str:
        """The part of the page of logs that changes while it is followed."""
        return self._render("_found.html", found=found)

    def runbook_index(self, missing: str = "") -> str:
        books = list(self.runbooks.pages.values())
        return self._render("runbooks.html", books=books, missing=missing, here="Runbooks")

    def runbook(self, book: Runbook) -> str:
        return self._render("runbook.html", book=book, here="Runbooks")

    def fragments(self, page: ConsolePage) -> dict[str, str]:
        """HTML by the id of the element it replaces."""
        found = {name: self._render(f"_{name}.html", page=page) for name in FRAGMENTS}
        for group in page.groups:
            found[f"signal-{group.name}"] = self._render("_signal.html", group=group)
        return found

    def incident_fragments(self, history: IncidentHistory) -> dict[str, str]:
        return {"incidents": self._render("_incidents.html", history=history)}

    def detail(self, row: SignalRow, chart_queries: dict[str, str]) -> str:
        """What stands behind one row of the comparison."""
        return self._render("_detail.html", row=row, chart_queries=chart_queries)

    def prometheus_link(self, query: str) -> str:
        """Where Prometheus shows this query itself."""
        parameters = {"g0.expr": query, "g0.tab": "0", "g0.range_input": "1h"}
        return f"{self.spec.stack.url('prometheus')}/graph?{urlencode(parameters)}"

    def _render(self, template: str, **values: Any) -> str:
        return self._templates.get_template(template).render(**values).strip()


@cache
def has_charts() -> bool:
    """Whether the chart library was fetched when the package was built."""
    return resources.files("bascule.console").joinpath("static/vendor/uPlot.iife.min.js").is_file()


def _filters() -> dict[str, Any]:
    return {
        "share": figures.share,
        "count": figures.count,
        "rate": figures.rate,
        "span": figures.span,
        "multiple": figures.multiple,
        "duration": format_duration,
        "utc": lambda moment: times.clock(moment.timestamp()),
        "iso": lambda moment: times.rfc3339(moment.timestamp()),
    }
