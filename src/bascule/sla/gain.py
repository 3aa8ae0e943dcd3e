"""The gain that is wanted over V1 ("+13 points"): mix-adjusted, against V1 now or, once it is gone, frozen."""

from __future__ import annotations

from collections.abc import Mapping

from bascule.sla.baseline import Baseline
from bascule.sla.compare import Cell, cells, events_of, mean, standardised
from bascule.sla.data import Data
from bascule.sla.report import GainReport, SlaState
from bascule.slo import EXACT, EventSlo, Slo
from bascule.spec.quantities import Gain
from bascule.states import Cause


def gain_of(data: Data, slo: Slo, start: float, end: float, frozen: Baseline | None) -> GainReport | None:
    """None when the objective wants no gain."""
    wanted = slo.declared.gain
    if wanted is None or not isinstance(slo, EventSlo) or not slo.signal.is_share:
        return None
    old, new = data.spec.versions.both
    table = cells(data, slo.signal, start, end)
    frozen_at = None
    if frozen is not None and not events_of(table, old):
        table = _with_frozen(table, old, frozen.cells(slo.counted.name))
        frozen_at = frozen.end
    before, after = standardised(table, (old, new), mean)
    counted = events_of(table, old), events_of(table, new)
    value = _value(wanted, before, after, slo.signal.counts_bad)
    cause = _cause(value, counted, data.spec.judge.min_samples)
    if counted[1] and any(data.unproven(slo.counted.name, version) for version in (old, new)):
        value, cause = None, Cause.UNPROVEN
    standing = _standing(wanted, value, cause) if counted[1] else SlaState.NOT_APPLICABLE
    return GainReport(
        _written(wanted), wanted.amount, wanted.relative, before, after, value, standing, *counted, frozen_at, cause
    )


def _with_frozen(
    table: Mapping[str, Mapping[str, Cell]], version: str, frozen: Mapping[str, Cell]
) -> dict[str, dict[str, Cell]]:
    segments = set(table) | set(frozen)
    result = {segment: dict(table.get(segment, {})) for segment in sorted(segments)}
    for segment, cell in frozen.items():
        result[segment][version] = cell
    return result


def _value(wanted: Gain, before: float | None, after: float | None, counts_bad: bool) -> float | None:
    if before is None or after is None:
        return None
    difference = before - after if counts_bad else after - before
    if not wanted.relative:
        return difference
    return difference / before if before > 0 else None


def _cause(value: float | None, counted: tuple[float, float], least: int) -> Cause | None:
    """Why there is no gain; `counted`: events of the old version, and of the new one, not judged without any."""
    old, new = counted
    if new == 0:
        return None
    if old == 0:
        return Cause.NO_BASELINE
    if min(counted) < least:
        return Cause.TOO_FEW
    return Cause.NO_BASELINE if value is None else None


def _standing(wanted: Gain, value: float | None, cause: Cause | None) -> SlaState:
    if cause is not None or value is None:
        return SlaState.NO_DATA
    return SlaState.OK if value >= wanted.amount - EXACT else SlaState.CRITICAL


def _written(wanted: Gain) -> str:
    return f"+{wanted.amount * 100:g}%" if wanted.relative else f"+{wanted.amount * 100:g}pt"
