"""The candidate's real share beside the planned one: within the tolerance, off the plan, or not yet known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bascule.conventions import OTHER, TOTAL_SEGMENT, State
from bascule.judge.evidence.engine import PhaseEngine
from bascule.judge.evidence.split import Split, total_of
from bascule.judge.sampling.surroundings import Surroundings
from bascule.judge.texts import share_text


@dataclass(frozen=True)
class SegmentShare:
    """One segment's share of the last minutes: planned, real, and the confidence bounds; None: not known.

    `state`: bad when the bounds lie wholly beyond the tolerance.
    """

    segment: str
    planned: float | None
    actual: float | None
    low: float | None
    high: float | None
    events: float
    state: State
    text: str


def shares_of(engine: PhaseEngine, around: Surroundings) -> tuple[SegmentShare, ...]:
    """A row for each segment, and one for all of them."""
    splits = [engine.splits.of(name, around.partners.get(name)) for name in engine.splits.segments]
    events = sum(split.events for split in splits)
    if around.users and events > 0:
        splits = [split.of_users(around.users * split.events / events) if split.events else split for split in splits]
    planned = [engine.plan.share(split.segment) for split in splits]
    tolerance = engine.schema.spec.thresholds.share_tolerance
    rows = [
        _row(split, share, tolerance)
        for split, share in zip(splits, planned, strict=True)
        if split.segment != TOTAL_SEGMENT and (split.segment != OTHER or split.events > 0)
    ]
    return (*rows, _row(total_of(splits), _planned_in_total(splits, planned), tolerance))


def _planned_in_total(splits: Sequence[Split], planned: Sequence[float | None]) -> float | None:
    """What the plan means for all requests depends on how many each segment has."""
    events = sum(split.events for split in splits)
    if len(splits) == 1 or not events:
        return planned[0] if len(splits) == 1 else None
    known = [(split.events, share) for split, share in zip(splits, planned, strict=True) if share is not None]
    return sum(size * share for size, share in known) / events if len(known) == len(splits) else None


def _row(split: Split, planned: float | None, tolerance: float) -> SegmentShare:
    name = "all requests" if split.segment == TOTAL_SEGMENT else split.segment
    if split.events <= 0:
        state = State.NOT_APPLICABLE if planned in (None, 0.0) else State.NO_DATA
        text = f"Share of {name}: planned {_shown(planned)}, no requests seen yet."
        return SegmentShare(split.segment, planned, None, None, None, 0.0, state, text)
    (low, high), actual = split.bounds(planned), split.candidate / split.events
    state = _state(planned, low, high, tolerance)
    off = f", off the plan by more than {100 * tolerance:g} pt" if state is State.BAD else ""
    measured = f"{share_text(actual)} ({share_text(low)} to {share_text(high)})"
    text = f"Share of {name}: planned {_shown(planned)}, actual {measured}{off}."
    return SegmentShare(split.segment, planned, actual, low, high, split.events, state, text)


def _state(planned: float | None, low: float, high: float, tolerance: float) -> State:
    if planned is None:
        return State.NOT_APPLICABLE
    return State.BAD if low > planned + tolerance or high < planned - tolerance else State.OK


def _shown(share: float | None) -> str:
    return "unknown" if share is None else share_text(share)
