"""Evidence that the candidate (V2) is worse than the baseline (V1), valid at every evaluation. Pure numpy, no I/O.

Units: evidence is in nats (natural logarithm of a likelihood ratio); e nats against a null happen by chance with
probability at most exp(-e), however often it is evaluated (Ville 1939). Shapes: S strata, K pairs (see layout.py), J
effects, the rate ratios V2 / V1 that are tried. Every statistic below is one number per pair, or per effect and pair.

The rule in words. Two things are weighed at each evaluation:

  *side by side*      V2 against V1 in the same seconds. Needs no history, and no incident of both can fool it; but V1's
                      own noise counts too, so it is slow.
  *against history*   V2 against V1's past rate. Twice as fast; but an incident that hits both versions raises it too.

An alarm is raised when one of these holds (`decide`):

  since_start >= f                      side by side, since the phase began
  change >= c                           side by side, since an unknown moment
  history >= a  and  guard >= g         against history since an unknown moment, and side by side since that moment

What is proven and what is calibrated:

  since_start   proven for known phi; one nat pays for an estimated phi (calibrated)
  change        a CUSUM, below the Shiryaev-Roberts e-detector (Shin, Ramdas & Rinaldo, NEJSDS 2024): proven with
                ln(looks) nats on top; we ask for less, RESTARTS_CHANGE, which is calibrated
  history       calibrated: its restart term, and the upper bound of the rate it starts from
  guard         an incident of both versions is blamed on V2 with probability at most exp(-g) per moment (proven for
                known phi); G0 is calibrated
  weights       a union bound over the pairs: right whatever the correlation between signals
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bascule.judge.layout import EventCounts, Flags, Floats, PairLayout

EFFECTS = np.array([1.5, 3.0, 7.0, 20.0, 100.0])  # rate ratios that are tried
# nats one evaluation adds side by side at most: no single evaluation (scrape skew, one giant burst) can blame V2
CLIP = 3.5
BLOCK_SECONDS = 10.0  # against history: counts are weighed in blocks of this length, for bursts outlast an evaluation

SHARE_HISTORY, SHARE_CHANGE, SHARE_START = 0.5, 0.2, 0.3  # of the false-alarm budget
# calibrated: ln of the effective number of restarts of a CUSUM in an hour, phi = 1; the guard pays most of them
RESTARTS_HISTORY = 4.2
BURSTY_HISTORY, BURSTY_HISTORY_MOST = 1.8, 2.5  # calibrated: nats more per ln phi, and how many at most
RESTARTS_CHANGE = 6.2  # calibrated likewise, for the CUSUM side by side, which has no guard
BURSTY_CHANGE = 1.2  # calibrated: nats more per ln phi
ESTIMATED_PHI = 1.0  # calibrated: nats that pay for phi being an estimate
G0 = 4.7  # calibrated: least guard, about ln(1 / .9 %)
CROWD_PAIRS, CROWD = 6, 0.6  # calibrated: from so many moved pairs on, the guard rises faster by so much per ln
G_ALONE = 3.0  # against history alone (at 100 % nothing is beside the candidate): nats on top of the threshold
MOVED = 3.0  # calibrated: nats against history from which a pair counts as moved
BASELINE_EFFECTS = np.array([2.0, 20.0])  # rate ratios at which V1 is watched for moving itself
BASELINE_MOVED = 4.0  # calibrated: nats from which V1 itself has moved ...
BASELINE_MOVED_ELSEWHERE = 6.0  # calibrated: nats in any pair, from which both versions may have an incident ...
BASELINE_PENALTY = 4.0  # ... and how many nats more every test then needs


def log_rising(start: Floats, steps: Floats) -> Floats:
    """ln of the rising factorial: lnGamma(start + steps) - lnGamma(start), start > 0, steps >= 0.

    Stirling's series after a shift of 4; absolute error below 2e-6. Three times as fast as two calls of gammaln. No
    step is no rise, and most strata have no bad event: the others alone are computed.
    """
    start, steps = np.broadcast_arrays(start, steps)
    risen, rises = np.zeros(start.shape), steps != 0
    risen[rises] = _log_rising(start[rises], steps[rises])
    return risen


def _log_rising(start: Floats, steps: Floats) -> Floats:
    end = start + steps
    a, b = start + 4.0, end + 4.0
    shift = np.log(start * (start + 1) * (start + 2) * (start + 3) / (end * (end + 1) * (end + 2) * (end + 3)))
    series = (1 / b - 1 / a) / 12 - (1 / b**3 - 1 / a**3) / 360
    return np.asarray(shift + (b - 0.5) * np.log(b) - (a - 0.5) * np.log(a) - steps + series)


def side_by_side(counts: EventCounts, phi: Floats, effects: Floats = EFFECTS) -> Floats:
    """Nats per effect and stratum, (J, S): how much better "V2's rate is r times V1's" explains who had the bad events.

    phi = 1: every bad event falls on V2 with probability rho = n2/(n1+n2) under equality, so the log likelihood ratio
    of r is x2 ln r - (x1+x2) ln(1 + rho (r-1)) (Lindon & Malek, NeurIPS 2022, arXiv 2011.03567).
    phi > 1: bad events come in bursts of geometric size B, mean (phi+1)/2, each on one version, on V2 with probability
    rho. The weight of an event is tempered to ln(r)/phi, and its price c solves E[exp(B (Z ln(r)/phi - c))] = 1:
        rho M(ln(r)/phi - c) + (1 - rho) M(-c) = 1,   M the moment generating function of B,
    a quadratic in y = exp(-c): 1 - b y + s q y^2 = 0 with s = r^(1/phi), q = (phi-1)/(phi+1). Its exponential is then a
    supermartingale for such bursts, whatever the common rate, its drift, and the split of the traffic. Where only one
    version served there is nothing to compare: 0.
    """
    total = counts.baseline + counts.candidate
    rho = counts.candidate / np.maximum(total, 1e-12)
    s, q = effects[:, None] ** (1 / phi), (phi - 1) / (phi + 1)
    b = q * (s + 1) + (1 - q) * (1 + rho * (s - 1))
    y = 2 / (b + np.sqrt(np.maximum(b * b - 4 * s * q, 0)))
    nats = counts.candidate_bad * np.log(s) + (counts.baseline_bad + counts.candidate_bad) * np.log(y)
    return np.asarray(np.where((counts.baseline > 0) & (counts.candidate > 0), nats, 0.0))


def against_history(events: Floats, bad: Floats, upper: Floats, phi: Floats, effects: Floats = EFFECTS) -> Floats:
    """Nats per effect and stratum, (J, S): "rate r times the past's upper bound" against "the past's upper bound".

    Counts are negative binomial with variance phi * mean (bursts; NB1), h = events * upper / (phi - 1):
        rise(r h, x) - rise(h, x) - (r-1) h ln(phi),   rise(h, x) = lnGamma(h+x) - lnGamma(h);
    as phi -> 1 this is the Poisson ratio x ln r - (r-1) events * upper. `events`, `bad`: (S,) or (J, S).
    """
    h = events * upper / (phi - 1) + 1e-9
    r = effects[:, None]
    return np.asarray(log_rising(r * h, bad) - log_rising(h, bad) - (r - 1) * h * np.log(phi))


class Past(Protocol):
    """What evidence is weighed by: the upper bound of the baseline's rate (S,), and the burstiness (K,)."""

    @property
    def layout(self) -> PairLayout: ...

    @property
    def upper(self) -> Floats: ...

    @property
    def phi(self) -> Floats: ...


@dataclass(frozen=True, eq=False)
class Look:
    """The statistics after one evaluation, in nats."""

    since_start: Floats  # (K,)
    change: Floats  # (K,)
    history: Floats  # (J, K)
    guard: Floats  # (J, K)
    baseline_moved: Floats  # (K,)


class Cusum:
    """Evidence against history that starts again whenever it is used up, (J, K) (Page 1954).

    The counts of the block that is still growing are weighed as one, for a burst spreads over several evaluations;
    `settled` is the sum over the closed blocks since evidence was last zero.
    """

    def __init__(self, effects: Floats, history: Past) -> None:
        self.effects = effects
        self._history = history
        layout = history.layout
        self.settled = np.zeros((len(effects), layout.pairs))
        self._events = np.zeros((len(effects), layout.strata))
        self._bad = np.zeros((len(effects), layout.strata))
        self._age = np.zeros((len(effects), layout.pairs))

    def add(self, events: Floats, bad: Floats, seconds: float) -> tuple[Floats, Flags]:
        """Evidence after these counts (S,), and where it is used up; both (J, K)."""
        self._events += events
        self._bad += bad
        self._age += seconds
        history, layout = self._history, self._history.layout
        phi = np.asarray(layout.to_strata(history.phi))
        open_block = layout.to_pairs(against_history(self._events, self._bad, history.upper, phi, self.effects))
        evidence = self.settled + open_block
        zero = evidence <= 0
        self._close(evidence, zero)
        return evidence, zero

    def _close(self, evidence: Floats, zero: Flags) -> None:
        full = self._age >= BLOCK_SECONDS - 1e-6
        self.settled = np.where(zero, 0, np.where(full, evidence, self.settled))
        keep = ~(zero | full)
        self._age *= keep
        kept = self._history.layout.to_strata(keep)
        self._events *= kept
        self._bad *= kept

    def restart(self, pairs: Flags) -> None:
        """Forget the evidence of these pairs (K,)."""
        keep = ~pairs
        kept = self._history.layout.to_strata(keep)
        self.settled *= keep
        self._age *= keep
        self._events *= kept
        self._bad *= kept


class Evidence:
    """The evidence of K pairs within one phase. A new phase gets a new one, on the same history.

    `clip`: nats that one evaluation adds side by side at most.
    """

    def __init__(self, history: Past, clip: float = CLIP) -> None:
        self._history, self._clip = history, clip
        pairs = history.layout.pairs
        self._start = np.zeros((len(EFFECTS), pairs))
        self._change = np.zeros((len(EFFECTS), pairs))
        self._guard = np.zeros((len(EFFECTS), pairs))
        self._candidate = Cusum(EFFECTS, history)
        self._baseline = Cusum(BASELINE_EFFECTS, history)

    def add(self, counts: EventCounts, seconds: float) -> Look:
        """Weigh what one joint evaluation of both versions brought; `seconds` since the evaluation before."""
        layout, phi = self._history.layout, self._history.phi
        beside = layout.to_pairs(side_by_side(counts, np.asarray(layout.to_strata(phi))))
        np.minimum(beside, self._clip, out=beside)
        self._start += beside
        self._change = np.maximum(self._change, 0) + beside
        self._guard += beside
        history, used_up = self._candidate.add(counts.candidate, counts.candidate_bad, seconds)
        baseline, _ = self._baseline.add(counts.baseline, counts.baseline_bad, seconds)
        look = Look(mean_of(self._start), self._change.max(axis=0), history, self._guard.copy(), baseline.max(axis=0))
        self._guard[used_up] = 0
        return look

    def restart(self, pairs: Flags) -> None:
        """Forget the evidence of these pairs (K,), as after a recovery."""
        for statistic in (self._start, self._change, self._guard):
            statistic[:, pairs] = 0
        self._candidate.restart(pairs)


def mean_of(log_evidence: Floats) -> Floats:
    """ln of the mean over effects, (J, K) -> (K,): an average of e-values is an e-value (Vovk & Wang 2021)."""
    top = log_evidence.max(axis=0)
    return np.asarray(top + np.log(np.exp(log_evidence - top).mean(axis=0)))


@dataclass(frozen=True, eq=False)
class EvidenceThresholds:
    """What each statistic must reach, in nats, (K,)."""

    history: Floats
    change: Floats
    since_start: Floats


def thresholds(phi: Floats, weights: Floats, budget: float, looks_per_hour: float) -> EvidenceThresholds:
    """Thresholds so that P(any false alarm in an hour) <= budget, for weights (K,) that sum to at most 1.

    A union bound shares the budget: over the pairs by their weights, over the three ways to alarm by SHARE_*. A pair of
    weight 0 never alarms. A CUSUM restarts; the price is ln of the effective number of restarts, at most ln(looks).
    """
    with np.errstate(divide="ignore"):
        price = -np.log(budget * weights)
    bursty, most = np.log(phi), np.log(looks_per_hour)
    restarts_history = RESTARTS_HISTORY + np.minimum(BURSTY_HISTORY * bursty, BURSTY_HISTORY_MOST)
    return EvidenceThresholds(
        history=price - np.log(SHARE_HISTORY) + np.minimum(restarts_history, most),
        change=price - np.log(SHARE_CHANGE) + np.minimum(RESTARTS_CHANGE + BURSTY_CHANGE * bursty, most),
        since_start=price - np.log(SHARE_START) + ESTIMATED_PHI,
    )


def decide(look: Look, limits: EvidenceThresholds, sets: int = 1) -> Floats:
    """Distance to the alarm in nats, (K,): an alarm where it is >= 0.

    The K pairs are `sets` migrations of equal size, each judged by itself (simulations judge many at once).
    """
    penalty = _penalty(look, sets)
    beside = np.maximum(look.since_start - limits.since_start, look.change - limits.change) - penalty
    return np.maximum(beside, _guarded(look, limits, penalty, sets))


def decide_alone(look: Look, limits: EvidenceThresholds) -> Floats:
    """Distance to the alarm, (K,), when the baseline serves nothing: against its frozen history, G_ALONE nats dearer.

    The candidate's regression looks like an incident of everything; the alarm says so.
    """
    return np.asarray((look.history - limits.history - G_ALONE).max(axis=0))


def _penalty(look: Look, sets: int) -> Floats:
    """Nats more that every test of a pair must show, (K,), where the baseline itself has moved, there or elsewhere."""
    moved = look.baseline_moved.reshape(sets, -1)
    anywhere = (moved >= BASELINE_MOVED_ELSEWHERE).any(axis=1, keepdims=True)
    return np.where((moved >= BASELINE_MOVED) | anywhere, BASELINE_PENALTY, 0.0).reshape(-1)


def _guarded(look: Look, limits: EvidenceThresholds, penalty: Floats, sets: int) -> Floats:
    """The distance of "history and guard": the best effect's lesser of the two distances."""
    over = look.history - limits.history
    level = np.where(over >= 0, look.guard, -np.inf).max(axis=0) - penalty
    moved = (look.history.max(axis=0) >= MOVED) & np.isfinite(limits.history)
    needed = required_guard(level.reshape(sets, -1), moved.reshape(sets, -1)).reshape(level.shape)
    return np.asarray(np.minimum(over, look.guard - penalty - needed).max(axis=0))


def _guard_of_rank(moved_per_rank: Floats) -> Floats:
    crowd = np.maximum(np.log(moved_per_rank / CROWD_PAIRS), 0)
    return np.asarray(G0 + np.maximum(np.log(moved_per_rank), 0) + CROWD * crowd)


def required_guard(level: Floats, moved: Flags) -> Floats:
    """Guard that each pair of a set must reach, (sets, K), by e-BH over the pairs that moved.

    The k-th largest guard needs G0 + ln(moved / k) (Wang & Ramdas, JRSS-B 2022), and with it all larger ones pass: an
    incident of both versions that moves many pairs costs one G0, and a regression of V2 on many pairs pays for itself.
    Where CROWD_PAIRS have moved for each that would pass, more is asked: phi is an estimate, and so many pairs err.
    """
    many = np.maximum(moved.sum(axis=-1, keepdims=True), 1)
    if not np.isfinite(level).any():
        return np.broadcast_to(_guard_of_rank(many), level.shape)
    order = np.argsort(-level, axis=-1, kind="stable")
    ranked = np.take_along_axis(level, order, axis=-1)
    rank = np.arange(1, level.shape[-1] + 1)
    needed = _guard_of_rank(many / rank)
    passes = ranked >= needed
    last = np.where(passes.any(axis=-1), level.shape[-1] - 1 - np.argmax(passes[..., ::-1], axis=-1), -1)
    within = np.arange(level.shape[-1]) <= last[..., None]
    at_last = np.take_along_axis(needed, np.maximum(last, 0)[..., None], axis=-1)
    result = np.empty_like(level)
    np.put_along_axis(result, order, np.where(within, at_last, needed), axis=-1)
    return result
