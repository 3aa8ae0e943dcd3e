"""Intervals for what is displayed and gated: confidence sequences, valid at every evaluation at once.

An ordinary 95 % interval that is watched for an hour misses the truth far more often than 5 %; these miss it *ever*
with at most the stated probability. Bursts are met by tempering: counts are divided by the overdispersion phi.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bascule.judge.layout import Floats
from bascule.judge.statistics.weighing import log_rising

LEVEL = 0.05  # an interval misses, ever, with at most this probability
TUNED_FOR = 500.0  # events at which the interval of a mean is tightest
_CLOSE, _MOST_STEPS = 1e-12, 60  # a bound is found to so many parts of itself; hardly ever in more than 15 steps


@dataclass(frozen=True, eq=False)
class Interval:
    """Estimate and bounds; any shape, NaN where there is nothing to estimate."""

    estimate: Floats
    low: Floats
    high: Floats

    def of_shares(self) -> Interval:
        """Bounds that a share can have."""
        return Interval(self.estimate, np.maximum(self.low, 0.0), np.minimum(self.high, 1.0))


Prior = tuple[Floats | float, Floats | float]  # bad and good events, as a beta distribution has them
RATE_PRIOR: Prior = (0.5, 20.0)


def share_interval(bad: Floats, good: Floats, prior: Prior, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Bounds of a share from (tempered) counts: all theta with B(a+x, b+y) / (B(a,b) theta^x (1-theta)^y) < 1/level.

    Beta mixture of likelihood ratios (Robbins 1970); a, b: the mixture's prior. Proven for independent events.
    """
    a, b = (np.asarray(each, dtype=float) for each in prior)
    top = log_rising(a, bad) + log_rising(b, good) - log_rising(a + b, bad + good) + np.log(level)
    events = np.stack(np.broadcast_arrays(bad, good))
    low, rest = _log_lowest(np.asarray(top), events, events[::-1])
    return np.exp(low), -np.expm1(rest)


def _log_lowest(top: Floats, events: Floats, others: Floats) -> Floats:
    """ln of the lowest share p for which top - events ln(p) - others ln(1-p) < 0; -inf where every low one is.

    Newton's steps in ln(p): the function is convex there, and the tangent from far left hits 0 at top / events, so
    that the steps come from the left and none goes too far.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(events > 0, top / events, -np.inf)
        for _ in range(_MOST_STEPS):
            rest = -np.expm1(found)
            step = (top - events * found - others * np.log(rest)) / (events - others * np.exp(found) / rest)
            close = ~(step > _CLOSE * -found)
            if close.all():
                break
            found = np.where(close, found, found + step)
    return np.asarray(np.fmax(found, -np.inf))  # of what is not a number, nothing is known


def rate_interval(events: Floats, bad: Floats, phi: Floats, level: float = LEVEL) -> Interval:
    """One version's rate of bad events, in ratio units."""
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = bad / events
    low, high = share_interval(bad / phi, (events - bad) / phi, RATE_PRIOR, level)
    empty = events <= 0
    return Interval(estimate, np.where(empty, np.nan, low), np.where(empty, np.nan, high))


def difference_interval(n1: Floats, x1: Floats, n2: Floats, x2: Floats, phi: Floats, level: float = LEVEL) -> Interval:
    """V2's rate minus V1's, in ratio units, from counts since the phase began.

    Half of the level goes to the ratio of the rates (the share of the bad events that fell on V2, whatever the common
    rate), half to V1's own rate; difference = (ratio - 1) * V1's rate, at its extremes. bench/judge.py counts misses.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        low_ratio, high_ratio = _ratio_bounds(n1, x1, n2, x2, phi, level / 2)
        low_rate, high_rate = share_interval(x1 / phi, (n1 - x1) / phi, RATE_PRIOR, level / 2)
        low = np.where(low_ratio < 1, high_rate, low_rate) * (low_ratio - 1)
        high = np.minimum(np.where(high_ratio < 1, low_rate, high_rate) * (high_ratio - 1), 1.0)
        estimate = x2 / n2 - x1 / n1
    empty = (n1 <= 0) | (n2 <= 0)
    return Interval(estimate, np.where(empty, np.nan, low), np.where(empty, np.nan, high))


def _ratio_bounds(n1: Floats, x1: Floats, n2: Floats, x2: Floats, phi: Floats, level: float) -> tuple[Floats, Floats]:
    rho = np.clip(n2 / (n1 + n2), 1e-6, 1 - 1e-6)
    low, high = share_interval(x2 / phi, x1 / phi, (6 * rho, 6 * (1 - rho)), level)
    odds = n1 / np.maximum(n2, 1e-12)
    return low / (1 - low + 1e-12) * odds, np.where(high > 1 - 1e-9, np.inf, high / (1 - high + 1e-12) * odds)


def normal_interval(estimate: Floats, variance: Floats, events: Floats | float, level: float = LEVEL) -> Interval:
    """An estimate that is nearly normal (means, mix-adjusted differences): asymptotic confidence sequence.

    estimate +- sqrt(variance) * sqrt(2 (t+1)/t * ln(sqrt(t+1)/level)), t = events * r2; `variance`: the estimate's own,
    s1^2/n1 + s2^2/n2; `events`: n1 + n2 (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, Annals of Statistics 2024,
    arXiv 2103.06476). Proven only as events grow; below about 100 events per version it is a guide.
    """
    t = np.maximum(events, 1e-9) * _tuning(level)
    width = np.sqrt(variance) * np.sqrt(2 * (t + 1) / t * np.log(np.sqrt(t + 1) / level))
    return Interval(estimate, estimate - width, estimate + width)


def normal_evidence(estimate: Floats, variance: Floats, events: Floats | float, level: float) -> Floats:
    """Nats against "the difference is zero": the level at which `normal_interval` would just exclude it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        z2 = np.where(variance > 0, estimate**2 / variance, 0.0)
    t = np.maximum(events, 1e-9) * _tuning(level)
    return np.asarray(np.maximum(z2 * t / (2 * (t + 1)) - np.log(t + 1) / 2, 0.0))


def _tuning(level: float) -> float:
    """r2, so that the interval is tightest after TUNED_FOR events."""
    return float((-2 * np.log(level) + np.log(1 - 2 * np.log(level))) / TUNED_FOR)


def mean_and_variance(count: Floats, total: Floats, squares: Floats) -> tuple[Floats, Floats]:
    """Mean of n values and the variance of that mean, from their sum and sum of squares."""
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / count
        spread = np.maximum(squares / count - mean**2, 0.0)
        return mean, spread / np.maximum(count - 1, 1)
