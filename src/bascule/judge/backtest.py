"""What the judge and every alert rule would have done on a stretch of history.

The judge is replayed by the same engine that runs live, on the samples Prometheus holds. A rule is replayed by asking
Prometheus for its expression over the stretch and applying its `for` and `keep_firing_for` to the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from bascule import conventions as names
from bascule.judge.alarm import Alarm
from bascule.judge.engine import Engine
from bascule.judge.live import Watch
from bascule.judge.plan import Plan, read_plan
from bascule.prometheus import Prometheus, Series
from bascule.spec import Spec
from bascule.spec.quantities import parse_duration

JUDGE = "judge"


@dataclass(frozen=True)
class Stretch:
    """A part of the history that is declared, Unix seconds: healthy, or an incident of the candidate."""

    start: float
    end: float
    name: str = ""


@dataclass(frozen=True)
class Fired:
    """An alarm that would have been: `by` the judge or the name of a rule; `ended` None: still firing at the end."""

    by: str
    labels: Mapping[str, str]
    fired: float
    ended: float | None
    text: str = ""


@dataclass(frozen=True)
class Suggestion:
    """A setting proposed from the history, and what it would have cost or gained."""

    setting: str
    value: str
    why: str


@dataclass(frozen=True)
class Backtest:
    """All that fired, in order of time; per source, false alarms an hour and delays of declared incidents."""

    start: float
    end: float
    fired: tuple[Fired, ...]
    sources: tuple[str, ...]
    healthy: tuple[Stretch, ...] = ()
    incidents: tuple[Stretch, ...] = ()
    problems: tuple[str, ...] = ()
    suggestions: tuple[Suggestion, ...] = field(default=())

    def by(self, source: str) -> list[Fired]:
        return [each for each in self.fired if each.by == source]

    def false_alarms_per_hour(self, source: str) -> float | None:
        """Alarms that began in stretches declared healthy, per hour of them; None where none is declared."""
        hours = sum(stretch.end - stretch.start for stretch in self.healthy) / 3600
        if hours <= 0:
            return None
        false = sum(any(s.start <= each.fired < s.end for s in self.healthy) for each in self.by(source))
        return false / hours

    def delays(self, source: str) -> list[float | None]:
        """Seconds from each declared incident to the first alarm in it; None where it was missed."""
        firsts = []
        for incident in self.incidents:
            found = [
                each.fired - incident.start for each in self.by(source) if incident.start <= each.fired < incident.end
            ]
            firsts.append(min(found, default=None))
        return firsts


def backtest(
    spec: Spec,
    prometheus: Prometheus,
    start: float,
    end: float,
    *,
    rules: Iterable[Mapping[str, Any]] | None = None,
    healthy: Sequence[Stretch] = (),
    incidents: Sequence[Stretch] = (),
) -> Backtest:
    """Replay start to end, Unix seconds. `rules`: alerting rules as in rule files; by default those Prometheus runs."""
    alerting = [rule for rule in (running_rules(prometheus) if rules is None else rules) if "alert" in rule]
    engines = replay(spec, prometheus, start, end)
    fired = [_fired(alarm) for engine in engines for alarm in (*engine.ended, *engine.standing.values())]
    problems: list[str] = []
    for rule in alerting:
        fired += fired_by_rule(prometheus, rule, start, end, spec.stack.scrape.evaluation, problems)
    sources = (JUDGE, *dict.fromkeys(rule["alert"] for rule in alerting))
    unique = sorted({(each.by, each.fired, *sorted(each.labels.items())): each for each in fired}.values(), key=_moment)
    return Backtest(
        start, end, tuple(unique), sources, tuple(healthy), tuple(incidents), tuple(problems), tuple(suggest(engines))
    )


def _moment(fired: Fired) -> float:
    return fired.fired


# ---------------------------------------------------------------- the judge


def replay(spec: Spec, prometheus: Prometheus, start: float, end: float) -> list[Engine]:
    """The engines of all phases within the stretch, each fed to its end; alarms that stand are carried on."""
    engines: list[Engine] = []
    carried: list[Alarm] = []
    for plan, until in phases(prometheus, start, end):
        watch = Watch(spec, prometheus, plan, carried)
        watch.advance(until)
        engines.append(watch.engine)
        carried = list(watch.engine.standing.values())
        if until < end:
            watch.engine.standing.clear()
    return engines


def phases(prometheus: Prometheus, start: float, end: float) -> list[tuple[Plan, float]]:
    """The steps of the plan within the stretch, each with its end; one step without a plan where none was recorded."""
    begins = {start}
    for series in prometheus.raw(names.PHASE_STARTED.name, end - start, at=end):
        begins |= {float(value) for value in np.unique(series.values) if start < value < end}
    moments = [*sorted(begins), end]
    result = []
    for first, until in pairwise(moments):
        plan = read_plan(prometheus, first, at=min(first + SEEN_AFTER_SECONDS, until))
        result.append((Plan(plan.number, max(plan.started, first), plan.shares), until))
    return result


SEEN_AFTER_SECONDS = 3.0  # a new step is scraped a little after it began


def _fired(alarm: Alarm) -> Fired:
    return Fired(JUDGE, {"signal": alarm.signal, names.SEGMENT: alarm.segment}, alarm.since, alarm.ended, alarm.text)


# ---------------------------------------------------------------- rules


def running_rules(prometheus: Prometheus) -> list[dict[str, Any]]:
    """The alerting rules that Prometheus runs, in the shape of a rule file."""
    return [
        {"alert": rule["name"], "expr": rule["query"], "for": rule.get("duration", 0.0)}
        for group in prometheus.rules()
        for rule in group["rules"]
        if rule["type"] == "alerting"
    ]


def fired_by_rule(
    prometheus: Prometheus, rule: Mapping[str, Any], start: float, end: float, step: float, problems: list[str]
) -> list[Fired]:
    """Every time the rule would have fired: its expression true at each evaluation for all of its `for`."""
    series = prometheus.range(str(rule["expr"]), start, end, step)
    if not series:
        problems.append(f"{rule['alert']}: its expression gave nothing over the whole stretch")
    wait, keep = parse_duration(rule.get("for", 0.0)), parse_duration(rule.get("keep_firing_for", 0.0))
    return [
        Fired(rule["alert"], dict(one.labels), fired, ended)
        for one in series
        for fired, ended in firings(one, wait, keep, step, end)
    ]


def firings(series: Series, wait: float, keep: float, step: float, end: float) -> list[tuple[float, float | None]]:
    """When an alert with samples at these evaluations fires and ends; `keep`: how long it goes on without one."""
    found: list[tuple[float, float | None]] = []
    for run in np.split(series.times, np.nonzero(np.diff(series.times) > 1.5 * step)[0] + 1):
        fired, last = float(run[0]) + wait, float(run[-1])
        if last < fired - 1e-6:
            continue
        ended = last + step + keep
        if found and (found[-1][1] is None or found[-1][1] >= run[0]):
            fired = found.pop()[0]
        found.append((fired, ended if ended <= end else None))
    return found


# ---------------------------------------------------------------- suggestions


def suggest(engines: Sequence[Engine]) -> list[Suggestion]:
    """What the history tells about bursts, and about the smallest harmful increase that makes sense to declare."""
    if not engines:
        return []
    engine, result = engines[-1], []
    for pair, (about, phi) in enumerate(zip(engine.schema.pairs, engine.history.phi, strict=True)):
        if about.segment != names.TOTAL_SEGMENT or about.bound is not None:
            continue
        size = (float(phi) + 1) / 2
        why = f"bad events come in bursts of about {size:.1f}; evidence is divided by phi so that they do not mislead"
        result.append(Suggestion(f"signals.{about.signal}: phi", f"{phi:.2f}", why))
        ratio = engine.detectable(about)
        if ratio is not None:
            rate = engine.setting(pair).rate
            why = f"a smaller increase of the rate of {100 * rate:.3g} % is not found within 30 s at this traffic"
            value = f"{100 * rate * (ratio - 1):.2g}pt"
            result.append(Suggestion(f"signals.{about.signal}.harmful_increase", value, why))
    return result
