"""The judge's comparison, signal by signal and segment by segment, with gates and triggers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from bascule import figures
from bascule.api.models.verdict import GateAnswer, SignalAnswer, TriggerAnswer, VerdictAnswer
from bascule.console import queries
from bascule.console.sources import SourceReading
from bascule.console.views.compared import baseline_figure, candidate_figure, interval
from bascule.console.views.facts import is_worse_so_far
from bascule.console.views.forest import Forest, forest
from bascule.conventions import TOTAL_SEGMENT, State
from bascule.spec import Spec
from bascule.states import Cause, no_data

THRESHOLD_AT = 75.0  # where on the evidence bar (0 to 100) the alarm line is
REST = ""  # the group of signals that the spec does not declare
SO_FAR = "so_far"  # how a comparison looks that is much worse, and not yet proven
UNDECIDED = "undecided"  # how a check looks that has figures, but not enough of them
NOT_IN_PHASE = {State.NOT_APPLICABLE: "not in this phase"}
GATE_WORDS = {State.OK: "passes", State.BAD: "fails", **NOT_IN_PHASE}
COUNTING = re.compile(r" for \S.* of \S")  # a trigger that is beyond its bound, but not yet for long enough
TRIGGER_WORDS = {State.OK: "clear", State.BAD: "triggered", **NOT_IN_PHASE}


@dataclass(frozen=True)
class SignalRow:
    key: str  # safe as an HTML id, whatever the segment is called
    signal: str
    segment: str
    state: State
    word: str
    baseline: str
    candidate: str
    effect: str
    interval: str
    forest: Forest | None
    evidence: str
    bar: float | None
    alarm_since: datetime | None
    opinion: SignalAnswer
    queries: Mapping[str, str]
    look: str  # its state, or SO_FAR
    detectable: str


@dataclass(frozen=True)
class SignalGroup:
    name: str
    unit: str
    rows: list[SignalRow]
    apart: list[str]  # the segments to which the plan gives no share in this phase


@dataclass(frozen=True)
class CheckRow:
    """A gate or a rollback trigger; `look` is its state, or UNDECIDED."""

    name: str
    state: State
    look: str
    word: str
    text: str


def signal_groups(spec: Spec, reading: SourceReading[VerdictAnswer], now: float) -> list[SignalGroup]:
    """A group for each declared signal, with rows once the judge has spoken; old rows are no data."""
    opinion = reading.value
    told = opinion.signals if opinion else []
    rows = [signal_row(spec, each, aged(reading, now)) for each in told]
    names = [*spec.signals, REST]
    return [_group(spec, name, [row for row in rows if _home(spec, row) == name]) for name in names]


def _home(spec: Spec, row: SignalRow) -> str:
    return row.signal if row.signal in spec.signals else REST


def _group(spec: Spec, name: str, rows: list[SignalRow]) -> SignalGroup:
    order = [*spec.segments.named, TOTAL_SEGMENT]
    placed = sorted(rows, key=lambda row: order.index(row.segment) if row.segment in order else len(order))
    unit = spec.signals[name].unit if name in spec.signals else ""
    shown = [row for row in placed if row.state is not State.NOT_APPLICABLE]
    apart = [row.segment for row in placed if row.state is State.NOT_APPLICABLE]
    return SignalGroup(name, figures.unit_name(unit), shown, apart)


def row_key(signal: str, segment: str) -> str:
    """An HTML id for a row: labels come from outside and can hold anything."""
    return sha256(f"{signal}\0{segment}".encode()).hexdigest()[:12]


def aged(reading: SourceReading[VerdictAnswer], now: float) -> Cause | None:
    """Why what the judge said is not the present; None where it is."""
    if reading.is_fresh(now):
        return None
    return Cause.STALE if reading.answers(now) else Cause.SERVER_AWAY


def signal_row(spec: Spec, told: SignalAnswer, old: Cause | None) -> SignalRow:
    """`old`: why this is not the present."""
    declared = spec.signals.get(told.signal)
    unit = told.unit or (declared.unit if declared else "")
    state = told.state if old is None else State.NO_DATA
    baseline, candidate = spec.versions.both
    so_far = old is None and is_worse_so_far(told, declared.better if declared else "lower")
    return SignalRow(
        key=row_key(told.signal, told.segment),
        signal=told.signal,
        segment=told.segment,
        state=state,
        word="worse so far" if so_far else _word(spec, state, old or told.cause),
        baseline=baseline_figure(told, unit),
        candidate=candidate_figure(told, unit),
        effect=figures.difference(told.effect, unit),
        interval=interval(told, unit),
        forest=forest(told, declared.better if declared else "lower"),
        evidence=_evidence(told),
        bar=_bar(told),
        alarm_since=told.alarm_since if told.alarm else None,
        opinion=told,
        queries=queries.judged(told.signal, told.segment, baseline=baseline, candidate=candidate),
        look=SO_FAR if so_far else state.value,
        detectable=_detectable(told, unit),
    )


def _detectable(told: SignalAnswer, unit: str) -> str:
    """The smallest value of the candidate that is found to be worse within 30 s."""
    if told.detectable_ratio is None or not told.baseline:
        return figures.MISSING
    return figures.figure(told.baseline * told.detectable_ratio, unit)


def _word(spec: Spec, state: State, cause: Cause | None) -> str:
    words = {State.OK: "ok", State.BAD: f"{spec.versions.candidate.upper()} worse", **NOT_IN_PHASE}
    return no_data(cause) if state is State.NO_DATA else words[state]


def _evidence(told: SignalAnswer) -> str:
    if told.evidence is None or told.threshold is None:
        return figures.MISSING
    return figures.evidence(told.evidence, told.threshold)


def _bar(told: SignalAnswer) -> float | None:
    """How far the evidence bar is filled, 0 to 100, the alarm line at THRESHOLD_AT."""
    if told.evidence is None or not told.threshold:
        return None
    return round(min(100.0, max(0.0, THRESHOLD_AT * told.evidence / told.threshold)), 1)


def gate_rows(reading: SourceReading[VerdictAnswer], now: float) -> list[CheckRow]:
    told = reading.value.gates if reading.value else []
    return [_gate_row(gate, aged(reading, now)) for gate in told]


def trigger_rows(reading: SourceReading[VerdictAnswer], now: float) -> list[CheckRow]:
    told = reading.value.rollback if reading.value else []
    return [_trigger_row(trigger, aged(reading, now)) for trigger in told]


def _gate_row(gate: GateAnswer, old: Cause | None) -> CheckRow:
    """No data *enough* is something else than no data: there is a figure, and its interval is still on both sides."""
    undecided = gate.state is State.NO_DATA and gate.value is not None and "not yet decided" in gate.text
    return _check(gate.gate, gate, old, undecided, GATE_WORDS)


def _trigger_row(trigger: TriggerAnswer, old: Cause | None) -> CheckRow:
    undecided = trigger.state is State.OK and COUNTING.search(trigger.text) is not None
    return _check(trigger.when, trigger, old, undecided, TRIGGER_WORDS)


def _check(
    name: str, told: GateAnswer | TriggerAnswer, old: Cause | None, undecided: bool, words: Mapping[State, str]
) -> CheckRow:
    state = told.state if old is None else State.NO_DATA
    if old is None and undecided:
        return CheckRow(name, state, UNDECIDED, "not yet decided", told.text)
    word = no_data(old or told.cause) if state is State.NO_DATA else words[state]
    return CheckRow(name, state, state.value, word, told.text)
