"""A report made by hand, and pieces and events to assess."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bascule.sla import (
    Comparison,
    Episode,
    Events,
    GainReport,
    Note,
    ObjectiveReport,
    PartReport,
    Planned,
    Report,
    Rules,
    SlaState,
    Stratum,
    TimelineMark,
    assess,
    budget,
    chart,
    cut,
    moments,
    spending,
    track,
)
from bascule.slo import Goal, SloKind

START = 1_767_222_000.0  # 2026-01-01T00:00 in Paris
DAY = 86400.0
PROMISES = {
    "availability": Goal(SloKind.AVAILABILITY, 0.999, "99.9%"),
    "response_time": Goal(SloKind.LATENCY, 0.95, "95% < 100ms", 0.1, 0.95),
    "accuracy": Goal(SloKind.FLOOR, 0.85, "85%"),
    "error_rate": Goal(SloKind.CEILING, 0.99, "< 1%", 0.01),
}


def made_objective(name: str, bad_hours: dict[int, float], days: int = 30) -> ObjectiveReport:
    """An objective with a share of bad events in some hours of the span."""
    pieces = cut(START, START + days * DAY, 60)
    total = np.full(len(pieces), 3600.0)
    bad = np.zeros(len(pieces))
    for hour, share in bad_hours.items():
        bad[hour] = 3600 * share
    promise = PROMISES[name]
    buckets = {0.05: (total - bad) * 0.8, 0.1: total - bad, math.inf: total} if promise.kind is SloKind.LATENCY else {}
    events = Events(pieces, total - bad, total, (buckets,) if buckets else ())
    window = (pieces.start, pieces.end)
    whole = assess(promise, events, [window], [window], Rules(0.9, 900, 100))
    rows = (PartReport("service", "supersmartmatch-v2", promise, True, whole, 0.987),)
    return ObjectiveReport(
        name=name,
        promise=promise,
        window=30 * DAY,
        window_kind="rolling",
        outcome=whole.outcome,
        whole=whole,
        rows=rows,
        budget=budget(promise, events, whole.current, 30 * DAY),
        gain=None,
        chart=chart(promise, events),
        track=track(promise, events, [window]),
        spending=spending(promise, events, pieces.start),
        moments=moments(promise, events),
        previous=None,
        covered=29.8 * DAY,
        wanted=30 * DAY,
        source="raw",
    )


@pytest.fixture
def report() -> Report:
    """A month with one breach, a hostile name and everything a report can hold."""
    gain = GainReport("+13pt", 0.13, False, 0.82, 0.955, 0.135, SlaState.OK, 10_000.0, 12_000.0)
    accuracy = made_objective("accuracy", {5: 0.1})
    objectives = (
        made_objective("availability", {100: 0.05}),
        made_objective("response_time", {200: 0.4, 201: 0.3}),
        type(accuracy)(**{**vars(accuracy), "gain": gain, "previous": 0.91}),
        made_objective("error_rate", dict.fromkeys(range(300, 348), 0.2)),
    )
    strata = (Stratum("freemium", 0.02, 0.01, 100.0, 120.0),)
    return Report(
        name="supersmartmatch",
        title="SuperSmartMatch <V2>",
        timezone="Europe/Paris",
        currency="EUR",
        baseline="v1",
        candidate="v2",
        start=START,
        end=START + 30 * DAY,
        interval=15.0,
        objectives=objectives,
        comparisons=(Comparison("errors", "ratio", "lower", 0.02, 0.01, -0.01, strata),),
        maintenance=(Planned(START + DAY, START + DAY + 7200, "move | of <racks>", ("redis",)),),
        incidents=(
            Episode(7, "CandidateWorse", "critical", "technical", "v2", START + 12.6 * DAY, START + 13 * DAY, "worse"),
        ),
        marks=(TimelineMark(START + 10 * DAY, "phase", "phase 3: 50% to the candidate (gates passed)", "ada", 3, 0.5),),
        notes=(Note("retention", {"time": str(START + 3600)}),),
    )
