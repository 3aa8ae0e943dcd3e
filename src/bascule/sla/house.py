"""A report with what the house remembers: V1's frozen figures, and objectives that were written differently."""

from __future__ import annotations

from collections.abc import Collection

from bascule.prometheus import Prometheus
from bascule.sla import history
from bascule.sla.baseline import FILE as BASELINE_FILE
from bascule.sla.baseline import Baseline
from bascule.sla.evaluate import evaluate
from bascule.sla.report import Report
from bascule.spec import Spec


def report_of(
    spec: Spec, prometheus: Prometheus, start: float, end: float, now: float, only: Collection[str] = ()
) -> Report:
    """`evaluate`, with the spec's state folder; where there is none, nothing is remembered and none is made."""
    state = spec.stack.state
    changes = history.remember(spec, state / history.FILE, now) if state.is_dir() else ()
    frozen = Baseline.read(state / BASELINE_FILE)
    return evaluate(spec, prometheus, start, end, baseline=frozen, only=only, changes=changes)
