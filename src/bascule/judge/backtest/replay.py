"""What the judge and every alert rule would have done on a stretch of history.

The judge is replayed by the same engine that runs live, on the samples Prometheus holds. A rule is replayed by asking
Prometheus for its expression over the stretch (see rules.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from bascule import conventions as names
from bascule.judge.backtest.rules import Fired, NothingToRead, Unreplayable, alerting, fired_by_rule, running_rules
from bascule.judge.backtest.suggest import Suggestion, suggest
from bascule.judge.evidence.alarm import Alarm
from bascule.judge.sampling.plan import PlanStep, read_plan
from bascule.judge.service.watch import PhaseWatch
from bascule.prometheus import Prometheus
from bascule.spec import Spec

JUDGE = "judge"
SEEN_AFTER_SECONDS = 3.0  # a new step is scraped a little after it began


@dataclass(frozen=True)
class Stretch:
    """A part of the history that is declared, Unix seconds: healthy, or an incident of the candidate."""

    start: float
    end: float
    name: str = ""


@dataclass(frozen=True)
class Backtest:
    """All that fired, in order of time; per source, false alarms an hour and delays of declared incidents.

    `compared`: seconds in which the judge had both versions (at 100 %: the candidate) to weigh; where they are none,
    `unseen` says why, and that nothing fired means nothing. `problems`: rules that could not be replayed, and why;
    `refused`: those of them that have series here, and might have fired.
    """

    start: float
    end: float
    fired: tuple[Fired, ...]
    sources: tuple[str, ...]
    healthy: tuple[Stretch, ...] = ()
    incidents: tuple[Stretch, ...] = ()
    problems: tuple[str, ...] = ()
    suggestions: tuple[Suggestion, ...] = field(default=())
    compared: float = 0.0
    unseen: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    def by(self, source: str) -> list[Fired]:
        """What one source raised: the judge, or a rule by its name."""
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
    """Replay start to end, Unix seconds. `rules`: as in rule files; by default those that Prometheus runs."""
    watches = replay(spec, prometheus, start, end)
    fired, sources, problems, refused = _replay_rules(
        prometheus, running_rules(prometheus) if rules is None else rules, start, end, spec.stack.scrape.evaluation
    )
    fired += [_fired(alarm) for watch in watches for alarm in (*watch.engine.ended, *watch.engine.standing.values())]
    unique = {(each.by, each.fired, *sorted(each.labels.items())): each for each in fired}
    return Backtest(
        start,
        end,
        tuple(sorted(unique.values(), key=lambda each: each.fired)),
        (JUDGE, *sources),
        tuple(healthy),
        tuple(incidents),
        tuple(problems),
        tuple(suggest([watch.engine for watch in watches])),
        sum(watch.engine.compared for watch in watches),
        _unseen(spec, watches),
        tuple(refused),
    )


def _replay_rules(
    prometheus: Prometheus, rules: Iterable[Mapping[str, Any]], start: float, end: float, step: float
) -> tuple[list[Fired], list[str], list[str], list[str]]:
    """What fired, the names of the rules that were replayed, why others were not, and why of those that have series."""
    fired: list[Fired] = []
    sources: dict[str, None] = {}
    problems: dict[str, bool] = {}  # whether there is nothing to read
    for rule in alerting(rules):
        try:
            fired += fired_by_rule(prometheus, rule, start, end, step)
            sources[str(rule["alert"])] = None
        except Unreplayable as reason:
            problems[f"{rule['alert']} was not replayed: {reason}"] = isinstance(reason, NothingToRead)
    return fired, list(sources), list(problems), [why for why, is_empty in problems.items() if not is_empty]


# ---------------------------------------------------------------- the judge


def replay(spec: Spec, prometheus: Prometheus, start: float, end: float) -> list[PhaseWatch]:
    """The watches of all phases within the stretch, each fed to its end; firing alarms are carried on."""
    watches: list[PhaseWatch] = []
    carried: list[Alarm] = []
    for plan, until in phases(prometheus, start, end):
        watch = PhaseWatch(spec, prometheus, plan, carried)
        watch.advance(until)
        watches.append(watch)
        carried = list(watch.engine.standing.values())
        if until < end:
            watch.engine.standing.clear()
    return watches


def phases(prometheus: Prometheus, start: float, end: float) -> list[tuple[PlanStep, float]]:
    """The steps of the plan within the stretch, each with its end; one step without a plan where none was recorded."""
    begins = {start}
    for series in prometheus.raw(names.PHASE_STARTED.name, end - start, at=end):
        begins |= {float(value) for value in np.unique(series.values) if start < value < end}
    moments = [*sorted(begins), end]
    result = []
    for first, until in pairwise(moments):
        plan = read_plan(prometheus, first, at=min(first + SEEN_AFTER_SECONDS, until))
        result.append((PlanStep(plan.number, max(plan.started, first), plan.shares), until))
    return result


def _unseen(spec: Spec, watches: Sequence[PhaseWatch]) -> tuple[str, ...]:
    """Why the judge could compare nothing; empty where it could."""
    if any(watch.engine.compared for watch in watches):
        return ()
    never = [
        f"No series of {version} has been seen."
        for number, version in enumerate(spec.versions.both)
        if not any(np.isfinite(watch.newest(number)) for watch in watches)
    ]
    return tuple(never) or (f"{spec.versions.candidate} answered no request that its plan gave it.",)


def _fired(alarm: Alarm) -> Fired:
    return Fired(JUDGE, {"signal": alarm.signal, names.SEGMENT: alarm.segment}, alarm.since, alarm.ended, alarm.text)
