"""The views of both versions side by side have both versions."""

from __future__ import annotations

from bascule.checklist.item import ItemEvidence, ItemOutcome, cannot, deployment, judged
from bascule.checklist.looked import Looked
from bascule.promql import value_series


@deployment(3, "Dashboards comparatifs V1/V2 opérationnels")
def compared_dashboards(looked: Looked) -> ItemOutcome:
    spec = looked.spec
    if looked.journal.phase().share <= 0:
        return cannot(f"the plan gives {spec.versions.candidate} no traffic yet")
    if not spec.signals:
        return cannot("the spec has no signal to compare")
    found = {}
    for name, signal in spec.signals.items():
        series = f'{value_series(signal, "p95")}{{signal="{name}"}}'
        query = f"count by (version) ({series} == {series})"  # what is not a number is no value
        found[query] = {sample.labels.get("version", "") for sample in looked.prometheus.instant(query)}
    lacking = [
        f"{query} has no {version}"
        for query, seen in found.items()
        for version in spec.versions.both
        if version not in seen
    ]
    evidence = [ItemEvidence(query, f"of {', '.join(sorted(seen)) or 'no version'}") for query, seen in found.items()]
    return judged(lacking, *evidence)
