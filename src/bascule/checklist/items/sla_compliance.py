"""The SLAs are kept."""

from __future__ import annotations

import time

from bascule import sla
from bascule.checklist.item import ItemEvidence, ItemOutcome, cannot, judged, post_deployment
from bascule.checklist.looked import Looked
from bascule.sla import ObjectiveReport, SlaOutcome

LONGEST_SECONDS = 30 * 86400.0


@post_deployment(1, "SLA compliance vérifiée")
def sla_compliance(looked: Looked) -> ItemOutcome:
    now = time.time()
    start = now - min(LONGEST_SECONDS, looked.history)
    report = sla.evaluate(looked.spec, looked.prometheus, start, now)
    evidence = [_evidence(looked, each) for each in report.objectives]
    failing = [each for each in report.objectives if each.outcome is SlaOutcome.FAIL]
    breached = [f"{each.name} is breached" for each in failing if not each.is_so_far]
    if failing and not breached:
        early = ", ".join(each.name for each in failing)
        return cannot(f"missed so far, but too little of the window was monitored to decide: {early}", *evidence)
    if not breached and report.outcome is SlaOutcome.NO_DATA:
        return cannot("an SLA has no data", *evidence)
    return judged(breached, *evidence)


def _evidence(looked: Looked, each: ObjectiveReport) -> ItemEvidence:
    declared = looked.spec.slas.named[each.name].objective
    return ItemEvidence(f"SLA {each.name} {declared}", f"{each.outcome}{' so far' if each.is_so_far else ''}")
