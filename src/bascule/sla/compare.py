"""V1 vs V2, mix-adjusted: the mix alone must never make a difference (Simpson's paradox).

Each segment in which both versions served weighs what both served there together; a segment that one version never
served is shown, and left out of the difference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bascule.buckets import pooled, quantile
from bascule.sla.counts import GrowthCounts
from bascule.sla.data import Data
from bascule.sla.report import Comparison, Stratum
from bascule.spec.counters import quantile_of as number_of
from bascule.spec.signals import SignalPart

Buckets = Mapping[float, float]


@dataclass(frozen=True)
class Cell:
    """One version in one segment: what was summed, over how many events; buckets for a distribution."""

    amount: float
    events: float
    buckets: Buckets | None = None


Cells = Mapping[str, Mapping[str, Cell]]  # segment -> version -> cell
Statistic = Callable[[Iterable[tuple[Cell, float]]], float | None]


def cells(data: Data, signal: SignalPart, start: float, end: float) -> Cells:
    amounts = data.counts(signal.numerator, signal.all_events) if signal.numerator else None
    return _split(data, start, end, data.total(signal), amounts)


def _split(data: Data, start: float, end: float, events: GrowthCounts, amounts: GrowthCounts | None) -> Cells:
    window = data.pieces.within(start, end)
    result: dict[str, dict[str, Cell]] = {}
    for segment in events.values("segment") or [""]:
        for version in data.spec.versions.both:
            mine = events.where(segment=segment, version=version)
            cell = _cell(mine, amounts.where(segment=segment, version=version) if amounts else None, window)
            if cell.events > 0:
                result.setdefault(segment, {})[version] = cell
    return result


def _cell(events: GrowthCounts, amounts: GrowthCounts | None, window: slice) -> Cell:
    if amounts is not None:
        return Cell(float(amounts.total[window].sum()), float(events.total[window].sum()))
    buckets = events.buckets(window)
    return Cell(0.0, buckets.get(math.inf, 0.0), buckets)


def mean(weighted: Iterable[tuple[Cell, float]]) -> float | None:
    """The mean of cells, each weighing what it is given: sums of `amount / events`, weights normed."""
    pairs = [(cell.amount / cell.events, weight) for cell, weight in weighted if cell.events > 0]
    total = sum(weight for _, weight in pairs)
    return sum(value * weight for value, weight in pairs) / total if total > 0 else None


def quantile_of(q: float) -> Statistic:
    """A quantile of cells merged, each weighing what it is given."""

    def statistic(weighted: Iterable[tuple[Cell, float]]) -> float | None:
        each = (
            {bound: count * (weight / cell.events) for bound, count in (cell.buckets or {}).items()}
            for cell, weight in weighted
        )
        value = quantile(q, pooled(each))
        return value if math.isfinite(value) else None

    return statistic


def standardised(table: Cells, versions: Sequence[str], statistic: Statistic) -> tuple[float | None, float | None]:
    """Baseline's and candidate's value at the mix of segments that both served."""
    shared = {segment: row for segment, row in table.items() if all(version in row for version in versions)}
    weights = {segment: sum(cell.events for cell in row.values()) for segment, row in shared.items()}
    baseline, candidate = (statistic((row[v], weights[s]) for s, row in shared.items()) for v in versions)
    return (baseline, candidate) if shared else (None, None)


def crude(table: Cells, version: str, statistic: Statistic) -> float | None:
    """A version's value at the mix it served."""
    return statistic((row[version], row[version].events) for row in table.values() if version in row)


def events_of(table: Cells, version: str) -> float:
    return sum(row[version].events for row in table.values() if version in row)


def comparisons(data: Data) -> Iterator[Comparison]:
    """V1 vs V2 on every signal that counts events."""
    for name, signal in data.spec.signals.items():
        if signal.all_events is None:
            continue
        table = _proven(data, name, cells(data, signal, data.pieces.start, data.pieces.end))
        if signal.buckets is None:
            yield _comparison(data, name, signal, table, mean)
        else:
            for quantile_name in signal.quantile_targets or ("p95",):
                yield _comparison(data, f"{name}.{quantile_name}", signal, table, quantile_of(number_of(quantile_name)))


def _proven(data: Data, name: str, table: Cells) -> Cells:
    """Without the versions on which a selector of the signal cannot count what it names."""
    versions = [version for version in data.spec.versions.both if not data.unproven(name, version)]
    return {segment: {v: row[v] for v in versions if v in row} for segment, row in table.items()}


def _comparison(data: Data, measure: str, signal: SignalPart, table: Cells, of: Statistic) -> Comparison:
    """In base units, whatever the signal's unit is."""
    baseline, candidate = data.spec.versions.both

    def statistic(weighted: Iterable[tuple[Cell, float]]) -> float | None:
        value = of(weighted)
        return None if value is None else signal.measured_in.to_base(value)

    low, high = standardised(table, data.spec.versions.both, statistic)
    strata = tuple(_stratum(segment, row, baseline, candidate, statistic) for segment, row in sorted(table.items()))
    return Comparison(
        measure=measure,
        unit=signal.measured_in.base,
        better=signal.better,
        baseline=low if low is not None else crude(table, baseline, statistic),
        candidate=high if high is not None else crude(table, candidate, statistic),
        difference=high - low if low is not None and high is not None else None,
        strata=strata,
    )


def _stratum(segment: str, row: Mapping[str, Cell], baseline: str, candidate: str, statistic: Statistic) -> Stratum:
    values = {version: statistic([(cell, 1.0)]) for version, cell in row.items()}
    events = {version: cell.events for version, cell in row.items()}
    return Stratum(
        segment, values.get(baseline), values.get(candidate), events.get(baseline, 0.0), events.get(candidate, 0.0)
    )
