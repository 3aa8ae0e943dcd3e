"""Gates to the next phase and rollback triggers.

A gate is decided when the whole interval of its measure is on one side of the bound (the interval is valid at every
evaluation, so it may be decided at any moment); until then it has no data *enough*, and says so. A rollback trigger is
a bound on what users meet now: the candidate's own figures over the last 30 s, beyond the bound for all of its `for`.
Of a quantile the buckets tell between which two bounds it lies: a target between these two is not decided by it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from bascule.buckets import bucket_of
from bascule.conventions import TOTAL_SEGMENT, State
from bascule.judge.evidence.courses import is_gain
from bascule.judge.evidence.engine import PhaseEngine
from bascule.judge.evidence.figures import Bounded
from bascule.judge.evidence.measures import Measures
from bascule.judge.layout import CANDIDATE, Flags, Floats
from bascule.judge.sampling.attendance import EARLY_INTERVALS, Attended
from bascule.judge.sampling.attendance import KEPT_SECONDS as GATE_SECONDS
from bascule.judge.sampling.schema import Schema
from bascule.judge.sampling.surroundings import Surroundings
from bascule.judge.service.verdict import Gate, Trigger
from bascule.judge.texts import difference_text, share_text, span_text, value_text
from bascule.spec.gains import is_relative
from bascule.spec.model import AVAILABILITY, Rollback, Spec
from bascule.spec.quantities import Threshold
from bascule.states import Cause, Missing, no_data
from bascule.units import signed_text

LONGEST_FORECAST = 30 * 86400.0
BUCKETS_END = f"where the buckets of both versions end: {no_data(Cause.BUCKET)}"
EVALUATED_SECONDS = 2.0  # until a scrape is evaluated
ABSENCES = (Cause.NOT_STORED, Cause.CLOCK, Cause.LOST, Cause.STALE, Cause.NO_SERIES)
NOTHING_ATTENDED = Attended(math.nan, 0.0, 1.0)


def gates_of(engine: PhaseEngine, measures: Measures, around: Surroundings, unseen: Cause | None) -> tuple[Gate, ...]:
    """The present phase's gates; `unseen`: why a version is not seen."""
    phase = engine.plan.phase(engine.schema.spec)
    if phase is None:
        return ()
    return tuple(_declared_gate(engine, measures, around, unseen, name, bound) for name, bound in phase.gates.items())


def _declared_gate(
    engine: PhaseEngine, measures: Measures, around: Surroundings, unseen: Cause | None, name: str, threshold: Threshold
) -> Gate:
    if _is_availability(engine.schema.spec, name):
        return _availability_gate(engine, around, threshold, unseen)
    if wrong := _undecidable(around, name):
        return Gate(name, State.NO_DATA, None, f"{name} {threshold}: no data ({wrong.text}).", wrong.cause)
    return _gate(engine, measures, name, threshold, unseen)


def _undecidable(around: Surroundings, measure: str) -> Missing | None:
    """What is wrong with a measure's series; without a baseline the candidate's own value may still be decided on."""
    name, _, statistic = measure.partition(".")
    wrong = around.problems.get(name)
    return None if wrong is not None and wrong.cause is Cause.NO_BASELINE and statistic != "gain" else wrong


def _is_availability(spec: Spec, measure: str) -> bool:
    """Whether it is the scrapes of the candidate rather than a declared signal of that name."""
    return measure == AVAILABILITY and measure not in spec.signals


def _availability_gate(engine: PhaseEngine, around: Surroundings, threshold: Threshold, unseen: Cause | None) -> Gate:
    """The share of the candidate's scrapes that succeeded: every one is known, so it needs a span and no interval.

    What was due and did not come may have failed: it is decided where that makes no difference.
    """
    begun = around.now - engine.plan.started
    span = min(GATE_SECONDS, begun)
    head = f"{AVAILABILITY} {threshold}"
    found = around.attendance.over(around.now - span, around.now) if span > 0 else NOTHING_ATTENDED
    if math.isnan(found.value):
        cause = _why_none(around, span, unseen)
        return Gate(AVAILABILITY, State.NO_DATA, None, f"{head}: no data yet ({cause}).", cause)
    shown = f"{head}: {share_text(found.value)} of scrapes in {span_text(span)}"
    if begun < GATE_SECONDS:
        left = span_text(GATE_SECONDS - begun)
        return Gate(AVAILABILITY, State.NO_DATA, found.value, f"{shown}: not yet decided, {left} more.", Cause.TOO_FEW)
    state, word = _decided(Bounded(found.value, found.low, found.high, 1.0), threshold)
    if state is State.NO_DATA:
        absent = span_text((found.high - found.low) * span)
        cause = _why_absent(unseen)
        return Gate(
            AVAILABILITY, state, found.value, f"{shown}; for {absent} no scrape came: no data ({cause}).", cause
        )
    return Gate(AVAILABILITY, state, found.value, f"{shown}: {word}.")


def _why_none(around: Surroundings, seconds: float, unseen: Cause | None) -> Cause:
    """Why no scrape counts in the last so many seconds."""
    is_planned = around.attendance.is_planned(around.now - seconds, around.now)
    return Cause.MAINTENANCE if is_planned else _why_absent(unseen)


def _why_absent(unseen: Cause | None) -> Cause:
    """Why scrapes are missing: what the version shows now, where that is an absence too."""
    return unseen if unseen in ABSENCES else Cause.UNMONITORED


def _gate(engine: PhaseEngine, measures: Measures, gate: str, threshold: Threshold, unseen: Cause | None) -> Gate:
    name, _, statistic = gate.partition(".")
    measured = _measured(measures, name, statistic, threshold)
    if math.isnan(measured.value):
        why = unseen or _why_no_value(engine, gate)
        return Gate(gate, State.NO_DATA, None, f"{gate} {threshold}: no data yet ({why}).", why)
    written = partial(_written, engine.schema, gate, threshold)
    shown = written(measured.value)
    if unseen is not None:
        text = f"{gate} {threshold}: {shown} when last seen; no data now."
        return Gate(gate, State.NO_DATA, measured.value, text, unseen)
    if measured.unknown is not None:
        text = f"{gate} {threshold}: {shown}, {no_data(measured.unknown)}."
        return Gate(gate, State.NO_DATA, measured.value, text, measured.unknown)
    bounds = engine.schema.quantile_bounds(name)
    if not _is_told(threshold, measured.value, bounds):
        text = f"{gate} {threshold}: {shown}, {_untold(written, measured.value, bounds)}."
        return Gate(gate, State.NO_DATA, measured.value, text, Cause.BUCKET)
    state, word = _decided(measured, threshold, bounds)
    if state is State.NO_DATA:
        word += _until_decided(measured, threshold, engine.seconds)
    interval = f"{written(measured.low)} to {written(measured.high)}"
    cause = Cause.TOO_FEW if state is State.NO_DATA else None
    return Gate(gate, state, measured.value, f"{gate} {threshold}: {shown} ({interval}): {word}.", cause)


def _until_decided(measured: Bounded, threshold: Threshold, elapsed: float) -> str:
    """How long until the interval has left the bound behind, all else equal: it shrinks as 1 / sqrt(time)."""
    gap = abs(measured.value - threshold.value)
    edge = measured.high if threshold.value > measured.value else measured.low
    if gap <= 0 or not math.isfinite(edge - measured.value) or elapsed <= 0:
        return ""
    left = elapsed * ((abs(edge - measured.value) / gap) ** 2 - 1)
    if left >= LONGEST_FORECAST:
        return ", weeks more at this traffic"
    rough = round(left / 60) * 60 if left > 120 else left
    return f", about {span_text(rough)} more at this traffic"


def _decided(measured: Bounded, threshold: Threshold, bounds: Sequence[float] = ()) -> tuple[State, str]:
    ends = (measured.low, measured.high)
    held = {threshold.holds(end) if _is_told(threshold, end, bounds) else None for end in ends}
    if held == {True}:
        return State.OK, "passed"
    if held == {False}:
        return State.BAD, "failed"
    return State.NO_DATA, "not yet decided"


def _why_no_value(engine: PhaseEngine, measure: str) -> Cause:
    """Of a measure without a value: a gain needs a baseline to gain over."""
    name, _, statistic = measure.partition(".")
    known = statistic != "gain" or engine.knows_baseline((name, TOTAL_SEGMENT))
    return Cause.TOO_FEW if known else Cause.NO_BASELINE


def _is_told(threshold: Threshold, value: float, bounds: Sequence[float]) -> bool:
    """Whether all values of the bucket that the value lies in are on one side of the threshold."""
    if not bounds:
        return True
    above, up_to = bucket_of(value, bounds)
    return not above < threshold.value < up_to


def _untold(written: Callable[[float], str], value: float, bounds: Sequence[float]) -> str:
    above, up_to = bucket_of(value, bounds)
    if math.isinf(up_to):
        return BUCKETS_END
    return f"in a bucket from {written(above)} to {written(up_to)}: {no_data(Cause.BUCKET)}"


def _measured(measures: Measures, name: str, statistic: str, threshold: Threshold) -> Bounded:
    return measures.gain_for(name, threshold) if statistic == "gain" else measures.candidate(name, statistic)


def _written(schema: Schema, measure: str, threshold: Threshold, value: float) -> str:
    """A measure's value as its bound is written."""
    name, _, statistic = measure.partition(".")
    spec, reach = schema.spec, schema.reach(name)
    if value > reach:
        return f"over {_written(schema, measure, threshold, reach)}"
    signal = spec.signals.get(name)
    unit = spec.unit_of(measure).name
    if statistic != "gain" or signal is None:
        return value_text(value, unit)
    return f"{signed_text(100 * value)} %" if is_relative(signal, threshold) else difference_text(value, unit)


# ---------------------------------------------------------------- rollback triggers


def triggers_of(engine: PhaseEngine, around: Surroundings, unseen: Cause | None) -> tuple[Trigger, ...]:
    """Every rollback trigger of the spec, as it is at `around.now`; `unseen`: why a version is not seen."""
    return tuple(_trigger(engine, around, rollback, unseen) for rollback in engine.schema.spec.rollback)


def _trigger(engine: PhaseEngine, around: Surroundings, rollback: Rollback, unseen: Cause | None) -> Trigger:
    when = str(rollback.when)
    if engine.plan.known and not any(share > 0 for share in engine.plan.shares.values()):
        return Trigger(when, State.NOT_APPLICABLE, f"Trigger {when}: the candidate has no traffic.")
    if engine.alone and is_gain(rollback):
        return Trigger(when, State.NOT_APPLICABLE, f"Trigger {when}: the baseline has no traffic to compare with.")
    if wrong := _cannot_count(around, rollback):
        return Trigger(when, State.NO_DATA, f"Trigger {when}: no data ({wrong.text}).", cause=wrong.cause)
    course = _course(engine, around, rollback)
    if around.now - course.end > course.counts_for or _is_gone(rollback, around):
        cause = _why_no_course(engine, around, rollback, unseen)
        return Trigger(when, State.NO_DATA, f"Trigger {when}: {no_data(cause)}.", cause=cause)
    value, bound = float(course.values[-1]), rollback.when.threshold
    written = partial(_written, engine.schema, rollback.when.measure, bound)
    shown = f"Trigger {when}: {written(value)}"
    if not _is_told(bound, value, course.bounds):
        text = f"{shown}, {_untold(written, value, course.bounds)}."
        return Trigger(when, State.NO_DATA, text, value, cause=Cause.BUCKET)
    if course.holds[-1] != course.may_hold[-1]:
        cause = _why_absent(unseen)
        return Trigger(when, State.NO_DATA, f"{shown} of what is known; {no_data(cause)}.", value, cause=cause)
    if not course.holds[-1]:
        return Trigger(when, State.OK, f"{shown}.", value)
    since = _since(course.times, course.holds)
    lasted = course.end - since
    lasting, hold = span_text(lasted), span_text(rollback.hold)
    if lasted >= rollback.hold - course.slack:
        text = f"{shown} for {lasting} (limit {hold}): {rollback.action} rollback."
        return Trigger(when, State.BAD, text, value, since)
    return Trigger(when, State.OK, f"{shown} for {lasting} of {hold}.", value, since)


def _why_no_course(engine: PhaseEngine, around: Surroundings, rollback: Rollback, unseen: Cause | None) -> Cause:
    if _is_availability(engine.schema.spec, rollback.when.measure):
        return _why_none(around, rollback.hold + around.attendance.late, unseen)
    return unseen or _why_no_value(engine, rollback.when.measure)


@dataclass(frozen=True, eq=False)
class TriggerCourse:
    """A trigger's measure over time, (n,) each: its bound `holds` for certain, or `may_hold` whatever is not known.

    `counts_for`: how many seconds the last value is one of now. `slack`: seconds by which scrapes come early. `bounds`:
    of the buckets that tell a quantile.
    """

    times: Floats
    values: Floats
    holds: Flags
    may_hold: Flags
    counts_for: float
    slack: float = 0.0
    bounds: Sequence[float] = ()

    @property
    def end(self) -> float:
        """The last moment, Unix seconds; -inf without any."""
        return float(self.times[-1]) if len(self.times) else -math.inf


def _cannot_count(around: Surroundings, rollback: Rollback) -> Missing | None:
    """Why the signal's counters do not count what it names."""
    wrong = _undecidable(around, rollback.when.measure)
    counted_wrong = (Cause.UNPROVEN, Cause.CONTRADICTION, Cause.NO_BASELINE)
    return wrong if wrong is not None and wrong.cause in counted_wrong else None


def _is_gone(rollback: Rollback, around: Surroundings) -> bool:
    """A candidate that is not scraped has no figures now, whatever the window still holds; its absence is a figure."""
    return rollback.when.measure != AVAILABILITY and around.now - around.sights[CANDIDATE].newest > around.stale


def _since(times: Floats, beyond: Flags) -> float:
    within = np.nonzero(~beyond)[0]
    return float(times[within[-1] + 1] if len(within) else times[0])


def _course(engine: PhaseEngine, around: Surroundings, rollback: Rollback) -> TriggerCourse:
    """Moments with too little traffic are left out."""
    if _is_availability(engine.schema.spec, rollback.when.measure):
        return _availability_course(around, rollback)
    times, values = engine.courses.of(rollback)
    bounds = engine.schema.quantile_bounds(rollback.when.measure.partition(".")[0])
    told = np.array([_is_told(rollback.when.threshold, each, bounds) for each in values], dtype=np.bool_)
    holds = _beyond(values, rollback) & told
    return TriggerCourse(times, values, holds, holds, around.stale + EVALUATED_SECONDS, bounds=bounds)


def _availability_course(around: Surroundings, rollback: Rollback) -> TriggerCourse:
    """At each scrape, which may be fewer than the evaluations, and of which one may be due and missing."""
    course = around.attendance.course(rollback.hold)
    low, high = _beyond(course.low, rollback), _beyond(course.high, rollback)
    counts_for = max(around.stale, around.attendance.late) + EVALUATED_SECONDS
    slack = EARLY_INTERVALS * around.attendance.interval
    return TriggerCourse(course.times, course.values, low & high, low | high, counts_for, slack)


def _beyond(values: Iterable[float], rollback: Rollback) -> Flags:
    return np.array([rollback.when.threshold.holds(each) for each in values], dtype=np.bool_)
