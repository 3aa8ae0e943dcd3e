"""The report as PDF, from the same page that HTML is made of."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bascule.errors import UsageError
from bascule.sla.render.html import render_html
from bascule.sla.report import Report

_EPOCH: Final = "SOURCE_DATE_EPOCH"


def render_pdf(report: Report, language: str = "en") -> bytes:
    """A4; identical data gives identical bytes. Raises UsageError where WeasyPrint is not installed."""
    try:
        import weasyprint
    except (ImportError, OSError) as error:
        what = f"PDF needs WeasyPrint and Pango: {error}"
        raise UsageError(
            what, "pip install 'bascule[report]' and, on Debian, apt-get install libpango-1.0-0"
        ) from error
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    page = render_html(report, language)
    identity = hashlib.sha256(page.encode()).digest()[:16]
    with _dated(report.end):
        pdf: bytes = weasyprint.HTML(string=page, base_url="").write_pdf(pdf_identifier=identity)
    return pdf


@contextmanager
def _dated(time: float) -> Iterator[None]:
    """Fonts that are embedded carry the date of their making; the reproducible-builds variable sets it."""
    before = os.environ.get(_EPOCH)
    os.environ[_EPOCH] = str(int(time))
    try:
        yield
    finally:
        if before is None:
            del os.environ[_EPOCH]
        else:
            os.environ[_EPOCH] = before
