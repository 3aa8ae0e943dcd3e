"""Trends: each signal of the last week beside the week before."""

from __future__ import annotations

from bascule.checklist.item import ItemEvidence, ItemOutcome, cannot, passed, post_deployment
from bascule.checklist.looked import Looked
from bascule.figures import figure
from bascule.promql import value_series

WEEK = "7d"
NEEDED_SECONDS = 14 * 86400.0


@post_deployment(3, "Performance trends analyzed", to_sign="a person has read the trends")
def trends(looked: Looked) -> ItemOutcome:
    if missing := looked.too_young(NEEDED_SECONDS, "to compare two weeks"):
        return cannot(missing)
    evidence = []
    for name, signal in looked.spec.signals.items():
        series = value_series(signal, "p95") if signal.buckets is not None else value_series(signal)
        query = f'avg by (version) (avg_over_time({series}{{signal="{name}"}}[{WEEK}]'
        now, before = (_by_version(looked, f"{query}{end}))") for end in ("", f" offset {WEEK}"))
        for version in sorted(now):
            values = (figure(value, signal.unit) for value in (now[version], before.get(version)))
            told = f"{version}: {', the week before '.join(values)}"
            evidence.append(ItemEvidence(f"{query}))", told))
    return passed(*evidence) if evidence else cannot("no signal has a value of the last week")


def _by_version(looked: Looked, query: str) -> dict[str, float]:
    return {sample.labels.get("version", ""): sample.value for sample in looked.prometheus.instant(query)}
