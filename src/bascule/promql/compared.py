"""Both versions side by side, from the recorded rates of all signals: by version, by segment, mix-adjusted.

Segments move at different times, so that pooled figures differ by mix alone. *Mix-adjusted*: each version's figure is
formed within each subsegment that both serve, and weighed with one mix for both: all events of the subsegment, n1 + n2.
The judge and the reports weigh the same way.
"""

from __future__ import annotations

from typing import Literal

from bascule.conventions import Recorded, mix_adjusted_quantile_name, quantile_name
from bascule.promql.expressions import among, indent
from bascule.spec import Selector, Spec, bucket_bounds
from bascule.spec.counters import quantile_of
from bascule.spec.gains import gain_sign
from bascule.spec.kinds import Signal
from bascule.spec.model import Named
from bascule.spec.signals import CountedShare, HistogramSignal

EVENTS, SUM, BUCKET, MIX = (
    Recorded.SIGNAL_EVENTS,
    Recorded.SIGNAL_SUM,
    Recorded.SIGNAL_BUCKET,
    Recorded.SIGNAL_MIX,
)
Side = Literal["bad", "good"]
QUANTILES = ("p50", "p95", "p99")  # those that are recorded
HOUR = "1h"


def value_by(by: str) -> str:
    """The ratio or mean of every signal that has a numerator, by these labels."""
    return f"sum by ({by}) ({SUM})\n/\n(sum by ({by}) ({EVENTS}) > 0)"


def quantile_by(by: str, quantile: str) -> str:
    """A quantile of every distribution, by these labels; guarded by `>= 0`, for one of no observations is NaN."""
    return f"histogram_quantile({quantile_of(quantile)}, sum by ({by}, le) ({BUCKET})) >= 0"


# ---------------------------------------------------------------- mix-adjusted


def mix(spec: Spec, signals: list[str]) -> str:
    """What each subsegment weighs: the events of both versions, where both have some."""
    where = among("signal", signals)
    old, new = (f'({EVENTS}{{{where},version="{version}"}} > 0)' for version in spec.versions.both)
    return f"{old}\n+ ignoring (version)\n{new}"


def mix_adjusted() -> str:
    """The ratio or mean of each version at the mix of both."""
    weighed = f"sum by (signal, version) (\n  {SUM} / ({EVENTS} > 0)\n  * ignoring (version) group_left () {MIX}\n)"
    return f"{weighed}\n/ on (signal) group_left ()\n(sum by (signal) ({MIX}) > 0)"


def mix_adjusted_quantile(quantile: str) -> str:
    """The quantile of each version at the mix of both."""
    weighed = f"{BUCKET} / ignoring (le) group_left () ({EVENTS} > 0)\n* ignoring (version, le) group_left () {MIX}"
    mixed = f"sum by (signal, version, le) (\n{indent(weighed)}\n)"
    return f"histogram_quantile({quantile_of(quantile)}, {mixed}) >= 0"


def difference(spec: Spec, series: str) -> str:
    """Candidate minus baseline of a recorded series."""
    old, new = (f'{series}{{version="{version}"}}' for version in spec.versions.both)
    return f"{new}\n- ignoring (version)\n{old}"


# ---------------------------------------------------------------- one signal


def value_series(signal: Signal, statistic: str = "p95", level: str = "version") -> str:
    """The recorded series of the signal's value by version (or `version_segment`); of a distribution, that quantile."""
    if signal.buckets is not None:
        return quantile_name(level, statistic)
    if signal.all_events is None:
        return Recorded.SIGNAL_LEVEL
    return Recorded.SIGNAL_BY_VERSION if level == "version" else Recorded.SIGNAL_BY_SEGMENT


def of_signal(series: str, name: str, over: str = "") -> str:
    """One signal of a recorded series, under its other labels alone. `over`: the time that it is averaged over."""
    selected = f'{series}{{signal="{name}"}}'
    return f"max without (signal) ({_averaged(selected, over)})"


def gain(spec: Spec, name: str, over: str = "") -> str:
    """How much better the candidate's value is than the baseline's, mix-adjusted; negative where it is worse.

    `over`: the time that it is averaged over, such as 1h.
    """
    return _signed(spec.signals[name], of_signal(Recorded.SIGNAL_DIFFERENCE, name, over))


def relative_gain(spec: Spec, name: str, over: str = "") -> str:
    """The same as a share of the baseline's value, whichever sign that has; absent where it is zero."""
    difference = _averaged(f'{Recorded.SIGNAL_DIFFERENCE}{{signal="{name}"}}', over)
    where = f'signal="{name}",version="{spec.versions.baseline}"'
    base = _averaged(f"{Recorded.SIGNAL_STANDARDISED}{{{where}}}", over)
    share = f"max without (signal) (\n  {difference}\n  / ignoring (version)\n  (abs({base}) > 0)\n)"
    return _signed(spec.signals[name], share)


def _signed(signal: Signal, difference: str) -> str:
    return difference if gain_sign(signal) > 0 else f"-{difference}"


def value_of(spec: Spec, name: str, statistic: str = "p95") -> str:
    """The candidate's own value, over all that it serves; of a distribution, that quantile, recorded or not."""
    signal, where = spec.signals[name], f'{{signal="{name}",version="{spec.versions.candidate}"}}'
    if signal.buckets is not None and statistic not in QUANTILES:
        return f"histogram_quantile({quantile_of(statistic)}, sum by (version, le) ({BUCKET}{where}))"
    return f"max without (signal) ({value_series(signal, statistic)}{where})"


def quantile_above(spec: Spec, name: str, quantile: str, bound: float) -> str:
    """The candidate's quantile where it lies above `bound`.

    One in the last bucket, which has no end, is given as the highest bound: there the events up to it tell.
    """
    value, limit = value_of(spec, name, quantile), f"{bound:.12g}"
    if bound <= 0:
        return f"{value} > {limit}"
    buckets = Selector(BUCKET).where(signal=name, version=spec.versions.candidate)
    within, everything = buckets.where(bucket_bounds.at(bound)), buckets.where(le="+Inf")
    beyond = f"{value} >= {limit}\nand on ()\nsum({within}) < {quantile_of(quantile)} * sum({everything})"
    return f"(\n{indent(f'{value} > {limit}')}\n  or\n{indent(beyond)}\n)"


def hourly_events(name: str, by: str = "") -> str:
    """How many events of a signal there were in the last hour, in all or `by` a label."""
    added = f"sum by ({by}) " if by else "sum"
    return f'{added}(avg_over_time({EVENTS}{{signal="{name}"}}[{HOUR}])) * 3600'


def _averaged(series: str, over: str) -> str:
    return f"avg_over_time({series}[{over}])" if over else series


def share_by_version(one: Named[CountedShare], side: Side) -> str:
    """The share of bad (or good) events, whichever of the two the signal counts."""
    share = of_signal(Recorded.SIGNAL_BY_VERSION, one.name)
    return share if one.signal.amount == side else f"1 - {share}"


def share_difference(one: Named[CountedShare], side: Side) -> str:
    """How much more of the candidate's events are bad (or good), mix-adjusted."""
    difference = of_signal(Recorded.SIGNAL_DIFFERENCE, one.name)
    return difference if one.signal.amount == side else f"-{difference}"


def p95_seconds(one: Named[HistogramSignal]) -> str:
    """The 95th percentile by version, in seconds whatever the signal's unit is."""
    value, scale = of_signal(quantile_name("version", "p95"), one.name), one.signal.measured_in.scale
    return value if scale == 1 else f"{scale:g} * {value}"


def p95_ratio(spec: Spec, one: Named[HistogramSignal]) -> str:
    """The baseline's mix-adjusted p95 over the candidate's: above 1 the candidate is quicker."""
    series = mix_adjusted_quantile_name("p95")
    old, new = (f'{series}{{signal="{one.name}",version="{version}"}}' for version in spec.versions.both)
    return f"max without (signal) (\n  {old}\n  / ignoring (version)\n  ({new} > 0)\n)"
