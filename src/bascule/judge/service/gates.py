"""Gates to the next phase and rollback triggers.

A gate is decided when the whole interval of its measure is on one side of the bound (the interval is valid at every
evaluation, so it may be decided at any moment); until then it has no data *enough*, and says so. A rollback trigger is
a bound on what users meet now: the candidate's own figures over the last 30 s, beyond the bound for all of its `for`.
A quantile beyond the last bucket bound decides on targets up to that bound alone: farther out nothing is known of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from bascule.conventions import TOTAL_SEGMENT, State
from bascule.judge.evidence.courses import is_gain
from bascule.judge.evidence.engine import PhaseEngine
from bascule.judge.evidence.figures import Bounded, lowest
from bascule.judge.evidence.measures import Measures, is_relative
from bascule.judge.layout import CANDIDATE, Floats
from bascule.judge.sampling.presence import AVAILABILITY_SECONDS
from bascule.judge.sampling.schema import Schema
from bascule.judge.sampling.surroundings import Surroundings
from bascule.judge.service.verdict import Gate, Trigger
from bascule.judge.texts import difference_text, share_text, span_text, value_text
from bascule.spec.model import AVAILABILITY, Rollback, Spec
from bascule.spec.quantities import Threshold
from bascule.states import Cause, Missing, no_data
from bascule.units import signed_text

LONGEST_FORECAST = 30 * 86400.0
BUCKETS_END = f"where the buckets of both versions end: {no_data(Cause.BUCKET)}"


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
        return _availability_gate(engine, around, threshold)
    if wrong := _undecidable(around, name):
        return Gate(name, State.NO_DATA, None, f"{name} {threshold}: no data ({wrong.text}).", wrong.cause)
    return _gate(engine, measures, name, threshold, unseen)


def _undecidable(around: Surroundings, measure: str) -> Missing | None:
    """What is wrong with a measure's series; without a baseline the candidate's own value may still be decided on."""
    name, _, statistic = measure.partition(".")
    wrong = around.problems.get(name)
    return None if wrong is not None and wrong.cause is Cause.NO_BASELINE and statistic != "gain" else wrong


def _is_availability(spec: Spec, measure: str) -> bool:
    """Whether it is the candidate's `up` rather than a declared signal of that name."""
    return measure == AVAILABILITY and measure not in spec.signals


def _availability_gate(engine: PhaseEngine, around: Surroundings, threshold: Threshold) -> Gate:
    """The share of the candidate's scrapes that succeeded: every one is known, so it needs a span and no interval."""
    times, shares = around.availability
    values = shares[times >= engine.plan.started]
    head = f"{AVAILABILITY} {threshold}"
    if not len(values):
        return Gate(AVAILABILITY, State.NO_DATA, None, f"{head}: no data yet.", Cause.NO_SERIES)
    value, begun = float(np.mean(values)), around.now - engine.plan.started
    shown = f"{head}: {share_text(value)} of scrapes in {span_text(min(AVAILABILITY_SECONDS, begun))}"
    if begun < AVAILABILITY_SECONDS:
        left = span_text(AVAILABILITY_SECONDS - begun)
        return Gate(AVAILABILITY, State.NO_DATA, value, f"{shown}: not yet decided, {left} more.", Cause.TOO_FEW)
    state, word = _decided(Bounded(value, value, value, len(values)), threshold)
    return Gate(AVAILABILITY, state, value, f"{shown}: {word}.")


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
    if _is_out_of_reach(threshold, measured.value, engine.schema.reach(name)):
        return Gate(gate, State.NO_DATA, None, f"{gate} {threshold}: {shown}, {BUCKETS_END}.", Cause.BUCKET)
    state, word = _decided(measured, threshold)
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


def _decided(measured: Bounded, threshold: Threshold) -> tuple[State, str]:
    low, high = threshold.holds(measured.low), threshold.holds(measured.high)
    if low and high:
        return State.OK, "passed"
    if not low and not high:
        return State.BAD, "failed"
    return State.NO_DATA, "not yet decided"


def _why_no_value(engine: PhaseEngine, measure: str) -> Cause:
    """Of a measure without a value: a gain needs a baseline to gain over."""
    name, _, statistic = measure.partition(".")
    known = statistic != "gain" or engine.knows_baseline((name, TOTAL_SEGMENT))
    return Cause.TOO_FEW if known else Cause.NO_BASELINE


def _is_out_of_reach(threshold: Threshold, value: float, reach: float) -> bool:
    """Whether the value lies beyond the buckets, and so does the bound."""
    return math.isinf(value) and threshold.holds(lowest(value, reach)) != threshold.holds(value)


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
    times, values = _course(engine, around, rollback)
    if not len(times) or around.now - times[-1] > around.stale + 2 or _is_gone(rollback, around):
        cause = unseen or _why_no_value(engine, rollback.when.measure)
        return Trigger(when, State.NO_DATA, f"Trigger {when}: {no_data(cause)}.", cause=cause)
    value, bound = float(values[-1]), rollback.when.threshold
    shown = f"Trigger {when}: {_written(engine.schema, rollback.when.measure, bound, value)}"
    reach = engine.schema.reach(rollback.when.measure.partition(".")[0])
    if _is_out_of_reach(bound, value, reach):
        return Trigger(when, State.NO_DATA, f"{shown}, {BUCKETS_END}.", cause=Cause.BUCKET)
    beyond = np.array([bound.holds(each) and bound.holds(lowest(each, reach)) for each in values])
    if not beyond[-1]:
        return Trigger(when, State.OK, f"{shown}.", value)
    since = _since(times, beyond)
    lasted = times[-1] - since
    lasting, hold = span_text(lasted), span_text(rollback.hold)
    if lasted >= rollback.hold:
        text = f"{shown} for {lasting} (limit {hold}): {rollback.action} rollback."
        return Trigger(when, State.BAD, text, value, since)
    return Trigger(when, State.OK, f"{shown} for {lasting} of {hold}.", value, since)


def _cannot_count(around: Surroundings, rollback: Rollback) -> Missing | None:
    """Why the signal's counters do not count what it names."""
    wrong = _undecidable(around, rollback.when.measure)
    counted_wrong = (Cause.UNPROVEN, Cause.CONTRADICTION, Cause.NO_BASELINE)
    return wrong if wrong is not None and wrong.cause in counted_wrong else None


def _is_gone(rollback: Rollback, around: Surroundings) -> bool:
    """A candidate that is not scraped has no figures now, whatever the window still holds; its absence is a figure."""
    return rollback.when.measure != AVAILABILITY and around.now - around.sights[CANDIDATE].newest > around.stale


def _since(times: Floats, beyond: Sequence[bool] | np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    within = np.nonzero(~np.asarray(beyond))[0]
    return float(times[within[-1] + 1] if len(within) else times[0])


def _course(engine: PhaseEngine, around: Surroundings, rollback: Rollback) -> tuple[Floats, Floats]:
    """The trigger's measure over time: moments and values; moments with too little traffic are left out."""
    if _is_availability(engine.schema.spec, rollback.when.measure):
        return around.availability
    return engine.courses.of(rollback)
