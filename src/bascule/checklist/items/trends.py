"""Trends: each signal of the last week beside the week before."""

from __future__ import annotations

import math

from bascule.checklist.item import ItemEvidence, ItemOutcome, cannot, passed, post_deployment
from bascule.checklist.looked import Looked
from bascule.figures import figure
from bascule.promql import value_series
from bascule.spec import Spec

WEEK = "7d"
HOURS = 168
ENOUGH = 0.9  # of the hours of a week
NEEDED_SECONDS = 14 * 86400.0


def _signed(spec: Spec) -> object:
    return {name: signal.model_dump(mode="json") for name, signal in spec.signals.items()}


@post_deployment(3, "Performance trends analyzed", to_sign="a person has read the trends", signed=_signed)
def trends(looked: Looked) -> ItemOutcome:
    if missing := looked.too_young(NEEDED_SECONDS, "to compare two weeks"):
        return cannot(missing)
    evidence, unknown = [], []
    for name, signal in looked.spec.signals.items():
        series = f'{value_series(signal, "p95")}{{signal="{name}"}}'
        now, before = (_week(looked, series, end) for end in ("", f" offset {WEEK}"))
        for version in _serving(looked):
            if version not in now or version not in before:
                unknown.append(f"{name} of {version}")
                continue
            last, first = (figure(value, signal.unit) for value in (now[version], before[version]))
            evidence.append(ItemEvidence(_mean(series), f"{version}: {last}, the week before {first}"))
    if unknown:
        return cannot(f"fewer than {ENOUGH:.0%} of two weeks are known of {', '.join(unknown)}", *evidence)
    return passed(*evidence) if evidence else cannot("the spec has no signal")


def _serving(looked: Looked) -> tuple[str, ...]:
    """The versions that the plan gives traffic."""
    share, versions = looked.journal.phase().share, looked.spec.versions
    return (versions.baseline,) if share <= 0 else (versions.candidate,) if share >= 1 else versions.both


def _mean(series: str, end: str = "") -> str:
    return f"avg by (version) (avg_over_time({series}[{WEEK}]{end}))"


def _week(looked: Looked, series: str, end: str) -> dict[str, float]:
    """The mean of each version that is known for most hours of the week."""
    hours = f"max by (version) (count_over_time(({series} == {series})[{WEEK}:1h]{end}))"
    known = {version for version, number in _by_version(looked, hours).items() if number >= ENOUGH * HOURS}
    return {version: mean for version, mean in _by_version(looked, _mean(series, end)).items() if version in known}


def _by_version(looked: Looked, query: str) -> dict[str, float]:
    samples = looked.prometheus.instant(query)
    return {sample.labels.get("version", ""): sample.value for sample in samples if math.isfinite(sample.value)}
