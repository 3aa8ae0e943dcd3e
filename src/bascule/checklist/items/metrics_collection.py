"""Metrics flow: what a counter grows by on purpose is found in Prometheus, and every target of the spec is up."""

from __future__ import annotations

from bascule.checklist.deployed import first_of, own_targets, target_differences
from bascule.checklist.item import ItemEvidence, ItemOutcome, failed, judged, pre_deployment
from bascule.checklist.looked import Looked
from bascule.conventions import REQUESTS_REFUSED
from bascule.transport import Http

MARKERS = 7


@pre_deployment(5, "Metrics collection fonctionnelle")
def metrics_collection(looked: Looked) -> ItemOutcome:
    """The marker: requests that the journal refuses, because they ask for what is not there, and counts."""
    query = f'sum({REQUESTS_REFUSED.name}{{job="bascule-incidents"}}) or vector(0)'

    def counted() -> float:
        value = looked.prometheus.scalar(query)
        return value if isinstance(value, float) else 0.0

    before = counted()
    journal = Http("the journal", looked.spec.stack.url("incidents"), seconds=5.0)
    for _ in range(MARKERS):
        journal.ask("POST", "/api/phase", json={}, headers={"Authorization": "Bearer checklist-marker"})
    arrived = looked.until(lambda: counted() >= before + MARKERS)
    marker = ItemEvidence(query, f"{before:g} before {MARKERS} refused requests, {counted():g} after")
    if not arrived:
        return failed(f"the counter has not grown by {MARKERS} within {looked.wait:g} s", marker)
    targets = looked.prometheus.targets()
    own = own_targets(looked.spec, targets)
    down = [f"{each.job} ({each.instance}) is {each.health}: {each.last_error}" for each in own if each.health != "up"]
    up = ItemEvidence("Prometheus /api/v1/targets", f"{len(own) - len(down)} of {len(own)} are up")
    differences = target_differences(looked.spec, targets)
    compared = ItemEvidence("compared with the generated scrape jobs", f"{len(differences)} differences")
    return judged([*down, *first_of(differences)], marker, up, compared)
