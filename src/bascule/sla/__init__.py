"""Service level objectives: evaluated exactly, reported in forms people read, delivered to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.sla.archive import FOLDER as ARCHIVE_FOLDER
from bascule.sla.archive import Archive, Archived
from bascule.sla.assess import (
    Events,
    Rules,
    Together,
    assess,
    budget,
    chart,
    is_breached,
    moments,
    spending,
    track,
    under,
    unresolved,
    worst,
)
from bascule.sla.baseline import FILE as BASELINE_FILE
from bascule.sla.baseline import Baseline
from bascule.sla.compare import Cell, mean, standardised
from bascule.sla.counts import EventGroup, GrowthCounts
from bascule.sla.evaluate import evaluate, freeze_baseline
from bascule.sla.history import FILE as HISTORY_FILE
from bascule.sla.history import remember
from bascule.sla.house import report_of
from bascule.sla.journal import JournalSpan
from bascule.sla.measured import silent_seconds
from bascule.sla.pieces import Pieces, cut
from bascule.sla.render.forms import FORMATS, render, told
from bascule.sla.render.html import render_html
from bascule.sla.render.mail import render_mail
from bascule.sla.render.numbers import Numbers
from bascule.sla.render.pdf import render_pdf
from bascule.sla.render.plain import render_json
from bascule.sla.render.tables import render_csv, render_markdown
from bascule.sla.render.texts import LANGUAGES, sentences
from bascule.sla.report import (
    Assessment,
    Burn,
    Change,
    Comparison,
    Episode,
    ErrorBudget,
    GainReport,
    Moment,
    Note,
    ObjectiveReport,
    PartReport,
    Planned,
    Point,
    Report,
    SlaOutcome,
    SlaState,
    Stratum,
    TimelineMark,
    WindowFigure,
)
from bascule.sla.reporter import SlaDocument, SLAReporter
from bascule.sla.schedule import due
from bascule.sla.scheduler import Scheduler
from bascule.sla.send import owe_archived, send_archived
from bascule.sla.windows import Calendar, ending, judged

if TYPE_CHECKING:
    import threading

    from bascule.spec import Spec

__all__ = [
    "ARCHIVE_FOLDER",
    "BASELINE_FILE",
    "FORMATS",
    "LANGUAGES",
    "HISTORY_FILE",
    "Archive",
    "Archived",
    "Assessment",
    "Baseline",
    "ErrorBudget",
    "EventGroup",
    "GrowthCounts",
    "Burn",
    "Calendar",
    "Cell",
    "Change",
    "Comparison",
    "Episode",
    "Events",
    "GainReport",
    "JournalSpan",
    "Moment",
    "Note",
    "Numbers",
    "ObjectiveReport",
    "PartReport",
    "Pieces",
    "Planned",
    "Point",
    "Report",
    "Rules",
    "SLAReporter",
    "Scheduler",
    "SlaDocument",
    "SlaOutcome",
    "SlaState",
    "Stratum",
    "TimelineMark",
    "Together",
    "WindowFigure",
    "assess",
    "sentences",
    "silent_seconds",
    "budget",
    "chart",
    "cut",
    "due",
    "ending",
    "evaluate",
    "freeze_baseline",
    "is_breached",
    "judged",
    "mean",
    "moments",
    "owe_archived",
    "remember",
    "render",
    "render_csv",
    "render_html",
    "render_json",
    "render_mail",
    "render_markdown",
    "render_pdf",
    "told",
    "report_of",
    "run",
    "send_archived",
    "spending",
    "standardised",
    "track",
    "under",
    "unresolved",
    "worst",
]


def run(spec: Spec, stop: threading.Event) -> None:
    """Make scheduled reports and show the archive until `stop` is set."""
    from bascule.sla import role  # a report alone needs no web server

    role.run(spec, stop)
