"""Service level objectives: evaluated exactly, reported in forms people read, delivered to them."""

from bascule.sla.baseline import Baseline
from bascule.sla.evaluate import evaluate
from bascule.sla.render import render_html, render_json
from bascule.sla.report import Outcome, Report, Standing

__all__ = ["Baseline", "Outcome", "Report", "Standing", "evaluate", "render_html", "render_json"]
