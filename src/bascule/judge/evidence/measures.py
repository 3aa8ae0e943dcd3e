"""Values of signals with intervals, from counts since the phase began. Differences are candidate minus baseline.

Within a segment the two versions are compared as they are. The total is standardised: both versions are given one mix
of segments (that of all traffic in the segments which both serve), so that a difference of mix is no difference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bascule.conventions import TOTAL_SEGMENT
from bascule.judge.evidence.confidence import (
    LEVEL,
    difference_interval,
    mean_and_variance,
    normal_evidence,
    normal_interval,
    rate_interval,
)
from bascule.judge.layout import BASELINE, CANDIDATE, Floats
from bascule.judge.sampling.schema import Pair, Schema
from bascule.spec.quantities import Threshold
from bascule.spec.signals import HistogramSignal, MeanSignal, RatioSignal, Signal

DEFAULT_QUANTILE = 0.95
MEAN_LEVEL = 0.01  # where the interval behind a mean's evidence is tuned


@dataclass(frozen=True)
class Reading:
    """One signal in one segment: value of each version, difference with interval, events behind them. NaN: no data."""

    baseline: float = math.nan
    candidate: float = math.nan
    effect: float = math.nan
    low: float = math.nan
    high: float = math.nan
    events_baseline: float = 0.0
    events_candidate: float = 0.0
    nats: float = math.nan  # evidence of a mean (those of rates come from evidence.py), that the candidate is worse


@dataclass(frozen=True)
class Bounded:
    """A value of the candidate with its interval, for gates and triggers."""

    value: float
    low: float
    high: float
    events: float


class Measures:
    """Readings from increments summed over a span, `sums` (2, columns); `phi` (K,) per pair."""

    def __init__(self, schema: Schema, sums: Floats, phi: Floats) -> None:
        self._schema = schema
        self._sums = sums
        self._phi = phi
        self._singles: dict[tuple[str, float | None], dict[str, tuple[Floats, float, float, float]]] = {}

    def reading(self, name: str, segment: str) -> Reading:
        signal = self._schema.spec.signals[name]
        if isinstance(signal, RatioSignal):
            return self._ratio(name, signal, segment)
        if isinstance(signal, HistogramSignal):
            return self._histogram(name, signal, segment)
        if isinstance(signal, MeanSignal):
            return self._mean(name, signal, segment)
        return Reading()

    def events(self, name: str) -> tuple[float, float]:
        """Events of the baseline and of the candidate, over all segments."""
        part = "total" if isinstance(self._schema.spec.signals[name], RatioSignal) else "count"
        both = self._part(name, part, self._strata(name, TOTAL_SEGMENT)).sum(axis=1)
        return float(both[BASELINE]), float(both[CANDIDATE])

    def gain_for(self, name: str, threshold: Threshold) -> Bounded:
        """The gain as a bound means it: in percent relative, unless the signal's own unit is a share."""
        relative = is_relative(self._schema.spec.signals[name], threshold)
        return self.relative_gain(name) if relative else self.gain(name)

    def gain(self, name: str) -> Bounded:
        """The total's difference, counted as a gain in the better direction."""
        reading = self.reading(name, TOTAL_SEGMENT)
        sign = 1.0 if self._schema.spec.signals[name].better == "higher" else -1.0
        low, high = sorted((sign * reading.low, sign * reading.high))
        return Bounded(sign * reading.effect, low, high, reading.events_candidate)

    def relative_gain(self, name: str) -> Bounded:
        """The same, as a share of the baseline's value."""
        gain, base = self.gain(name), abs(self.reading(name, TOTAL_SEGMENT).baseline)
        if not base > 0:
            return Bounded(math.nan, math.nan, math.nan, gain.events)
        return Bounded(gain.value / base, gain.low / base, gain.high / base, gain.events)

    def candidate_share(self, name: str) -> Bounded:
        """The candidate's own share of bad (or good) events, over all it serves."""
        signal = self._schema.spec.signals[name]
        assert isinstance(signal, RatioSignal)
        counts = self._bad(name, None, self._strata(name, TOTAL_SEGMENT))[:, CANDIDATE].sum(axis=1)
        share = self._share(name, None, counts[0], counts[1])
        return (
            share if signal.bad is not None else Bounded(1 - share.value, 1 - share.high, 1 - share.low, share.events)
        )

    def candidate_above(self, name: str, bound: float) -> Bounded:
        """The candidate's share of events above a bound that the histogram has."""
        counts = self._bad(name, bound, self._strata(name, TOTAL_SEGMENT))[:, CANDIDATE].sum(axis=1)
        return self._share(name, bound, counts[0], counts[1])

    def candidate_quantile(self, name: str, quantile: float) -> Bounded:
        """The candidate's own quantile, in the signal's unit."""
        strata = self._strata(name, TOTAL_SEGMENT)
        bounds = self._schema.bounds.get(name, ())
        tables = [self._bad(name, bound, strata)[:, CANDIDATE].sum(axis=1) for bound in bounds]
        if not tables or tables[0][0] <= 0:
            return Bounded(math.nan, math.nan, math.nan, 0.0)
        shares = [self._share(name, bound, *table) for bound, table in zip(bounds, tables, strict=True)]
        low, value, high = (
            _quantile(bounds, [getattr(share, side) for share in shares], quantile) for side in ("low", "value", "high")
        )
        return Bounded(value, low, high, float(tables[0][0]))

    def candidate_mean(self, name: str) -> Bounded:
        """The candidate's own mean."""
        strata = self._strata(name, TOTAL_SEGMENT)
        count, total = (self._part(name, part, strata)[CANDIDATE].sum() for part in ("count", "sum"))
        squares = self._squares(name, TOTAL_SEGMENT)[CANDIDATE].sum()
        if count <= 0:
            return Bounded(math.nan, math.nan, math.nan, 0.0)
        mean, variance = mean_and_variance(count, total, squares)
        interval = normal_interval(mean, variance, count)
        return Bounded(float(mean), float(interval.low), float(interval.high), float(count))

    # ------------------------------------------------------------ ratios

    def _ratio(self, name: str, signal: RatioSignal, segment: str) -> Reading:
        counts = self._bad(name, None, self._strata(name, segment))
        rates, effect, low, high = self._rates(name, None, segment, counts)
        events = counts[0].sum(axis=1)
        if signal.good is not None:
            rates, effect, low, high = 1 - rates, -effect, -high, -low
        return Reading(rates[0], rates[1], effect, low, high, events[0], events[1])

    def _rates(
        self, name: str, bound: float | None, segment: str, counts: Floats
    ) -> tuple[Floats, float, float, float]:
        """Bad rates of both versions, their difference and its bounds, from counts (events|bad, version, strata)."""
        if counts.shape[2] == 1:
            return self._of_single(name, bound)[segment]
        phi = self._phi_of(name, bound, segment)
        mix = _mix(counts[0])
        if mix is None:
            return self._crude(counts), math.nan, math.nan, math.nan
        rates, variance = _standardised(counts, mix)
        interval = normal_interval(np.array(rates[1] - rates[0]), phi * variance.sum(), counts[0].sum())
        return rates, float(interval.estimate), float(interval.low), float(interval.high)

    def _of_single(self, name: str, bound: float | None) -> dict[str, tuple[Floats, float, float, float]]:
        """The same for every line of one stratum at once: there may be thousands of partners."""
        if (name, bound) not in self._singles:
            strata = self._schema.strata[name]
            lines = tuple(line for line in strata.lines if len(strata.leaves_of(line)) == 1)
            leaves = tuple(strata.leaves_of(line)[0] for line in lines)
            (n1, n2), (x1, x2) = counts = self._bad(name, bound, leaves)
            phi = np.array([self._phi_of(name, bound, line) for line in lines])
            found = difference_interval(n1, x1, n2, x2, phi)
            rates = np.where(counts[0] > 0, counts[1] / np.maximum(counts[0], 1), math.nan)
            figures = zip(rates.T, found.estimate, found.low, found.high, strict=True)
            self._singles[name, bound] = {
                line: (both, float(effect), float(low), float(high))
                for line, (both, effect, low, high) in zip(lines, figures, strict=True)
            }
        return self._singles[name, bound]

    @staticmethod
    def _crude(counts: Floats) -> Floats:
        """Each version's own rate: where the two share no segment there is no common mix."""
        events, bad = counts.sum(axis=2)
        return np.where(events > 0, bad / np.maximum(events, 1), math.nan)

    # ------------------------------------------------------------ histograms

    def _histogram(self, name: str, signal: HistogramSignal, segment: str) -> Reading:
        bounds, strata = self._schema.bounds.get(name, ()), self._strata(name, segment)
        if not bounds:
            return Reading()
        counts = [self._bad(name, bound, strata) for bound in bounds]
        events = counts[0][0].sum(axis=1)
        quantile = shown_quantile(signal)
        sides = [self._quantile_of(version, name, segment, counts, quantile) for version in (BASELINE, CANDIDATE)]
        (low1, value1, high1), (low2, value2, high2) = sides
        return Reading(value1, value2, value2 - value1, low2 - high1, high2 - low1, events[0], events[1])

    def _quantile_of(
        self, version: int, name: str, segment: str, counts: Sequence[Floats], quantile: float
    ) -> tuple[float, float, float]:
        """Low, value, high of one version's quantile, each version at half the level."""
        bounds = self._schema.bounds[name]
        mix, phi = _mix(counts[0][0]), np.array([self._phi_of(name, bound, segment) for bound in bounds])
        tables = np.array(counts)[:, :, version]
        if mix is None or tables.shape[2] == 1:
            shares = _above_alone(tables.sum(axis=2), phi)
        else:
            shares = [_above(table, mix, float(own)) for table, own in zip(tables, phi, strict=True)]
        if math.isnan(shares[0][1]):
            return math.nan, math.nan, math.nan
        low, value, high = (_quantile(bounds, [share[side] for share in shares], quantile) for side in range(3))
        return low, value, high

    # ------------------------------------------------------------ means

    def _mean(self, name: str, signal: MeanSignal, segment: str) -> Reading:
        strata = self._strata(name, segment)
        count, total = (self._part(name, part, strata) for part in ("count", "sum"))
        events = count.sum(axis=1)
        mix = _mix(count)
        if mix is None:
            return Reading(events_baseline=events[0], events_candidate=events[1])
        mean, variance = mean_and_variance(count, total, self._squares(name, segment))
        means = np.nansum(mean * mix, axis=1)
        spread = float(np.nansum(variance * mix**2))
        effect = means[1] - means[0]
        if spread <= 0:
            return Reading(means[0], means[1], effect, math.nan, math.nan, events[0], events[1])
        interval = normal_interval(effect, np.array(spread), events.sum())
        return Reading(
            means[0], means[1], effect, float(interval.low), float(interval.high), events[0], events[1],
            _one_sided(effect, spread, events.sum(), signal.better),
        )  # fmt: skip

    def _squares(self, name: str, segment: str) -> Floats:
        """Sums of squares (2, strata): a counter of their own, or read off whole-numbered buckets."""
        strata, bounds = self._strata(name, segment), self._schema.bounds.get(name, ())
        if not bounds:
            return self._part(name, "squares", strata)
        below = np.stack([self._part(name, bound, strata) for bound in bounds])
        per_bucket = np.diff(below, axis=0, prepend=0)
        return np.asarray((per_bucket * np.square(np.array(bounds))[:, None, None]).sum(axis=0))

    # ------------------------------------------------------------ parts

    def _strata(self, name: str, segment: str) -> tuple[str, ...]:
        return self._schema.strata[name].leaves_of(segment)

    def _part(self, name: str, part: str | float, strata: tuple[str, ...]) -> Floats:
        return self._sums[:, self._schema.columns_of(name, part, strata)]

    def _bad(self, name: str, bound: float | None, strata: tuple[str, ...]) -> Floats:
        """Events and bad events: (events|bad, version, strata)."""
        signal = self._schema.spec.signals[name]
        if bound is not None:
            events, below = self._part(name, "count", strata), self._part(name, bound, strata)
            return np.stack([events, np.clip(events - below, 0, None)])
        assert isinstance(signal, RatioSignal)
        events = self._part(name, "total", strata)
        if signal.bad is not None:
            bad = self._part(name, "bad", strata)
            return np.stack([np.maximum(events, bad), bad])
        return np.stack([events, np.clip(events - self._part(name, "good", strata), 0, None)])

    def _phi_of(self, name: str, bound: float | None, segment: str) -> float:
        return float(self._phi[self._schema.index(Pair(name, segment, bound))])

    def _share(self, name: str, bound: float | None, events: float, bad: float) -> Bounded:
        phi = self._phi_of(name, bound, TOTAL_SEGMENT)
        interval = rate_interval(np.array(events), np.array(bad), np.array(phi))
        return Bounded(float(interval.estimate), float(interval.low), float(interval.high), float(events))


def is_relative(signal: Signal, threshold: Threshold) -> bool:
    """Whether a bound on a gain is a share of the baseline's value; a share's own gain is in points."""
    return threshold.written.endswith("%") and not isinstance(signal, RatioSignal)


def shown_quantile(signal: HistogramSignal) -> float:
    """The quantile that stands for a histogram: p95 where it is a target or none is, else the highest target."""
    if not signal.targets or "p95" in signal.targets:
        return DEFAULT_QUANTILE
    return max(quantile_of(name) for name in signal.targets)


def quantile_of(statistic: str) -> float:
    """0.95 of `p95`, 0.999 of `p999`."""
    digits = statistic.removeprefix("p")
    return int(digits) / float(10 ** len(digits))


def _mix(events: Floats) -> Floats | None:
    """Weights (strata,) of the segments that both versions serve; None where there is no such segment."""
    both = (events > 0).all(axis=0)
    weight = np.where(both, events.sum(axis=0), 0.0)
    return np.asarray(weight / weight.sum()) if both.any() else None


def _standardised(counts: Floats, mix: Floats) -> tuple[Floats, Floats]:
    """Rates (2,) at one mix and their variances (2,); one bad and one good event are added for the variance alone."""
    events, bad = counts
    shown = mix > 0
    n = np.where(shown, np.maximum(events, 1), 1)
    rates = (np.where(shown, bad / n, 0) * mix).sum(axis=1)
    smooth = (bad + 1) / (n + 2)
    variance = (np.where(shown, smooth * (1 - smooth) / n, 0) * mix**2).sum(axis=1)
    return rates, variance


def _above_alone(counts: Floats, phi: Floats) -> list[tuple[float, float, float]]:
    """Low, estimate, high of one version's share above each bound, from counts (bounds, events|bad)."""
    if counts[0, 0] <= 0:
        return [(math.nan, math.nan, math.nan)] * len(counts)
    interval = rate_interval(counts[:, 0], counts[:, 1], phi, LEVEL / 2)
    return list(zip(interval.low.tolist(), interval.estimate.tolist(), interval.high.tolist(), strict=True))


def _above(counts: Floats, mix: Floats, phi: float) -> tuple[float, float, float]:
    """The same for one bound at a mix of strata, from counts (events|bad, strata)."""
    events = counts[0]
    if events.sum() <= 0:
        return math.nan, math.nan, math.nan
    both = np.stack([counts, counts], axis=1)
    rates, variance = _standardised(both, mix)
    normal = normal_interval(rates[0], phi * variance[0], events.sum(), LEVEL / 2)
    return max(float(normal.low), 0.0), float(rates[0]), min(float(normal.high), 1.0)


def _quantile(bounds: Sequence[float], above: Sequence[float], quantile: float) -> float:
    """Where the share above falls to 1 - quantile, linear within a bucket as in Prometheus; the last bound if never."""
    below = np.maximum.accumulate(1 - np.array(above))
    place = int(np.searchsorted(below, quantile, side="left"))
    if place == len(bounds):
        return float(bounds[-1])
    start, end = (0.0 if place == 0 else bounds[place - 1]), bounds[place]
    before = 0.0 if place == 0 else below[place - 1]
    return float(start + (end - start) * (quantile - before) / max(below[place] - before, 1e-12))


def _one_sided(effect: float, variance: float, events: float, better: str) -> float:
    """Nats that the candidate's mean is worse; 0 where it is better."""
    worse = effect < 0 if better == "higher" else effect > 0
    return float(normal_evidence(np.array(effect), np.array(variance), events, MEAN_LEVEL)) if worse else 0.0
