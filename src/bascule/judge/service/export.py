"""What the judge thinks, as metrics and over HTTP."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI, Response
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bascule import conventions as names
from bascule import times
from bascule.api.models.verdict import FlaggerAnswer, VerdictAnswer
from bascule.api.rights import Right, needs
from bascule.api.server import Ready, application
from bascule.conventions import State, Verdict
from bascule.errors import UsageError
from bascule.judge.pushed import PushedSamples, PushMetrics, add_receiver
from bascule.judge.service.opinion import Opinion, fresh_seconds
from bascule.judge.service.outcome import JudgeOutcome
from bascule.judge.service.present import PresentStep
from bascule.judge.service.share import SegmentShare
from bascule.judge.service.verdict import Gate, SignalComparison, Trigger
from bascule.judge.texts import span_text
from bascule.spec import Spec
from bascule.states import Cause, Missing

SILENT_TICKS = 30  # ticks without an evaluation from which the judge is not ready


class VerdictBoard(Collector):
    """Holds the last outcome; both the metrics page and the API read it."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.serving_since = time.time()
        self._lock = threading.Lock()
        self._outcome: JudgeOutcome | None = None
        self._missing: Missing | None = Missing(Cause.SERVER_AWAY, "The judge has not evaluated yet.")
        self._seconds = 0.0
        self._published = self._evaluated = time.monotonic()  # `_evaluated`: when the last evaluation began
        self._since: tuple[Verdict, float] = (Verdict.NO_DATA, time.time())

    def publish(self, outcome: JudgeOutcome | None, missing: Missing | None, seconds: float) -> None:
        """Show an outcome, or why there is none (the last readings stay, the verdict becomes no data)."""
        with self._lock:
            self._outcome = outcome or self._outcome
            self._missing, self._seconds, self._published = missing, seconds, time.monotonic()
            if outcome is not None:
                self._evaluated = self._published - seconds
            verdict = outcome.judgement.verdict if outcome else Verdict.NO_DATA
            if verdict is not self._since[0]:
                self._since = (verdict, time.time())

    def opinion(self) -> Opinion:
        """What may be said now; an evaluation that is too old is none."""
        with self._lock:
            outcome, missing, (verdict, since) = self._outcome, self._missing, self._since
            age = time.monotonic() - self._evaluated
        if outcome is None:
            return Opinion.none(missing) if missing else Opinion(verdict, since)
        return Opinion(verdict, since, outcome, age).without_data(missing or self._too_old(age))

    def verdict(self) -> dict[str, Any]:
        """The body of `/api/verdict`, whatever the journal's present step is."""
        return body(self.spec, self.opinion())

    def collect(self) -> Iterable[Metric]:
        said = self.opinion()
        missing = (said.missing,) if said.missing else said.outcome.missing if said.outcome else ()
        yield from _verdict_metrics(said.verdict)
        causes = dict.fromkeys((each.cause.value, each.version) for each in missing)
        yield _gauge(names.NO_DATA_CAUSE, [(each, 1.0) for each in causes])
        yield _gauge(names.JUDGE_TICK_SECONDS, [((), self._seconds)])
        if said.outcome is not None:
            if self._missing is None:
                yield _gauge(names.JUDGE_TICK, [((), said.outcome.now)])
            yield from _line_metrics(said.outcome)
            if said.missing is None:
                yield from _value_metrics(said.outcome, self.spec.versions.both)
            yield from _gate_metrics(said.outcome)
            if said.missing is None:
                yield from _share_metrics(said.outcome)

    def problems(self) -> list[str]:
        """What keeps the judge from judging, for readiness; silence of its loop is one."""
        with self._lock:
            age, missing = time.monotonic() - self._published, self._missing
        silent = age > SILENT_TICKS * self.spec.judge.tick
        return ([missing.text] if missing else []) + ([f"no evaluation for {age:.0f} s"] if silent else [])

    def _too_old(self, age: float) -> Missing | None:
        if age <= fresh_seconds(self.spec):
            return None
        what = f"The last evaluation is {span_text(age)} old: Prometheus or the judge does not answer."
        return Missing(Cause.SERVER_AWAY, what)


def body(spec: Spec, said: Opinion) -> dict[str, Any]:
    """A verdict as JSON."""
    outcome, missing = said.outcome, said.missing
    judged = outcome.judgement if outcome is not None else None
    cause = missing.cause if missing else judged.cause if judged else None
    head: dict[str, Any] = {"migration": spec.metadata.name, "verdict": said.verdict.value}
    head |= {"since": times.rfc3339(said.since, "milliseconds")}
    head |= {"reasons": list(said.reasons)}
    head |= {"cause": cause.value if cause else None, "age_seconds": _number(said.age)}
    if outcome is None:
        return head | {"phase": None, "signals": [], "gates": [], "rollback": [], "tick": None}
    return head | {
        "phase": _phase(spec, outcome),
        "history": _history(outcome),
        "signals": [_line(line) for line in outcome.lines],
        "gates": [_gate(gate) for gate in outcome.gates],
        "shares": [_share(share, missing.cause if missing else None) for share in outcome.shares],
        "rollback": [_trigger(trigger) for trigger in outcome.triggers],
        "tick": times.rfc3339(outcome.now, "milliseconds"),
    }


# What answers 200 to each of Flagger's webhooks; anything else is answered with 412, which Flagger takes for a no.
FLAGGER_YES = {
    "confirm-rollout": {Verdict.PROMOTE, Verdict.HOLD},
    "rollout": {Verdict.PROMOTE, Verdict.HOLD},
    "confirm-traffic-increase": {Verdict.PROMOTE},
    "confirm-promotion": {Verdict.PROMOTE},
    "rollback": {Verdict.ROLL_BACK},
}


def build_app(
    board: VerdictBoard,
    present: PresentStep | None = None,
    ready: Ready = tuple,
    pushed: PushedSamples | None = None,
) -> FastAPI:
    """The role's pages: the verdict, its Flagger form, metrics and health.

    `present`: asked at each answer whether the evaluation is about the journal's present step; `ready`: what else
    keeps the role from its work; `pushed`: what Prometheus writes to. Argo Rollouts' web metric reads `/api/verdict`
    with jsonPath `{$.verdict}`.
    """
    registry = CollectorRegistry()
    registry.register(board)
    app = application(board.spec, "judge", registry, ready=lambda: [*board.problems(), *ready()])
    if pushed is not None:
        registry.register(PushMetrics(pushed))
        add_receiver(app, pushed)

    def said() -> dict[str, Any]:
        opinion = board.opinion()
        told = body(board.spec, present.told(opinion) if present else opinion)
        since = times.rfc3339(board.serving_since, "auto") if board.spec.judge.hooks else None
        return told | {"hooks_since": since}

    @app.get("/api/verdict", response_model=VerdictAnswer, response_model_exclude_unset=True)
    def verdict() -> dict[str, Any]:
        return said()

    @app.post("/api/flagger/{kind}", responses={412: {"model": FlaggerAnswer}}, **needs(Right.READ))
    def flagger(kind: str, response: Response) -> FlaggerAnswer:
        """Flagger's webhooks: 200 is yes, 412 no."""
        if kind not in FLAGGER_YES:
            raise UsageError(f"{kind[:50]!r} is not a webhook of the judge", f"webhooks are {', '.join(FLAGGER_YES)}")
        answer = said()
        response.status_code = 200 if Verdict(answer["verdict"]) in FLAGGER_YES[kind] else 412
        return FlaggerAnswer(verdict=answer["verdict"], reasons=answer["reasons"])

    return app


# ---------------------------------------------------------------- JSON


def _phase(spec: Spec, outcome: JudgeOutcome) -> dict[str, Any]:
    phase = outcome.plan.phase(spec)
    return {
        "number": outcome.plan.number,
        "share": phase.share if phase else 0.0,
        "started": times.rfc3339(outcome.plan.started, "milliseconds"),
        "hold_seconds": phase.hold if phase else None,
    }


def _history(outcome: JudgeOutcome) -> dict[str, Any]:
    """What the comparison with history rests on, and who had earlier history forgotten, and why."""
    begins, said = outcome.history_from, outcome.forgotten
    told = said and {
        "before": times.rfc3339(said.before),
        "who": said.who,
        "why": said.why,
        "at": times.rfc3339(said.at),
    }
    return {"from": times.rfc3339(begins) if begins is not None else None, "forgotten": told}


def _line(line: SignalComparison) -> dict[str, Any]:
    reading, alarm = line.reading, line.alarm
    return {
        "signal": line.signal,
        "segment": line.segment,
        "state": line.state.value,
        "cause": line.cause.value if line.cause else None,
        "unit": line.unit,
        "baseline": _number(reading.baseline),
        "candidate": _number(reading.candidate),
        "baseline_over": _number(reading.baseline_over),
        "candidate_over": _number(reading.candidate_over),
        "effect": _number(reading.effect),
        "effect_low": _number(reading.low),
        "effect_high": _number(reading.high),
        "evidence": _number(line.evidence),
        "threshold": _number(line.threshold),
        "alarm": alarm is not None,
        "alarm_since": times.rfc3339(alarm.since, "milliseconds") if alarm else None,
        "samples_baseline": round(reading.events_baseline),
        "samples_candidate": round(reading.events_candidate),
        "detectable_ratio": _number(line.detectable_ratio),
        "learning": line.learning,
        "text": line.text,
    }


def _gate(gate: Gate) -> dict[str, Any]:
    return {
        "gate": gate.gate,
        "state": gate.state.value,
        "decided": gate.decided,
        "cause": gate.cause.value if gate.cause else None,
        "value": _number(gate.value),
        "text": gate.text,
    }


def _share(share: SegmentShare, unseen: Cause | None) -> dict[str, Any]:
    """`unseen`: why the evaluation is not the present."""
    numbers = {name: _number(getattr(share, name)) for name in ("planned", "actual", "low", "high")}
    state = State.NO_DATA if unseen and share.state is not State.NOT_APPLICABLE else share.state
    cause = (unseen or Cause.NO_TRAFFIC).value if state is State.NO_DATA else None
    rest = {"events": round(share.events), "state": state.value, "cause": cause, "text": share.text}
    return {"segment": share.segment, **numbers, **rest}


def _trigger(trigger: Trigger) -> dict[str, Any]:
    since = trigger.beyond_since
    return {
        "when": trigger.when,
        "state": trigger.state.value,
        "cause": trigger.cause.value if trigger.cause else None,
        "value": _number(trigger.value),
        "beyond_since": times.rfc3339(since, "milliseconds") if since is not None else None,
        "text": trigger.text,
    }


def _number(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


# ---------------------------------------------------------------- metrics

Values = Iterable[tuple[tuple[str, ...], float | None]]


def _gauge(metric: names.Metric, values: Values) -> GaugeMetricFamily:
    """One family of the canonical table; values that are missing are left out, never zero."""
    family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in values:
        if _number(value) is not None:
            family.add_metric(labels, float(value))  # type: ignore[arg-type]
    return family


def _verdict_metrics(verdict: Verdict) -> Iterable[Metric]:
    yield _gauge(names.VERDICT, [((each.value,), float(each is verdict)) for each in Verdict])


def _line_metrics(outcome: JudgeOutcome) -> Iterable[Metric]:
    """What stays however old the evaluation is: alarms, and that a comparison has no data."""
    lines = [((line.signal, line.segment), line) for line in outcome.lines]
    yield _gauge(names.SIGNAL_ALARM, [(key, float(line.alarm is not None)) for key, line in lines])
    told = [((*key, line.alarm.text), line.alarm.since) for key, line in lines if line.alarm is not None]
    yield _gauge(names.SIGNAL_ALARM_INFO, told)  # the text never changes while the alarm is on: one series for each
    yield _gauge(names.SIGNAL_STATE, _states([(key, line.state) for key, line in lines]))


def _value_metrics(outcome: JudgeOutcome, versions: tuple[str, str]) -> Iterable[Metric]:
    """Figures of now."""
    lines = [((line.signal, line.segment), line) for line in outcome.lines]
    yield _gauge(names.SIGNAL_LOG_EVIDENCE, [(key, line.evidence) for key, line in lines])
    yield _gauge(names.SIGNAL_THRESHOLD, [(key, line.threshold) for key, line in lines])
    yield _gauge(names.DETECTABLE_EFFECT, [(key, line.detectable_ratio) for key, line in lines])
    yield _gauge(names.SIGNAL_VALUE, _values(lines, dict(zip(versions, ("baseline", "candidate"), strict=True))))
    yield _gauge(names.SIGNAL_EFFECT, _values(lines, {"estimate": "effect", "low": "low", "high": "high"}))


def _values(lines: Iterable[tuple[tuple[str, str], SignalComparison]], fields: Mapping[str, str]) -> Values:
    """Fields of the readings, each under a label's value."""
    for key, line in lines:
        for label, field in fields.items():
            yield (*key, label), getattr(line.reading, field)


def _share_metrics(outcome: JudgeOutcome) -> Iterable[Metric]:
    """The bounds, and whether they are off the plan: what `MigrationStalled` asks before it fires."""
    bounds = {"planned": "planned", "estimate": "actual", "low": "low", "high": "high"}
    values = [((s.segment, label), getattr(s, name)) for s in outcome.shares for label, name in bounds.items()]
    yield _gauge(names.REAL_SHARE, values)
    judged = [s for s in outcome.shares if s.state in (State.OK, State.BAD)]
    yield _gauge(names.SHARE_OFF_PLAN, [((s.segment,), float(s.state is State.BAD)) for s in judged])


def _gate_metrics(outcome: JudgeOutcome) -> Iterable[Metric]:
    yield _gauge(names.GATE_STATE, _states([((gate.gate,), gate.state) for gate in outcome.gates]))


def _states(of: Iterable[tuple[tuple[str, ...], State]]) -> Values:
    return [((*key, each.value), float(each is state)) for key, state in of for each in State]
