"""The business metrics are there, of both versions: accuracy, satisfaction, revenue."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.checklist.item import ItemOutcome, answered, failed, judged, pre_deployment
from bascule.checklist.looked import Looked
from bascule.spec.signals import Role

BUSINESS = (Role.ACCURACY, Role.SATISFACTION, Role.REVENUE)


@pre_deployment(6, "Custom business metrics implémentées")
def business_metrics(looked: Looked) -> ItemOutcome:
    names = [name for name, role in looked.spec.signal_roles.items() if role in BUSINESS]
    if not names:
        return failed("no signal of the spec has a business role (accuracy, satisfaction, revenue)")
    unselected = [f"signal {name} selects no series" for name in names if not looked.spec.signals[name].selectors]
    found = {query: looked.prometheus.scalar(query) for name in names for query in _queries(looked, name)}
    missing = [query for query, value in found.items() if not isinstance(value, float)]
    evidence = [answered(query, value, "series") for query, value in found.items()]
    return judged([*unselected, *(f"no series: {query}" for query in missing)], *evidence)


def _queries(looked: Looked, name: str) -> Iterator[str]:
    """The baseline's always; the candidate's once the plan gives it traffic."""
    versions = looked.spec.versions
    serving = versions.both if looked.journal.phase().share > 0 else (versions.baseline,)
    for selector in looked.spec.signals[name].selectors.values():
        for version in serving:
            yield f"count({selector.where(*versions.matchers(version))})"
