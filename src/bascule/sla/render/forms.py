"""The forms of a report by their names: how each is made, its file's suffix and its media type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from bascule.errors import UsageError
from bascule.sla.render.html import View, render_html
from bascule.sla.render.pdf import render_pdf
from bascule.sla.render.plain import render_json
from bascule.sla.render.tables import render_csv, render_markdown
from bascule.sla.report import Report

_Renderer = Callable[[Report, str], bytes]
FORMATS: Final[Mapping[str, _Renderer]] = {
    "html": lambda report, language: render_html(report, language).encode(),
    "pdf": render_pdf,
    "markdown": lambda report, language: render_markdown(report, language).encode(),
    "csv": lambda report, language: render_csv(report).encode(),
    "json": lambda report, language: render_json(report).encode(),
}
SUFFIXES: Final[Mapping[str, str]] = {"html": "html", "pdf": "pdf", "markdown": "md", "csv": "csv", "json": "json"}
MEDIA_TYPES: Final[Mapping[str, str]] = {
    "html": "text/html",
    "pdf": "application/pdf",
    "markdown": "text/markdown",
    "csv": "text/csv",
    "json": "application/json",
}


def told(report: Report, language: str = "en") -> str:
    """`PASS so far (17 min of 30 d)`."""
    return View.of(report, language).outcome(report)


def render(report: Report, form: str, language: str = "en") -> bytes:
    """The report in one of FORMATS; UsageError names them."""
    if form not in FORMATS:
        raise UsageError(f"there is no format {form!r}", f"formats are {', '.join(FORMATS)}")
    return FORMATS[form](report, language)
