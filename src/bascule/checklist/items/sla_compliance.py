"""The SLAs are kept, each over the whole of its window."""

from __future__ import annotations

import time

from bascule import sla, times
from bascule.checklist.item import ItemEvidence, ItemOutcome, cannot, judged, post_deployment
from bascule.checklist.looked import Looked
from bascule.sla import ObjectiveReport, SlaOutcome

LONGEST_SECONDS = 30 * 86400.0


@post_deployment(1, "SLA compliance vérifiée")
def sla_compliance(looked: Looked) -> ItemOutcome:
    now = time.time()
    start = now - min(LONGEST_SECONDS, looked.history)
    report = sla.evaluate(looked.spec, looked.prometheus, start, now)
    if not report.objectives:
        return cannot("the spec declares no SLA; add some under slas")
    evidence = [_evidence(looked, each) for each in report.objectives]
    breached = [each.name for each in report.objectives if each.outcome is SlaOutcome.FAIL and not each.is_so_far]
    undecided = filter(None, map(_undecided, report.objectives))
    return judged((f"{name} is breached" for name in breached), *evidence, unknown=undecided)


def _undecided(each: ObjectiveReport) -> str:
    """Why it is neither kept nor breached; empty where it is kept, on all of its window."""
    if each.outcome is SlaOutcome.NO_DATA:
        return f"{each.name} has no data"
    if each.outcome is SlaOutcome.NOT_APPLICABLE:
        return f"{each.name} does not apply yet"
    if not each.is_so_far:
        return ""
    known, window = times.lasting(each.covered), times.lasting(each.wanted)
    return f"{each.name} is known for {known} of {window}, too little to decide"


def _evidence(looked: Looked, each: ObjectiveReport) -> ItemEvidence:
    declared = looked.spec.slas.named[each.name].objective
    return ItemEvidence(f"SLA {each.name} {declared}", f"{each.outcome}{' so far' if each.is_so_far else ''}")
