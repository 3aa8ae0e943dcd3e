"""The addresses of the dashboards: a list, a page each, and what a page asks for repeatedly."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from pydantic_core import to_json

from bascule import times
from bascule.api.models.logs import Search
from bascule.console.asked import ReadOnce
from bascule.console.charts import WINDOWS, Span
from bascule.console.dashboards.asking import LONGEST_VALUE, MOST_VALUES, Moments
from bascule.console.dashboards.boards import Answered, Boards
from bascule.console.dashboards.shape import Choice, Dashboard, Drawn, DrawnLogs, RowPanel
from bascule.console.grid import Grid
from bascule.console.render import Renderer
from bascule.console.shared import Console
from bascule.console.signing import Someone
from bascule.console.spans import AskedSpan
from bascule.console.views.search import ShownLine, shown_line
from bascule.errors import BasculeError

MOST_KEPT = 32  # answers that serve everybody for a moment
LINES = 50  # of log lines on a panel
VARIABLE = "var-"  # how a variable is written in an address, as in Grafana's
EVERYTHING = ("", "All", "$__all")  # values of a variable that choose nothing


@dataclass(frozen=True)
class Question:
    """What an address asks for: a span, and values of variables."""

    span: Span
    chosen: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def values(self) -> Mapping[str, tuple[str, ...]]:
        return dict(self.chosen)

    def address(self, **span: str) -> str:
        """As it is written behind `?`; `span`: another span instead."""
        own = {"window": self.span.window}
        if self.span.start is not None and self.span.end is not None:
            own = {"start": f"{self.span.start:.15g}", "end": f"{self.span.end:.15g}"}
        pairs = list((span or own).items())
        return urlencode(pairs + [(VARIABLE + name, value) for name, values in self.chosen for value in values])

    @property
    def is_fixed(self) -> bool:
        return self.span.start is not None


def _question(request: Request, span: AskedSpan) -> Question:
    found: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        if name.startswith(VARIABLE) and value not in EVERYTHING:
            found.setdefault(name.removeprefix(VARIABLE), []).append(value)
    values = [value for several in found.values() for value in several]
    if len(values) > MOST_VALUES or any(len(value) > LONGEST_VALUE for value in values):
        raise HTTPException(
            400, f"too many values of variables; give at most {MOST_VALUES}, of {LONGEST_VALUE} characters"
        )
    return Question(span, tuple((name, tuple(several)) for name, several in found.items()))


AskedQuestion = Annotated[Question, Depends(_question)]


@dataclass(frozen=True)
class Section:
    """A row of a dashboard: its title, and the panels below it."""

    title: str
    panels: list[Drawn]


@dataclass(frozen=True)
class Offered:
    """A variable as a choice; `chosen` is among the options even while they are not known."""

    name: str
    label: str
    options: list[str]
    chosen: tuple[str, ...]


def add_dashboards(app: FastAPI, pages: Pages, renderer: Renderer) -> None:
    @app.get("/dashboards", response_class=HTMLResponse)
    def dashboards(viewer: Someone) -> HTMLResponse:
        return HTMLResponse(renderer.whole("dashboards.html", viewer, boards=pages.boards.all, here="Dashboards"))

    @app.get("/dashboards/{name}", response_class=HTMLResponse)
    def dashboard(name: str, asked: AskedQuestion, viewer: Someone) -> HTMLResponse:
        board = pages.board(name)
        return HTMLResponse(
            renderer.whole(
                "dashboard.html",
                viewer,
                name=name,
                board=board,
                boards=pages.boards.all,
                sections=sections(board),
                offered=[pages.offered(choice, asked) for choice in board.choices],
                asked=asked,
                here="Dashboards",
            )
        )

    @app.get("/dashboards/{name}/now")
    def now(name: str, asked: AskedQuestion) -> Response:
        pages.board(name)
        return Response(pages.now(name, asked), media_type="application/json")


def sections(board: Dashboard) -> list[Section]:
    found: list[Section] = []
    for panel in board.panels:
        if isinstance(panel, RowPanel):
            found.append(Section(panel.title, []))
        else:
            found[-1].panels.append(panel)
    return found


class Pages:
    def __init__(self, console: Console) -> None:
        self._console = console
        self.boards = Boards(console.spec, transport=console.parts.transport)
        self._kept: dict[tuple[str, Question], ReadOnce[bytes]] = {}
        self._lock = threading.Lock()

    def board(self, name: str) -> Dashboard:
        """Raises HTTPException."""
        found = self.boards.all.get(name)
        if found is None:
            raise HTTPException(404, f"there is no dashboard {name[:80]!r}; open one of {', '.join(self.boards.all)}")
        return found

    def offered(self, choice: Choice, asked: Question) -> Offered:
        """Raises HTTPException for a value that the variable never has."""
        chosen = asked.values.get(choice.name, ())
        try:
            options = self.boards.values(choice)
        except BasculeError:  # the panels say so
            return Offered(choice.name, choice.label, [], chosen)
        known = {*options, *self._console.spec.segments.named, *self._console.spec.versions.both}
        for value in chosen:
            if value not in known:
                raise HTTPException(404, f"there is no {choice.label} {value!r}; give one of {', '.join(options)}")
        return Offered(choice.name, choice.label, options, chosen)

    def now(self, name: str, asked: Question) -> bytes:
        """The panels as HTML, the charts as numbers; once for all who ask for the same."""
        with self._lock:
            if (name, asked) not in self._kept and len(self._kept) >= MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
            answer = self._kept.setdefault((name, asked), ReadOnce(lambda: self._now(name, asked)))
        return answer()

    def _now(self, name: str, asked: Question) -> bytes:
        moments = self._moments(asked.span)
        answered = self.boards.answer(name, asked.values, moments)
        charts = {each.id: each.chart for each in answered.panels if each.chart}
        told = {
            "panels": self._html(answered) | self._lines(self.boards.all[name], moments),
            "charts": charts,
            "marks": answered.marks,
            "at": times.rfc3339(time.time()),
            "every": max(10.0, moments.grid.step) if moments.is_now else None,
        }
        return to_json(told)

    def _moments(self, span: Span) -> Moments:
        scrape, now = self._console.spec.stack.scrape.interval, time.time()
        if span.start is not None and span.end is not None:
            return Moments(Grid.between(span.start, span.end, scrape), scrape, is_now=span.end >= now)
        return Moments(Grid.between(now - WINDOWS[span.window], now, scrape), scrape)

    def _html(self, answered: Answered) -> dict[int, str]:
        render = self._console.renderer.part
        return {each.id: render("_panel.html", panel=each) for each in answered.panels}

    def _lines(self, board: Dashboard, moments: Moments) -> dict[int, str]:
        found = {}
        for panel in (each for each in board.panels if isinstance(each, DrawnLogs)):
            lines, problem = self._search(panel, moments)
            found[panel.id] = self._console.renderer.part("_panel_lines.html", lines=lines, problem=problem)
        return found

    def _search(self, panel: DrawnLogs, moments: Moments) -> tuple[list[ShownLine], str]:
        start, end = (times.rfc3339(at) for at in (moments.grid.start, moments.grid.end))
        where = [text for target in panel.targets for text in target.conditions]
        until = "" if moments.is_now else end
        try:
            found = self._console.parts.search(Search(since=start, until=until, where=where, limit=LINES))
        except BasculeError as error:
            return [], error.what
        return [shown_line(each) for each in found], ""
