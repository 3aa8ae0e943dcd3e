"""`SLAReporter`, as the source document calls it: the same two methods, doing what they say."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bascule import times
from bascule.api.servers import prometheus_of
from bascule.delivery import Delivery
from bascule.errors import UsageError
from bascule.sla.archive import FOLDER, Archive
from bascule.sla.house import report_of
from bascule.sla.report import ObjectiveReport, Report, SlaOutcome
from bascule.sla.send import send_archived
from bascule.slo import SloKind
from bascule.spec import BUILT_IN, Spec, load
from bascule.times import rfc3339
from bascule.transport import Credentials

Moment = float | str | datetime
_TIMEOUT = 120.0


class SlaDocument(dict[str, Any]):
    """The source document's dictionary; `report` holds everything there is to know."""

    def __init__(self, report: Report) -> None:
        self.report = report
        period = f"{rfc3339(report.start)} to {rfc3339(report.end)}"
        super().__init__(period=period, sla_metrics={o.name: _metric(o) for o in report.objectives})


class SLAReporter:
    """Reports the SLAs of a spec (the built-in SuperSmartMatch one when none is given) from a Prometheus.

    `credentials`: what it asks for, by default those of the spec's `stack.access`.
    """

    def __init__(
        self, prometheus_url: str, spec: Spec | Path | str = BUILT_IN, credentials: Credentials | None = None
    ) -> None:
        self.spec = spec if isinstance(spec, Spec) else load(spec)
        self.prometheus = prometheus_of(self.spec, _TIMEOUT, prometheus_url, credentials)

    def generate_sla_report(self, start_time: Moment, end_time: Moment) -> SlaDocument:
        """The report of a span; times are Unix seconds, RFC 3339 text or datetimes (naive ones are UTC)."""
        return SlaDocument(report_of(self.spec, self.prometheus, _seconds(start_time), _seconds(end_time), time.time()))

    def send_sla_report(
        self, recipients: str | Iterable[str], report: SlaDocument | Report, language: str = "en"
    ) -> list[Delivery]:
        """Keep the report in the archive, and send it to receivers of the spec or to mail addresses."""
        archive = Archive(self.spec.stack.state / FOLDER)
        found = report.report if isinstance(report, SlaDocument) else report
        entry = archive.keep(found, ("pdf",), language, time.time())
        to = [recipients] if isinstance(recipients, str) else list(recipients)
        return send_archived(self.spec, archive, entry, to)


def _metric(objective: ObjectiveReport) -> dict[str, Any]:
    """Availability in percent, everything else in its base unit, as the source document has it."""
    figure = objective.whole.deciding
    scale = 100.0 if objective.promise.kind is SloKind.AVAILABILITY else 1.0
    value = figure.value * scale if figure is not None and figure.value is not None else None
    return {
        "target": objective.promise.bound * scale,
        "actual": value,
        "status": objective.whole.outcome.value,
        "parts_not_kept": [r.name for r in objective.rows if r.own_target and r.assessment.outcome is SlaOutcome.FAIL],
        "state": objective.standing.value,
        "budget_left": objective.budget.left,
        "coverage": objective.headline.coverage,
        "so_far": objective.is_so_far,
        "cause": objective.cause,
    }


def _seconds(moment: Moment) -> float:
    if isinstance(moment, int | float):
        return float(moment)
    if isinstance(moment, str):
        try:
            moment = times.parse(moment)
        except ValueError as error:
            raise UsageError(f"{moment!r} is not a time", "write 2026-01-31T08:00:00Z") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
