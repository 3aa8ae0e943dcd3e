"""The alerts are not too sensitive: a replay of the last hour raises no alarm outside the journal's incidents."""

from __future__ import annotations

import time

from bascule import times
from bascule.api.models.journal import IncidentAnswer
from bascule.checklist.item import ItemEvidence, ItemOutcome, cannot, deployment, judged
from bascule.checklist.looked import Looked
from bascule.conventions import Severity
from bascule.generate.prometheus.rule_groups import rule_groups
from bascule.judge import backtest

LONGEST_SECONDS = 3600.0
LEAST_SECONDS = 60.0
SETTLE_SECONDS = 30.0


@deployment(2, "Alerting sensibilité ajustée", to_sign="the people who are called agree with the sensitivity")
def sensitivity(looked: Looked) -> ItemOutcome:
    now = time.time()
    start = now - min(LONGEST_SECONDS, max(0.0, looked.history - SETTLE_SECONDS))
    if now - start < LEAST_SECONDS:
        return cannot(f"Prometheus has {looked.history:.0f} s of history; a minute is needed")
    rules = [alert.as_yaml() for group in rule_groups(looked.spec) for alert in group.alerts]
    paging = [rule for rule in rules if Severity.of(rule["labels"]["severity"]).pages]
    replayed = backtest(looked.spec, looked.prometheus, start, now, rules=paging)
    if replayed.unseen:
        return cannot(f"the judge had nothing to compare: {' '.join(replayed.unseen)}")
    known = [_span(incident) for incident in looked.journal.incidents(start)]
    false = [each for each in replayed.fired if not any(a <= each.fired <= b for a, b in known)]
    asked = f"replay of {len(paging)} rules and the judge over {times.lasting(now - start)}"
    return judged((f"{each.by} would have fired" for each in false), ItemEvidence(asked, f"{len(false)} false alarms"))


def _span(incident: IncidentAnswer) -> tuple[float, float]:
    """A minute around it: a rule that is replayed begins with the first sample that it can see."""
    return incident.starts.timestamp() - 60, (incident.resolved or incident.received).timestamp() + 60
