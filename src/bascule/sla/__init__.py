"""Service level objectives: evaluated exactly, reported in forms people read, delivered to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.sla.archive import FOLDER as ARCHIVE_FOLDER
from bascule.sla.archive import Archive, Archived
from bascule.sla.baseline import FILE as BASELINE_FILE
from bascule.sla.baseline import Baseline
from bascule.sla.evaluate import evaluate, freeze_baseline
from bascule.sla.history import FILE as HISTORY_FILE
from bascule.sla.history import remember
from bascule.sla.house import report_of
from bascule.sla.render import FORMATS, render, render_csv, render_html, render_json, render_markdown, render_pdf
from bascule.sla.report import Outcome, Report, Standing
from bascule.sla.reporter import SlaDocument, SLAReporter
from bascule.sla.send import send_archived

if TYPE_CHECKING:
    import threading

    from bascule.spec import Spec

__all__ = [
    "ARCHIVE_FOLDER",
    "BASELINE_FILE",
    "FORMATS",
    "HISTORY_FILE",
    "Archive",
    "Archived",
    "Baseline",
    "Outcome",
    "Report",
    "SLAReporter",
    "SlaDocument",
    "Standing",
    "evaluate",
    "freeze_baseline",
    "remember",
    "render",
    "render_csv",
    "render_html",
    "render_json",
    "render_markdown",
    "render_pdf",
    "report_of",
    "run",
    "send_archived",
]


def run(spec: Spec, stop: threading.Event) -> None:
    """Make scheduled reports and show the archive until `stop` is set."""
    from bascule.sla import role  # a report alone needs no web server

    role.run(spec, stop)
