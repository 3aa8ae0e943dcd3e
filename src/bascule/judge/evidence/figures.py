"""The value of a signal with its interval, from counts: an error ratio, a quantile or a mean.

Within a segment the versions are compared as they are, the total is mix-adjusted (mix.py). Differences are candidate
minus baseline. Rates lie in [0, 1], quantiles and means are in the signal's own unit; NaN is "no data".

What cannot be told is never told as if it were known: a quantile beyond the last bound that both versions' histograms
have is infinite, and a mean whose values show no scatter has no interval.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bascule import buckets
from bascule.conventions import TOTAL_SEGMENT
from bascule.judge.layout import BASELINE, CANDIDATE, Floats
from bascule.judge.sampling.schema import Pair, Schema
from bascule.judge.statistics.confidence import (
    LEVEL,
    Interval,
    difference_interval,
    mean_and_variance,
    normal_evidence,
    normal_interval,
    rate_interval,
)
from bascule.judge.statistics.mix import mix_adjusted, mix_of, pooled
from bascule.spec.counters import EVENTS, CounterPart, Statistic, quantile_of
from bascule.states import Cause

MEAN_LEVEL = 0.01  # where the interval behind a mean's evidence is tuned
TORN_EVENTS = 3.0  # by which a sum may be ahead of its squares, for a scrape comes between two counters
ALIKE = 1e-9  # values that differ by less are alike, but for rounding


@dataclass(frozen=True)
class SignalReading:
    """One signal in one segment: value of each version, difference with interval, events behind them. NaN: no data."""

    baseline: float = math.nan
    candidate: float = math.nan
    effect: float = math.nan
    low: float = math.nan
    high: float = math.nan
    events_baseline: float = 0.0
    events_candidate: float = 0.0
    nats: float = math.nan  # evidence of a mean (those of rates come from weighing.py), that the candidate is worse
    baseline_over: float = math.nan  # the last common bound, where the baseline's quantile lies beyond it
    candidate_over: float = math.nan
    unknown: Cause | None = None  # why no difference could be told from none, however many events there are

    @property
    def has_both(self) -> bool:
        """Whether there is a value of each version."""
        return not math.isnan(self.baseline) and not math.isnan(self.candidate)

    def of_good(self) -> SignalReading:
        """The shares of good events, where these are the shares of bad ones."""
        return replace(
            self,
            baseline=1 - self.baseline,
            candidate=1 - self.candidate,
            effect=-self.effect,
            low=-self.high,
            high=-self.low,
        )


@dataclass(frozen=True)
class Bounded:
    """A value of the candidate with its interval, for gates and triggers; `unknown`: why that decides nothing."""

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    events: float = 0.0
    unknown: Cause | None = None

    def of_good(self) -> Bounded:
        """The share of good events, where this is the share of bad ones."""
        return Bounded(1 - self.value, 1 - self.high, 1 - self.low, self.events)


class SignalCounts:
    """What was counted of one signal: `sums` (2, columns) of the schema, and phi (K,) of its pairs."""

    def __init__(self, schema: Schema, sums: Floats, phi: Floats, name: str) -> None:
        self._schema, self._sums, self._phi, self._name = schema, sums, phi, name
        self.signal = schema.spec.signals[name]
        self.strata = schema.strata[name]
        self.bounds = schema.bounds.get(name, ())
        self.reach = schema.reach(name)

    @cached_property
    def events(self) -> tuple[float, float]:
        """Of the baseline and of the candidate, over all segments."""
        baseline, candidate = self.part(EVENTS, TOTAL_SEGMENT).sum(axis=1).tolist()
        return baseline, candidate

    def part(self, part: CounterPart, line: str) -> Floats:
        """(2, strata) of a line."""
        return self._sums[:, self._schema.columns_of(self._name, part, self.strata.leaves_of(line))]

    def bad(self, bound: float | None, line: str) -> tuple[Floats, Floats]:
        """Events and bad events of a line, each (2, strata)."""
        return self.bad_of(bound, self.strata.leaves_of(line))

    def bad_of(self, bound: float | None, leaves: tuple[str, ...]) -> tuple[Floats, Floats]:
        """The same of strata by name."""
        return self._schema.bad_table(self._name, bound, leaves).of(self._sums)

    def phi(self, bound: float | None, line: str) -> float:
        """How bursty the bad events of a line are."""
        return float(self._phi[self._schema.index(Pair(self._name, line, bound))])

    def of_candidate(self, part: CounterPart) -> float:
        """The candidate's, over all it serves."""
        return float(self.part(part, TOTAL_SEGMENT)[CANDIDATE].sum())


class Figures(ABC):
    """How one signal's counts are read."""

    def __init__(self, counts: SignalCounts) -> None:
        self.counts = counts

    @abstractmethod
    def reading(self, line: str) -> SignalReading:
        """Both versions in a line (a segment, a value within one, or all)."""

    @abstractmethod
    def candidate(self, statistic: str) -> Bounded:
        """The candidate's own value over all it serves; `statistic`: of a distribution, such as `p95`."""

    def value(self, statistic: str) -> float:
        """The same without an interval."""
        part, events = self.counts.signal.amount, self.counts.events[CANDIDATE]
        return self.counts.of_candidate(part) / events if part is not None and events > 0 else math.nan


class Shares(Figures):
    """Bad (or good) events among events."""

    def reading(self, line: str) -> SignalReading:
        events, bad = self.counts.bad(None, line)
        found = self._of_single[line] if events.shape[1] == 1 else self._adjusted(line, events, bad)
        return found.of_good() if self.counts.signal.counts_good else found

    def candidate(self, statistic: str) -> Bounded:
        events, bad = (both[CANDIDATE].sum() for both in self.counts.bad(None, TOTAL_SEGMENT))
        found = rate_interval(events, bad, np.array(self.counts.phi(None, TOTAL_SEGMENT)))
        share = Bounded(float(found.estimate), float(found.low), float(found.high), float(events))
        return share.of_good() if self.counts.signal.counts_good else share

    def _adjusted(self, line: str, events: Floats, bad: Floats) -> SignalReading:
        both = events.sum(axis=1)
        mix = mix_of(events)
        if mix is None:
            crude = pooled(events, bad)
            return SignalReading(crude[0], crude[1], events_baseline=both[0], events_candidate=both[1])
        rates, variance = mix_adjusted(events, bad, mix)
        phi = self.counts.phi(None, line)
        found = normal_interval(np.array(rates[1] - rates[0]), phi * variance.sum(), events.sum())
        return SignalReading(rates[0], rates[1], float(found.estimate), float(found.low), float(found.high), *both)

    @cached_property
    def _of_single(self) -> dict[str, SignalReading]:
        """Every line of one stratum at once: there may be thousands of partners."""
        strata = self.counts.strata
        lines = tuple(line for line in strata.lines if len(strata.leaves_of(line)) == 1)
        (n1, n2), (x1, x2) = events, bad = self.counts.bad_of(None, tuple(strata.leaves_of(line)[0] for line in lines))
        found = difference_interval(n1, x1, n2, x2, np.array([self.counts.phi(None, line) for line in lines]))
        rates = np.where(events > 0, bad / np.maximum(events, 1), math.nan)
        rows = np.stack([*rates, found.estimate, found.low, found.high, n1, n2], axis=1).tolist()
        return {line: SignalReading(*row) for line, row in zip(lines, rows, strict=True)}


class Quantiles(Figures):
    """A quantile of a histogram, from the shares above each bound, linear within a bucket; infinite beyond the last."""

    def reading(self, line: str) -> SignalReading:
        counts = self.counts
        if not counts.bounds:
            return SignalReading()
        tables = [counts.bad(bound, line) for bound in counts.bounds]
        events, above = tables[0][0], np.stack([bad for _, bad in tables])
        phi = np.array([counts.phi(bound, line) for bound in counts.bounds])
        value1, low1, high1 = self._of_version(BASELINE, events, above, phi)
        value2, low2, high2 = self._of_version(CANDIDATE, events, above, phi)
        known = SignalReading(value1, value2, _less(value2, value1), low2 - high1, high2 - low1, *events.sum(axis=1))
        unknown = Cause.BUCKET if math.isinf(value1) and math.isinf(value2) else None
        return replace(known, baseline_over=self._over(value1), candidate_over=self._over(value2), unknown=unknown)

    def candidate(self, statistic: str) -> Bounded:
        counts = self.counts
        tables = [counts.bad(bound, TOTAL_SEGMENT) for bound in counts.bounds]
        if not tables or not (events := tables[0][0][CANDIDATE].sum()) > 0:
            return Bounded()
        above = np.array([bad[CANDIDATE].sum() for _, bad in tables])
        phi = np.array([counts.phi(bound, TOTAL_SEGMENT) for bound in counts.bounds])
        found = rate_interval(np.full(len(above), events), above, phi)
        return Bounded(*self._values(found, quantile_of(statistic)), float(events))

    def value(self, statistic: str) -> float:
        bounds, events = self.counts.bounds, self.counts.events[CANDIDATE]
        if not bounds or not events > 0:
            return math.nan
        below = np.array([self.counts.of_candidate(bound) for bound in bounds]) / events
        return quantile_below(bounds, below, quantile_of(statistic))

    def _of_version(self, version: int, events: Floats, above: Floats, phi: Floats) -> tuple[float, float, float]:
        """Value, low and high of one version, each version at half the level; `above` (bounds, 2, strata)."""
        mix, own = mix_of(events), above[:, version]
        total = events[version].sum()
        if total <= 0:
            return math.nan, math.nan, math.nan
        if mix is None or len(mix) == 1:
            found = rate_interval(np.full(len(own), total), own.sum(axis=1), phi, LEVEL / 2)
        else:
            rates, variance = mix_adjusted(np.broadcast_to(events[version], own.shape), own, mix)
            found = normal_interval(rates, phi * variance, total, LEVEL / 2).of_shares()
        return self._values(found, quantile_of(self.counts.signal.shown))

    def _values(self, above: Interval, quantile: float) -> tuple[float, float, float]:
        """The quantile, its low and its high, from the shares above the bounds."""
        value, low, high = (
            quantile_below(self.counts.bounds, 1 - side, quantile) for side in (above.estimate, above.low, above.high)
        )
        return value, lowest(low, self.counts.reach), high

    def _over(self, value: float) -> float:
        return self.counts.reach if math.isinf(value) else math.nan


class MeanValues(Figures):
    """The mean of a value per event."""

    def reading(self, line: str) -> SignalReading:
        count, total = (self.counts.part(part, line) for part in (EVENTS, "sum"))
        events = count.sum(axis=1)
        mix = mix_of(count)
        if mix is None:
            return SignalReading(events_baseline=events[0], events_candidate=events[1])
        squares = self._squares(line)
        mean, variance = mean_and_variance(count, total, squares)
        means = np.nansum(np.where(mix > 0, mean, 0.0) * mix, axis=1)
        spread = float(np.nansum(variance * mix**2))
        known = SignalReading(means[0], means[1], means[1] - means[0], math.nan, math.nan, *events)
        if not has_scatter(count, total, squares):
            return replace(known, unknown=Cause.SCATTER)
        return self._with_interval(known, spread)

    def candidate(self, statistic: str) -> Bounded:
        count = self.counts.events[CANDIDATE]
        if count <= 0:
            return Bounded()
        events, total = np.array(count), np.array(self.counts.of_candidate("sum"))
        squares = self._squares(TOTAL_SEGMENT)[CANDIDATE].sum()
        mean, variance = mean_and_variance(events, total, squares)
        if not has_scatter(events, total, squares):
            return Bounded(float(mean), events=float(count), unknown=Cause.SCATTER)
        found = normal_interval(mean, variance, count)
        return Bounded(float(mean), float(found.low), float(found.high), float(count))

    def _with_interval(self, known: SignalReading, spread: float) -> SignalReading:
        effect, events = np.array(known.effect), known.events_baseline + known.events_candidate
        found = normal_interval(effect, np.array(spread), events)
        worse = known.effect < 0 if self.counts.signal.better == "higher" else known.effect > 0
        nats = float(normal_evidence(effect, np.array(spread), events, MEAN_LEVEL)) if worse else 0.0
        return replace(known, low=float(found.low), high=float(found.high), nats=nats)

    def _squares(self, line: str) -> Floats:
        """Sums of squares (2, strata): a counter of their own, or read off whole-numbered buckets."""
        bounds = self.counts.bounds
        if not bounds:
            return self.counts.part("squares", line)
        per_bucket = np.diff(np.stack([self.counts.part(bound, line) for bound in bounds]), axis=0, prepend=0)
        return np.asarray((per_bucket * np.square(np.array(bounds))[:, None, None]).sum(axis=0))


class Nothing(Figures):
    """A level counts no events, so there is nothing to read."""

    def reading(self, line: str) -> SignalReading:
        return SignalReading()

    def candidate(self, statistic: str) -> Bounded:
        return Bounded()


FIGURES: Mapping[Statistic, type[Figures]] = {
    Statistic.SHARE: Shares,
    Statistic.QUANTILE: Quantiles,
    Statistic.MEAN: MeanValues,
    Statistic.LEVEL: Nothing,
}


def quantile_below(bounds: Sequence[float], below: Floats, quantile: float) -> float:
    """Where the share below reaches the quantile, linear within a bucket as in Prometheus; infinite if never."""
    shares = np.maximum.accumulate(below).tolist()
    return buckets.quantile(quantile, dict(zip(bounds, shares, strict=True)) | {math.inf: 1.0})


def lowest(value: float, reach: float) -> float:
    """The least that a value can be: of one beyond `reach`, where the buckets end, that is all that is known."""
    return value if value <= reach else math.nextafter(reach, math.inf)


def has_scatter(count: Floats, total: Floats, squares: Floats) -> bool:
    """Whether it is known how much values scatter: their squares are counted, and they are not all alike.

    n times the sum of squares of n values is never less than their squared sum, and as much where they are all alike.
    """
    found, least = squares * count, np.square(total)
    torn = TORN_EVENTS / np.maximum(count, TORN_EVENTS)
    return bool((found >= least * (1 - ALIKE - torn)).all() and (found > least * (1 + ALIKE)).any())


def _less(one: float, other: float) -> float:
    """The difference; NaN of two that lie beyond what is known."""
    return math.nan if math.isinf(one) and math.isinf(other) else one - other
