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
from bascule.api.server import application
from bascule.conventions import State, Verdict
from bascule.errors import UsageError
from bascule.judge.service.outcome import JudgeOutcome
from bascule.judge.service.verdict import Gate, SignalComparison, Trigger
from bascule.spec import Spec

SILENT_TICKS = 30  # ticks without an evaluation from which the judge is not ready


class VerdictBoard(Collector):
    """Holds the last outcome; both the metrics page and the API read it."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._lock = threading.Lock()
        self._outcome: JudgeOutcome | None = None
        self._problem = "The judge has not looked yet."
        self._seconds = 0.0
        self._published = time.monotonic()
        self._since: tuple[Verdict, float] = (Verdict.NO_DATA, time.time())

    def publish(self, outcome: JudgeOutcome | None, problem: str, seconds: float) -> None:
        """Show an outcome, or why there is none (the last readings stay, the verdict becomes no data)."""
        with self._lock:
            self._outcome = outcome or self._outcome
            self._problem, self._seconds, self._published = problem, seconds, time.monotonic()
            verdict = outcome.judgement.verdict if outcome else Verdict.NO_DATA
            if verdict is not self._since[0]:
                self._since = (verdict, time.time())

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            outcome, problem, seconds = self._outcome, self._problem, self._seconds
            verdict = self._since[0]
        yield from _verdict_metrics(verdict)
        yield _gauge(names.JUDGE_TICK_SECONDS, [((), seconds)])
        if outcome is not None:
            if not problem:
                yield _gauge(names.JUDGE_TICK, [((), outcome.now)])
            yield from _line_metrics(outcome, self.spec.versions.both, bool(problem))
            yield from _gate_metrics(outcome)

    def problems(self) -> list[str]:
        """What keeps the judge from judging, for readiness; silence of its loop is one."""
        with self._lock:
            age, problem = time.monotonic() - self._published, self._problem
        silent = age > SILENT_TICKS * self.spec.judge.tick
        return ([problem] if problem else []) + ([f"no evaluation for {age:.0f} s"] if silent else [])

    def verdict(self) -> dict[str, Any]:
        """The body of GET /api/verdict."""
        with self._lock:
            outcome, problem, (verdict, since) = self._outcome, self._problem, self._since
        return body(self.spec, outcome, verdict, since, problem)


def body(spec: Spec, outcome: JudgeOutcome | None, verdict: Verdict, since: float, problem: str = "") -> dict[str, Any]:
    """A verdict as JSON; `problem`: why the last look failed, so that what is shown is old."""
    reasons = [problem] if problem or outcome is None else list(outcome.judgement.reasons)
    head: dict[str, Any] = {"migration": spec.metadata.name, "verdict": verdict.value}
    head |= {"since": times.rfc3339(since, "milliseconds"), "reasons": reasons}
    if outcome is None:
        return head | {"phase": None, "signals": [], "gates": [], "rollback": [], "tick": None}
    return head | {
        "phase": _phase(spec, outcome),
        "signals": [_line(line, bool(problem)) for line in outcome.lines],
        "gates": [_gate(gate) for gate in outcome.gates],
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


def build_app(board: VerdictBoard) -> FastAPI:
    """The role's pages: the verdict, its Flagger form, metrics and health.

    Argo Rollouts' web metric reads `/api/verdict` with jsonPath `{$.verdict}`.
    """
    registry = CollectorRegistry()
    registry.register(board)
    app = application(board.spec, "judge", registry, ready=board.problems)

    @app.get("/api/verdict", response_model=VerdictAnswer, response_model_exclude_unset=True)
    def verdict() -> dict[str, Any]:
        return board.verdict()

    @app.post("/api/flagger/{kind}", responses={412: {"model": FlaggerAnswer}}, **needs(Right.READ))
    def flagger(kind: str, response: Response) -> FlaggerAnswer:
        """Flagger's webhooks: 200 is yes, 412 no."""
        if kind not in FLAGGER_YES:
            raise UsageError(f"{kind[:50]!r} is not a webhook that is served", f"there are {', '.join(FLAGGER_YES)}")
        answer = board.verdict()
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


def _line(line: SignalComparison, stale: bool) -> dict[str, Any]:
    reading, alarm = line.reading, line.alarm
    return {
        "signal": line.signal,
        "segment": line.segment,
        "state": State.NO_DATA.value if stale and line.state is not State.NOT_APPLICABLE else line.state.value,
        "unit": line.unit,
        "baseline": _number(reading.baseline),
        "candidate": _number(reading.candidate),
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
        "text": line.text,
    }


def _gate(gate: Gate) -> dict[str, Any]:
    return {
        "gate": gate.gate,
        "state": gate.state.value,
        "decided": gate.decided,
        "value": _number(gate.value),
        "text": gate.text,
    }


def _trigger(trigger: Trigger) -> dict[str, Any]:
    since = trigger.beyond_since
    return {
        "when": trigger.when,
        "state": trigger.state.value,
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


def _line_metrics(outcome: JudgeOutcome, versions: tuple[str, str], stale: bool) -> Iterable[Metric]:
    lines = [((line.signal, line.segment), line) for line in outcome.lines]
    yield _gauge(names.SIGNAL_ALARM, [(key, float(line.alarm is not None)) for key, line in lines])
    told = [((*key, line.alarm.text), 1.0) for key, line in lines if line.alarm is not None]
    yield _gauge(names.SIGNAL_ALARM_INFO, told)  # its text is of the moment when it was raised: one series per alarm
    yield _gauge(names.SIGNAL_STATE, _states([(key, _shown_state(line.state, stale)) for key, line in lines]))
    if stale:
        return
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


def _gate_metrics(outcome: JudgeOutcome) -> Iterable[Metric]:
    yield _gauge(names.GATE_STATE, _states([((gate.gate,), gate.state) for gate in outcome.gates]))


def _shown_state(state: State, stale: bool) -> State:
    return State.NO_DATA if stale and state is not State.NOT_APPLICABLE else state


def _states(of: Iterable[tuple[tuple[str, ...], State]]) -> Values:
    return [((*key, each.value), float(each is state)) for key, state in of for each in State]
