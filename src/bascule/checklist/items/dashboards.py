"""Every panel of the dashboards has data."""

from __future__ import annotations

from bascule.checklist.item import ItemEvidence, ItemOutcome, cannot, failed, passed, pre_deployment
from bascule.checklist.looked import Looked
from bascule.conventions import LOG_RETENTION, Recorded
from bascule.discover import CheckedExpression
from bascule.generate.grafana.dashboards import grafana_files
from bascule.promql import read_by

RETENTION_SECONDS = 60 * 86400.0  # two windows of 30 days
_NEEDS_HISTORY = (Recorded.RETENTION, LOG_RETENTION.name)


@pre_deployment(
    1,
    "Tous les dashboards créés et testés",
    to_sign="the dashboards were opened in the Grafana that people use",
    signed=grafana_files,
)
def dashboards(looked: Looked) -> ItemOutcome:
    panels = [found for found in looked.expressions if ": panel " in found.where]
    if not panels:
        return cannot("no dashboard has a panel")
    by_state = {state: [found for found in panels if found.state == state] for state in ("ok", "not_applicable")}
    without = [found for found in panels if found.state not in by_state]
    later = [found for found in without if _comes_with_time(found) and looked.history < RETENTION_SECONDS]
    lacking = [found for found in without if found not in later]
    answered = ItemEvidence("panels' queries on Prometheus", f"{len(by_state['ok'])} of {len(panels)} have data")
    evidence = [
        answered,
        *(ItemEvidence(f"not applicable now: {found.why}", found.where) for found in by_state["not_applicable"]),
        *(ItemEvidence("has data after 60 days of logs", found.where) for found in later),
    ]
    if lacking:
        return failed(f"{len(lacking)} queries have no data, first: {lacking[0]}", *evidence)
    return passed(*evidence) if by_state["ok"] else cannot("no panel can have data yet", *evidence)


def _comes_with_time(found: CheckedExpression) -> bool:
    """Whether it is empty, and not refused, and reads what only two months of logs give."""
    return found.state == "empty" and any(
        selector.is_of(name) for selector in read_by(found.expression) for name in _NEEDS_HISTORY
    )
