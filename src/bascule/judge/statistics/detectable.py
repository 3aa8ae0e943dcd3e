"""How small a regression the judge can find in time, at the traffic of the moment.

An early step cannot find a small effect in 30 seconds, by any method: with few events there is too little information.
So every step says what it can find. Rates in bad events per event, traffic in events per second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bascule.judge.layout import Floats
from bascule.judge.statistics.weighing import BLOCK_SECONDS, CLIP, EFFECTS, G0, against_history, log_rising

FOUND_WITHIN_SECONDS = 30.0
LARGEST_RATIO = 1000.0
_OVERSHOOT = 0.95  # calibrated: the median is a little before the mean path reaches the threshold


@dataclass(frozen=True)
class Setting:
    """One pair as it is: rates, traffic, burstiness, and the threshold against history."""

    rate: float
    upper: float
    baseline_per_second: float
    candidate_per_second: float
    phi: float
    threshold: float
    look_seconds: float


def median_delay(setting: Setting, ratio: float) -> float:
    """Predicted median seconds from a change to the alarm, for a rate `ratio` times the baseline's.

    Both statistics of "history and guard" must get there: threshold / drift, drift the best over the effects tried, in
    nats per second: against history in expectation under NB1(ratio * rate, phi) on whole blocks, beside in expectation
    with at most CLIP per look. Within 10 % of simulation where bench/judge.py compares them.
    """
    history = float(_history_drift(setting, ratio).max())
    beside = min(float(_side_drift(setting, ratio).max()), CLIP / setting.look_seconds)
    if history <= 0 or beside <= 0:
        return np.inf
    return max(setting.threshold / history, G0 / beside) * _OVERSHOOT + setting.look_seconds / 2


def smallest_ratio(setting: Setting, seconds: float = FOUND_WITHIN_SECONDS) -> float | None:
    """Smallest ratio whose predicted median delay is within `seconds`; None where none below LARGEST_RATIO is."""
    if setting.candidate_per_second <= 0 or setting.baseline_per_second <= 0 or not setting.rate > 0:
        return None
    low, high = 1.02, min(LARGEST_RATIO, 0.95 / setting.rate)
    if high <= low or median_delay(setting, high) > seconds:
        return None
    while high / low > 1.01:
        middle = float(np.sqrt(low * high))
        low, high = (low, middle) if median_delay(setting, middle) <= seconds else (middle, high)
    return high


def _history_drift(setting: Setting, ratio: float) -> Floats:
    events = setting.candidate_per_second * BLOCK_SECONDS
    start = ratio * events * setting.rate / (setting.phi - 1)
    mean = ratio * events * setting.rate
    counts = np.arange(int(mean + 12 * np.sqrt(mean * setting.phi) + 12 * setting.phi) + 2.0)
    log_mass = log_rising(np.array(start), counts) - log_rising(np.array(1.0), counts)
    log_mass = log_mass - start * np.log(setting.phi) + counts * np.log1p(-1 / setting.phi)
    nats = against_history(np.array(events), counts, np.array(setting.upper), np.array(setting.phi))
    return np.asarray((np.exp(log_mass) * nats).sum(axis=1) / BLOCK_SECONDS)


def _side_drift(setting: Setting, ratio: float) -> Floats:
    n1, n2, phi = setting.baseline_per_second, setting.candidate_per_second, setting.phi
    rho, bad = n2 / (n1 + n2), setting.rate * (n1 + ratio * n2)
    s, q = EFFECTS ** (1 / phi), (phi - 1) / (phi + 1)
    b = q * (s + 1) + (1 - q) * (1 + rho * (s - 1))
    price = np.log((b + np.sqrt(np.maximum(b * b - 4 * s * q, 0))) / 2)
    return np.asarray(ratio * setting.rate * n2 * np.log(s) - bad * price)
