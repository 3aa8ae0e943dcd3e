"""Every panel of the dashboards has data."""

from __future__ import annotations

from bascule.checklist.item import ItemEvidence, ItemOutcome, failed, passed, pre_deployment
from bascule.checklist.looked import Looked
from bascule.conventions import LOG_RETENTION, Recorded
from bascule.discover import CheckedExpression

RETENTION_SECONDS = 60 * 86400.0  # two windows of 30 days
_NEEDS_HISTORY = (Recorded.RETENTION, LOG_RETENTION.name)


@pre_deployment(
    1, "Tous les dashboards créés et testés", to_sign="the dashboards were opened in the Grafana that people use"
)
def dashboards(looked: Looked) -> ItemOutcome:
    panels = [found for found in looked.expressions if ": panel " in found.where]
    empty = [found for found in panels if found.state in ("empty", "error")]
    later = [found for found in empty if _comes_with_time(found) and looked.history < RETENTION_SECONDS]
    lacking = [found for found in empty if found not in later]
    answered = ItemEvidence("panels' queries on Prometheus", f"{len(panels) - len(empty)} of {len(panels)} have data")
    evidence = [answered, *(ItemEvidence("has data after 60 days of logs", found.where) for found in later)]
    if lacking:
        return failed(f"{len(lacking)} queries have no data, first: {lacking[0]}", *evidence)
    return passed(*evidence)


def _comes_with_time(found: CheckedExpression) -> bool:
    return any(name in found.expression for name in _NEEDS_HISTORY)
