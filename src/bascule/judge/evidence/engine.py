"""The judge without its clock and its network: looks go in, evidence and alarms come out (outcome.py: a verdict).

An engine lives for one phase. Everything in it follows from the evaluations it was fed, so replaying the evaluations of
a phase (and those before it, for the history) gives an engine identical to one that never stopped. The live loop, a
restart and a backtest use this same class.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from bascule.conventions import TOTAL_SEGMENT
from bascule.judge.evidence.alarm import Alarm, Recovery
from bascule.judge.evidence.budget import Budget
from bascule.judge.evidence.contradiction import Contradictions
from bascule.judge.evidence.courses import Courses
from bascule.judge.evidence.earlier import EarlierRegressions
from bascule.judge.evidence.explain import Increase, alarm_text, mean_alarm_text
from bascule.judge.evidence.figures import SignalReading
from bascule.judge.evidence.harmful import Harmful
from bascule.judge.evidence.means import Means
from bascule.judge.evidence.measures import Measures
from bascule.judge.evidence.recent import Recent
from bascule.judge.evidence.silence import Silence
from bascule.judge.evidence.split import Splits
from bascule.judge.evidence.unattributed import Unattributed
from bascule.judge.layout import BASELINE, CANDIDATE, EventCounts, Flags
from bascule.judge.sampling.alignment import JointLook
from bascule.judge.sampling.plan import PlanStep
from bascule.judge.sampling.schema import Cell, Schema
from bascule.judge.statistics.detectable import Setting, smallest_ratio
from bascule.judge.statistics.history import BaselineHistory
from bascule.judge.statistics.weighing import Evidence, decide, decide_alone
from bascule.judge.texts import clock_text
from bascule.spec.counters import EVENTS

MEANS_SECONDS = 30.0  # means change slowly: they are weighed no more often
DETECTABLE_SECONDS = 10.0  # the smallest effect found changes slowly, and costs more than an evaluation


class PhaseEngine:
    """Weighs one phase. `carried`: alarms that fired when it began."""

    def __init__(self, schema: Schema, plan: PlanStep, carried: Iterable[Alarm] = ()) -> None:
        self.schema, self.plan = schema, plan
        self.history = BaselineHistory(schema.layout)
        self.evidence = Evidence(self.history)
        self.harmful = Harmful(schema)
        self.budget = Budget(schema, plan, self.history, self.harmful.weighable)
        self.recent = Recent(self.history)
        self.recovery = Recovery(self.history, self.harmful.margins)
        self._earlier = self._earlier_regressions()
        self.standing: dict[Cell, Alarm] = {alarm.cell: alarm for alarm in carried}
        self.ended: list[Alarm] = []
        self.raised: list[Alarm] = []
        self.sums = np.zeros((2, len(schema.columns)))
        self.frozen = np.zeros(len(schema.columns))  # what the baseline did before the phase
        self.seconds = 0.0
        self.history_from: float | None = None  # of the first evaluation, Unix seconds
        self.compared = 0.0  # seconds in which the candidate answered
        self.distance = np.full(schema.layout.pairs, -np.inf)
        self.nearest = self.distance.copy()  # the most that `distance` has been in this phase
        self._moved: dict[Cell, float] = {}  # when a quantile was last higher by what matters
        self._detectable: dict[Cell, tuple[float, float | None]] = {}
        self._cell_pairs = {cell: np.array(schema.pairs_of(cell), np.intp) for cell in schema.cells}
        self.means = Means(schema)
        self.courses = Courses(schema)
        self.splits = Splits(schema, plan.started)
        self.silence = Silence(schema, plan)
        self.contradictions = Contradictions(schema)
        self.unattributed = Unattributed(schema)
        self.mistrusted: frozenset[str] = frozenset()  # signals whose selectors are unproven: they raise no alarm
        self._means_weighed = plan.started
        self._mean_cells = [cell for cell in self.budget.shares if not schema.spec.signals[cell[0]].has_bad_events]
        self._withdraw(plan.started)

    # ------------------------------------------------------------ looks

    def feed(self, look: JointLook) -> None:
        """One joint evaluation: evidence, alarms and recoveries, then the history (which must not know this evaluation
        before).

        An evaluation that rests on a sample from before the phase makes history only.
        """
        counts = self.schema.counts(look.increments)
        if self.history_from is None:
            self.history_from = look.time
        weighed = look.since >= self.plan.started
        if weighed:
            self._weigh(look, counts)
        elif look.time <= self.plan.started:
            self.frozen += look.increments[BASELINE]
            self._earlier.add(counts, look.seconds)
        if self.history.collect(counts, look.seconds):
            self.budget.refresh()
        if weighed and look.time - self._means_weighed >= MEANS_SECONDS:
            self._means_weighed = look.time
            self._weigh_means(look.time)

    def _weigh(self, look: JointLook, counts: EventCounts) -> None:
        self.sums += look.increments
        self.seconds += look.seconds
        self.compared += look.seconds if counts.candidate.any() else 0.0
        self.recent.add(counts, look.time, look.seconds)
        self.courses.add(look, self.history.shown_phi)
        self.splits.add(look)
        self.silence.add(look)
        self.contradictions.add(look)
        decision = decide_alone if self.alone else decide
        self.distance = decision(self.evidence.add(counts, look.seconds), self.budget.limits)
        self.nearest = np.maximum(self.nearest, self.distance)
        if self.standing:
            self.recovery.add(counts, look.seconds)
            self._end_recovered(look.time, counts)
        self._raise(look.time)
        self.history.distrust(self._alarmed())

    def _earlier_regressions(self) -> EarlierRegressions:
        names = list(self.schema.spec.signals)
        alike = np.array([names.index(pair.signal) for pair in self.schema.pairs], np.intp)
        return EarlierRegressions(self.history, self.harmful.margins, alike, self.schema.spec.judge.recovery)

    def _alarmed(self) -> Flags:
        """The pairs (K,) of every signal that has an alarm standing in any segment."""
        signals = {signal for signal, _ in self.standing}
        return self._mask(index for index, pair in enumerate(self.schema.pairs) if pair.signal in signals)

    def _weigh_means(self, time: float) -> None:
        for cell in self._mean_cells:
            reading = self.means.reading(cell, self.sums, self.history.shown_phi)
            if cell in self.standing:
                self._end_mean(cell, reading, time)
            elif cell[0] not in self.mistrusted and self._is_worse(cell, reading):
                self._raise_mean(cell, reading, time)

    def _is_worse(self, cell: Cell, reading: SignalReading) -> bool:
        evident = self.means.is_worse(reading, self.budget.mean_threshold(cell))
        return evident and self.harmful.of_mean(cell, reading)

    def _raise_mean(self, cell: Cell, reading: SignalReading, time: float) -> None:
        threshold = self.budget.mean_threshold(cell)
        text = mean_alarm_text(self.schema.spec, cell, reading, threshold)
        self.standing[cell] = Alarm(*cell, time, reading.nats, threshold, text)
        self.raised.append(self.standing[cell])
        self.means.restart(cell, self.sums)

    def _end_mean(self, cell: Cell, reading: SignalReading, time: float) -> None:
        waited = time - self.standing[cell].since >= self.schema.spec.judge.recovery
        if waited and (self.means.has_recovered(cell, reading) or self._is_tolerated(cell, reading)):
            self._end(cell, time, "no worse than tolerated on the data since the alarm")
            self._forget(cell)

    def _is_tolerated(self, cell: Cell, reading: SignalReading) -> bool:
        """Whether a mean is no longer worse by the increase that is declared to matter."""
        declared = not self.schema.spec.signals[cell[0]].harmful.is_any
        return declared and self.means.has_enough(reading) and not self.harmful.of_mean(cell, reading)

    @property
    def alone(self) -> bool:
        """At 100 % the baseline serves nothing: the candidate is compared with what it did before."""
        return self.plan.share(TOTAL_SEGMENT) == 1.0

    # ------------------------------------------------------------ alarms

    def adopt(self, alarms: Iterable[Alarm]) -> None:
        """Alarms that fired before, as an earlier judge raised them; one of our own of the same comparison counts."""
        known = set(self.schema.cells)
        for alarm in alarms:
            if alarm.cell in known:
                self.standing.setdefault(alarm.cell, alarm)
        self._withdraw(self.plan.started)

    def _raise(self, time: float) -> None:
        over = (self.distance >= 0) & self.harmful.pairs(self.recent)
        if not over.any():
            return
        for cell, pairs in self._cell_pairs.items():
            if not self._may_raise(cell) or not len(pairs) or not over[pairs].any():
                continue
            if self.harmful.has_moved(cell, pairs, self.recent):
                pair = int(pairs[np.argmax(np.where(over[pairs], self.distance[pairs], -np.inf))])
                self.standing[cell] = self._alarm(pair, time)
                self.raised.append(self.standing[cell])
                self.recovery.restart(self._mask(pairs))

    def alarm_now(self, cell: Cell) -> str:
        """The sentence of a firing alarm in figures of now."""
        alarm, pairs = self.standing[cell], self._recovering(cell)
        since = f"Alarm since {clock_text(alarm.since)}, until {self.schema.spec.versions.candidate} has recovered."
        if cell in self._mean_cells:
            reading = self.means.reading(cell, self.sums, self.history.shown_phi)
            if math.isnan(reading.nats):
                return alarm.text
            told = mean_alarm_text(self.schema.spec, cell, reading, self.budget.mean_threshold(cell))
            return f"{told} {since}"
        if len(pairs) != 1 or not self.budget.weights[pairs[0]] > 0:
            return alarm.text
        told = self._text(int(pairs[0]), max(0.0, self._evidence(int(pairs[0]))))
        return f"{told} {since}"

    def ratios_of(self, cell: Cell) -> tuple[float, float] | None:
        """Recent error ratios, the baseline's and the candidate's; None for what has none of its own, or too few."""
        pairs = self._cell_pairs.get(cell)
        return self.recent.observed(int(pairs[0])) if pairs is not None and len(pairs) == 1 else None

    def _may_raise(self, cell: Cell) -> bool:
        return cell not in self.standing and cell[0] not in self.mistrusted and self.plan.gives(cell[1])

    def _alarm(self, index: int, time: float) -> Alarm:
        pair, threshold = self.schema.pairs[index], self.budget.threshold(index)
        evidence = self._evidence(index)
        text = self._text(index, evidence)
        return Alarm(pair.signal, pair.segment, time, evidence, threshold, text, pair.bound)

    def _evidence(self, index: int) -> float:
        return self.budget.threshold(index) + float(self.distance[index])

    def _text(self, index: int, evidence: float) -> str:
        expected, rate = (float(each[index]) for each in self.recent.ratios())
        increase = Increase(rate, expected, self.alone)
        return alarm_text(self.schema.spec, self.schema.pairs[index], increase, evidence, self.budget.threshold(index))

    def _end_recovered(self, time: float, counts: EventCounts) -> None:
        shown = self.recovery.shown(self.schema.spec.judge.recovery)
        served = self.schema.layout.to_pairs(counts.candidate) > 0
        for cell in list(self.standing):
            pairs = self._recovering(cell)
            if not len(pairs) or not served[pairs].all():
                continue
            seconds = float(self.recovery.seconds[pairs].min())
            tolerated = self._tolerated_seconds(cell, time)
            if shown[pairs].all() or tolerated >= self.schema.spec.judge.recovery:
                reason = f"no worse for {max(seconds, tolerated):.0f} s of traffic since it recovered"
                self._end(cell, time, reason)
                self._forget(cell)

    def _forget(self, ended: Cell) -> None:
        """The evidence of all that a fixed fault moved starts again; what has recovered raises no second alarm."""
        for cell in self._left_by(ended):
            pairs = self._cell_pairs[cell]
            self.evidence.restart(self._mask(pairs))
            self.distance[pairs] = -np.inf
            if cell in self._mean_cells:
                self.means.restart(cell, self.sums)

    def _left_by(self, ended: Cell) -> list[Cell]:
        """The comparison itself, and those that the fault moved too without an alarm: all when no alarm is left, those
        of a signal when none of it is. While another fires, their evidence may be of a fault that lasts."""
        signals = {signal for signal, _ in self.standing}
        gone = ended[0] not in signals
        return [cell for cell in self.schema.cells if cell == ended or not signals or (gone and cell[0] == ended[0])]

    def _tolerated_seconds(self, cell: Cell, time: float) -> float:
        """For how long no quantile has been higher by the increase that is declared to matter."""
        if not self.schema.spec.signals[cell[0]].harmful.is_amount:
            return 0.0
        if self.harmful.has_moved(cell, self._cell_pairs[cell], self.recent):
            self._moved[cell] = time
        return time - self._moved.setdefault(cell, time)

    def _recovering(self, cell: Cell) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
        """The pairs that must recover: the one that raised the alarm (a bound), or the cell's only one."""
        pairs, bound = self._cell_pairs[cell], self.standing[cell].bound
        matching = [pair for pair in pairs if bound is None or self.schema.pairs[pair].bound == bound]
        return np.array(matching, np.intp)

    def _end(self, cell: Cell, time: float, reason: str) -> None:
        self.ended.append(self.standing.pop(cell).end(time, reason))

    def _withdraw(self, time: float) -> None:
        """Where the plan takes the candidate away from a segment, its alarm has nothing left to alarm."""
        for cell in list(self.standing):
            if not self.plan.gives(cell[1]):
                self._end(cell, time, "the candidate was withdrawn from the segment")

    def _mask(self, pairs: Iterable[int]) -> Flags:
        mask = np.zeros(self.schema.layout.pairs, bool)
        mask[list(pairs)] = True
        return mask

    # ------------------------------------------------------------ what is read off

    def measures(self) -> Measures:
        """Readings since the phase began; at 100 % beside the frozen baseline."""
        sums = np.stack([self.frozen, self.sums[CANDIDATE]]) if self.alone else self.sums
        return Measures(self.schema, sums, self.history.shown_phi)

    def knows_baseline(self, cell: Cell) -> bool:
        """Whether the baseline has answered anything of a line: before the phase or, while it is asked, in it."""
        name, line = cell
        columns = self.schema.columns_of(name, EVENTS, self.schema.strata[name].leaves_of(line))
        known = self.frozen if self.alone else self.frozen + self.sums[BASELINE]
        return bool(known[columns].any())

    def is_quiet(self, cell: Cell, now: float) -> bool:
        """Whether the candidate has answered nothing of a line for a minute; means are never quiet."""
        pairs = self._cell_pairs[cell]
        return bool(len(pairs)) and self.recent.is_quiet(int(pairs[0]), now)

    def evidence_of(self, cell: Cell) -> tuple[int | None, float | None, float | None]:
        """The pair that represents a cell, its evidence and its alert threshold (natural logarithms)."""
        pairs = self._cell_pairs[cell]
        weighed = pairs[self.budget.weights[pairs] > 0]
        if len(weighed):
            pair = int(weighed[np.argmax(self.distance[weighed])])
            threshold = self.budget.threshold(pair)
            return pair, max(0.0, threshold + float(self.distance[pair])), threshold
        if cell in self._mean_cells:
            nats = self.means.reading(cell, self.sums, self.history.shown_phi).nats
            return None, None if math.isnan(nats) else nats, self.budget.mean_threshold(cell)
        return None, None, None

    def is_learning(self, cell: Cell) -> bool:
        """Whether neither version has shown yet if bad events of this comparison come in bursts."""
        pairs = self._cell_pairs[cell]
        return bool(self.history.is_learning[pairs[self.budget.weights[pairs] > 0]].any())

    def detectable_ratio(self, cell: Cell, pair: int | None, now: float) -> float | None:
        """The smallest ratio of error ratios found in time; worked out again every DETECTABLE_SECONDS."""
        if pair is None or self.seconds <= 0:
            return None
        known = self._detectable.get(cell)
        if known is None or now - known[0] >= DETECTABLE_SECONDS:
            known = self._detectable[cell] = (now, smallest_ratio(self.setting(pair)))
        return known[1]

    def setting(self, pair: int) -> Setting:
        """The pair's traffic and rates now, for the smallest effect it can find."""
        mine = self.schema.layout.strata_of(pair)
        events = np.maximum(self.history.baseline_events[mine], 1e-9)
        baseline, candidate = self.recent.per_second(pair)
        return Setting(
            rate=float((self.history.rate[mine] * events).sum() / events.sum()),
            upper=float((self.history.upper[mine] * events).sum() / events.sum()),
            baseline_per_second=baseline,
            candidate_per_second=candidate,
            phi=float(self.history.phi[pair]),
            threshold=float(self.budget.limits.history[pair]),
            look_seconds=self.schema.spec.judge.tick,
        )
