"""A report in the forms people read: HTML, PDF, Markdown, CSV and JSON, in English and French."""

from bascule.sla.render.html import render_html
from bascule.sla.render.plain import render_json

__all__ = ["render_html", "render_json"]
