"""Counters of signals as rates, ratios and quantiles, by whatever labels.

Ratios are of sums, never averages of ratios, and are absent without traffic (`> 0`), so that "no data" stays no data.
A bad-event counter that has not appeared yet counts as zero only where that is known: the total has events, and the
counter is of the same metric or exists for that version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bascule.conventions import VERSION, Recorded
from bascule.promql.expressions import canonical_rate, strata
from bascule.spec import Matcher, Selector, Spec
from bascule.spec.selector import bucket_under
from bascule.spec.signals import GaugeSignal, HistogramSignal, MeanSignal, RatioSignal, Signal

Amount = Callable[[Selector], str]  # a counter's rate or growth, as an expression


def rates(spec: Spec) -> Amount:
    """Rates of both versions under the canonical labels, over the window that recorded rates have."""
    return lambda selector: canonical_rate(spec, selector)


# ---------------------------------------------------------------- ratios and quantiles by labels


def summed(amount: Amount, selector: Selector, by: str) -> str:
    return f"sum by ({by}) ({amount(selector)})"


def share_of(amount: Amount, part: Selector, whole: Selector, by: str) -> str:
    """Part of whole, of the same metric: zero while the part has no series yet, absent without events."""
    some, everything = (summed(amount, selector, by) for selector in (part, whole))
    return f"({some} or 0 * {everything})\n/\n({everything} > 0)"


def bad_share(amount: Amount, signal: RatioSignal, by: str) -> str:
    """Bad events among all, whichever side the signal declares."""
    share = share_of(amount, signal.events, signal.total, by)
    return share if signal.counts_bad else f"1 - {share}"


def mean_of(amount: Amount, total: Selector, count: Selector, by: str) -> str:
    """The mean of what is summed in one counter, over the events of another; absent without events."""
    return f"{summed(amount, total, by)}\n/\n({summed(amount, count, by)} > 0)"


def quantile(amount: Amount, buckets: Selector, q: float, by: str) -> str:
    """Guarded by `>= 0`: a quantile of no observations is NaN, and nothing is left of it."""
    return f"histogram_quantile({q}, sum by ({_and_le(by)}) ({amount(buckets)})) >= 0"


def _and_le(by: str) -> str:
    return f"{by}, le" if by else "le"


def seconds(amount: Amount, signal: HistogramSignal, q: float, by: str) -> str:
    """The same of a distribution of times, in seconds whatever the signal's unit is."""
    value, scale = quantile(amount, signal.buckets, q, by), signal.measured_in.scale
    return value if scale == 1 else f"{scale:g} * {value}"


def bad_events(total: Amount, signal: Signal, bound: float | None = None) -> str:
    """Bad events in all: those declared, those that are not good, or those above `bound` (in base units).

    `total`: a counter's growth in all. Raises ValueError for a signal that has no such events.
    """
    match signal:
        case RatioSignal(bad=Selector()):
            return f"{total(signal.events)} or 0 * {total(signal.total)}"
        case RatioSignal():
            everything = total(signal.total)
            bad = f"clamp_min({everything} - ({total(signal.events)} or 0 * {everything}), 0)"
            return f"{bad} or 0 * {everything}"
        case HistogramSignal() if bound is not None:
            within = total(signal.buckets.where(bucket_under(signal.measured_in.of_base(bound))))
            return f"clamp_min({total(signal.all_events)} - {within}, 0)"
    raise ValueError(f"a {signal.kind} signal has no bad events without a bound")


def value(signal: Signal, where: Iterable[Matcher], window: str, by: str = "", q: float = 0.95) -> str:
    """A signal's ratio, mean, quantile or level straight from the services' series, in its own unit.

    `where` narrows it to a version or segment; `by`: the labels it is told apart by; absent without events.
    """
    matchers = tuple(where)

    def rate(selector: Selector) -> str:
        return f"rate({selector.where(*matchers).over(window)})"

    match signal:
        case RatioSignal():
            return share_of(rate, signal.events, signal.total, by)
        case HistogramSignal():
            return quantile(rate, signal.buckets, q, by)
        case MeanSignal():
            return mean_of(rate, signal.sum, signal.count, by)
        case GaugeSignal():
            return f"avg by ({by}) ({signal.metric.where(*matchers)})"


# ---------------------------------------------------------------- what is recorded within strata


def counted(spec: Spec, signal: Signal) -> dict[Recorded, str]:
    """Rates of the signal's counters by version within its strata, by the name each is recorded under.

    Every later rule is one expression over these of all signals. Empty for a gauge, which counts nothing.
    """
    if signal.all_events is None:
        return {}
    rate, by = rates(spec), ", ".join((VERSION, *strata(spec, signal)))
    found = {Recorded.SIGNAL_EVENTS: summed(rate, signal.all_events, by)}
    if signal.buckets is not None:
        found[Recorded.SIGNAL_BUCKET] = summed(rate, signal.buckets, f"{by}, le")
    if signal.numerator is not None:
        found[Recorded.SIGNAL_SUM] = _or_zero(rate, signal.numerator, signal.all_events, by)
    return found


def _or_zero(rate: Amount, part: Selector, whole: Selector, by: str) -> str:
    zero = f"0 * {summed(rate, whole, by)}"
    if part.metric != whole.metric:
        # A metric that a version does not export at all is no data, not zero.
        zero = f"({zero} and on (version) count by (version) ({rate(part)}))"
    return f"{summed(rate, part, by)}\nor\n{zero}"
