"""What a bound on a signal's gain over the baseline means: the judge, the rules and `check` ask here."""

from __future__ import annotations

from bascule.spec.counters import Statistic
from bascule.spec.kinds import Signal
from bascule.spec.quantities import Threshold


def gain_sign(signal: Signal) -> int:
    """What candidate minus baseline is multiplied by, so that it is positive in the better direction."""
    return 1 if signal.better == "higher" else -1


def is_relative(signal: Signal, threshold: Threshold) -> bool:
    """Whether a bound on a gain is a share of the baseline's value; a share's own gain is in points."""
    return threshold.written.endswith("%") and signal.statistic is not Statistic.SHARE
