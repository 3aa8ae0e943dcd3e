"""Counters of signals as rates, ratios and quantiles, by whatever labels.

Ratios are of sums, never averages of ratios, and are absent without traffic (`> 0`), so that "no data" stays no data.
A bad-event counter that has not appeared yet counts as zero only where that is known: the total has events, and the
counter is of the same metric or exists for that version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bascule.conventions import VERSION, Recorded
from bascule.promql.expressions import WINDOW_SECONDS, canonical_level, canonical_rate, strata
from bascule.spec import Matcher, Selector, Spec
from bascule.spec.bucket_bounds import from_up, up_to
from bascule.spec.kinds import Signal
from bascule.spec.signals import CountedShare, GaugeSignal, HistogramSignal, MeanSignal

EXCESS, EXCESS_EVENTS = 0.01, 2  # more good events than events: by so much that no order of counting explains it
Amount = Callable[[Selector], str]  # a counter's rate or growth, as an expression


def rates(spec: Spec) -> Amount:
    """Rates of both versions under the canonical labels, over the window that recorded rates have."""
    return lambda selector: canonical_rate(spec, selector)


# ---------------------------------------------------------------- ratios and quantiles by labels


def share_of(amount: Amount, part: Selector, whole: Selector, by: str) -> str:
    """Part of whole, of the same metric: zero while the part has no series yet, absent without events."""
    some, all_of_it = amount(part), amount(whole)
    return f"(sum by ({by}) ({some}) or 0 * sum by ({by}) ({all_of_it}))\n/\n(sum by ({by}) ({all_of_it}) > 0)"


def bad_share(amount: Amount, signal: CountedShare, by: str) -> str:
    """Bad events among all, whichever side the signal declares."""
    share = share_of(amount, signal.events, signal.all_events, by)
    return share if signal.counts_bad else f"1 - {share}"


def mean_of(amount: Amount, total: Selector, count: Selector, by: str) -> str:
    """The mean of what is summed in one counter, over the events of another; absent without events."""
    return f"sum by ({by}) ({amount(total)})\n/\n(sum by ({by}) ({amount(count)}) > 0)"


def quantile(amount: Amount, buckets: Selector, q: float, by: str) -> str:
    """Guarded by `>= 0`: a quantile of no observations is NaN, and nothing is left of it."""
    return f"histogram_quantile({q}, sum by ({f'{by}, le' if by else 'le'}) ({amount(buckets)})) >= 0"


def seconds(amount: Amount, signal: HistogramSignal, q: float, by: str) -> str:
    """The same of a distribution of times, in seconds whatever the signal's unit is."""
    value, scale = quantile(amount, signal.buckets, q, by), signal.measured_in.scale
    return value if scale == 1 else f"{scale:g} * {value}"


@dataclass(frozen=True)
class EventExpressions:
    """Expressions of one sample each: all events, those that are certainly bad, and those that are unknown.

    `unsure`: events between the two buckets around a bound that is no bucket's; empty where that cannot be. Fewer bad
    events than none mean that more events are counted as good than there are.
    """

    total: str
    bad: str
    unsure: str = ""


def event_counts(grown: Amount, signal: Signal, bound: float | None = None) -> EventExpressions:
    """What a signal counts. `grown`: how much each series grew; `bound`: the limit of a distribution, in its unit.

    Raises ValueError for a signal that has no such events.
    """
    match signal:
        case CountedShare() if signal.counts_bad:
            everything, bad = f"sum({grown(signal.all_events)})", f"sum({grown(signal.events)})"
            return EventExpressions(at_least(everything, bad), f"{bad} or 0 * {everything}")
        case CountedShare():
            everything, good = f"sum({grown(signal.all_events)})", f"sum({grown(signal.events)})"
            return EventExpressions(everything, f"{everything} - ({good} or vector(0))")
        case HistogramSignal() if bound is not None:
            return _under(grown, signal.buckets, bound)
    raise ValueError(f"a {signal.kind} signal has no bad events without a bound")


def at_least(everything: str, some: str) -> str:
    """All events, of which none is missing that is counted as bad: a refused connection may be no request."""
    return f"({some} > {everything}) or {everything} or {some}"


def _under(grown: Amount, buckets: Selector, bound: float) -> EventExpressions:
    """Series by series, for the bounds of one may differ from another's: the buckets next to the bound, then added."""
    total = f"sum({grown(buckets.where(le='+Inf'))})"
    least = f"sum(max without (le) ({grown(buckets.where(up_to(bound)))}))"
    most = f"sum(min without (le) ({grown(buckets.where(from_up(bound)))}))"
    bad = f"clamp_min({total} - {most}, 0)"
    return EventExpressions(total, bad, f"clamp_min({most} - ({least} or vector(0)), 0)")


def value(signal: Signal, where: Iterable[Matcher], window: str, by: str = "", q: float = 0.95) -> str:
    """A signal's ratio, mean, quantile or level straight from the services' series, in its own unit.

    `where` narrows it to a version or segment; `by`: the labels it is told apart by; absent without events.
    """
    matchers = tuple(where)

    def rate(selector: Selector) -> str:
        return f"rate({selector.where(*matchers).over(window)})"

    match signal:
        case CountedShare():
            return share_of(rate, signal.events, signal.all_events, by)
        case HistogramSignal():
            return quantile(rate, signal.buckets, q, by)
        case MeanSignal():
            return mean_of(rate, signal.sum, signal.count, by)
        case GaugeSignal():
            return f"avg by ({by}) ({signal.metric.where(*matchers)})"


# ---------------------------------------------------------------- what is recorded by segment and strata


def counted(spec: Spec, signal: Signal) -> dict[Recorded, str]:
    """Rates of the signal's counters by version within its strata, by the name each is recorded under, in that order.

    Every later rule is one expression over these of all signals. Empty for a gauge, which counts nothing.
    """
    if signal.all_events is None:
        return {}
    rate, by = rates(spec), ", ".join((VERSION, *strata(spec, signal)))
    everything = f"sum by ({by}) ({rate(signal.all_events)})"
    if signal.buckets is not None:
        buckets = f"sum by ({by}, le) ({rate(signal.buckets)})"
        return {Recorded.SIGNAL_EVENTS: everything, Recorded.SIGNAL_BUCKET: buckets}
    if signal.numerator is None:
        return {Recorded.SIGNAL_EVENTS: everything}
    counted = _or_zero(spec, signal.numerator, signal.all_events, by)
    if signal.counts_bad and signal.numerator.metric != signal.all_events.metric:
        return {Recorded.SIGNAL_SUM: counted, Recorded.SIGNAL_EVENTS: at_least(everything, f"({counted})")}
    if signal.counts_good:
        counted = f"({counted})\n<= ({1 + EXCESS:g} * {everything} + {EXCESS_EVENTS / WINDOW_SECONDS:g})"
    return {Recorded.SIGNAL_EVENTS: everything, Recorded.SIGNAL_SUM: counted}


def _or_zero(spec: Spec, part: Selector, whole: Selector, by: str) -> str:
    rate = rates(spec)
    zero = f"0 * sum by ({by}) ({rate(whole)})"
    if part.metric != whole.metric:
        # A metric that a version does not export at all is no data, not zero.
        zero = f"({zero} and on (version) count by (version) ({canonical_level(spec, part)}))"
    return f"sum by ({by}) ({rate(part)})\nor\n{zero}"
