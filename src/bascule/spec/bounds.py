"""Bounds of a spec that can never, or will always, hold: each reads well, and none can mean what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from bascule.spec.lint import Finding
from bascule.spec.model import AVAILABILITY, Spec
from bascule.spec.objective import Objective
from bascule.spec.quantities import Gain, Threshold, format_duration
from bascule.spec.signals import HistogramSignal, RatioSignal, Signal
from bascule.spec.slas import SERVING_KINDS, counts_scrapes, signal_counted

Key = tuple[str | int, ...]
_SHARES = ("%", "pt")
_TIMES = ("s", "m", "h", "d", "w")  # `ms` ends in one of them


def bounds(spec: Spec) -> Iterator[Finding]:
    """Every bound that makes no difference, or that nothing can be held to."""
    for index, phase in enumerate(spec.phases):
        for measure, threshold in phase.gates.items():
            yield from _gate(spec, ("phases", index, "gates", measure), measure, threshold)
    for index, trigger in enumerate(spec.rollback):
        yield from _trigger(spec, ("rollback", index, "when"), trigger.when.measure, trigger.when.threshold)
    yield from _thresholds(spec)
    for name, signal in spec.signals.items():
        yield from _signal(("signals", name), signal)
    yield from _segments(spec)
    for name in spec.slas.named:
        yield from _sla(spec, name)


# ---------------------------------------------------------------- gates and triggers


def _gate(spec: Spec, key: Key, measure: str, threshold: Threshold) -> Iterator[Finding]:
    better = _better(spec, measure)
    if better and (threshold.comparison[0] == "<") is not (better == "lower"):
        what = f"{measure} {threshold} passes while {measure} is bad"
        yield Finding(key, what, f"write the bound to be kept: {'<' if better == 'lower' else '>'}{_amount(threshold)}")
    else:
        yield from _bound(spec, key, measure, threshold)


def _trigger(spec: Spec, key: Key, measure: str, threshold: Threshold) -> Iterator[Finding]:
    better = _better(spec, measure)
    if better and (threshold.comparison[0] == "<") is (better == "lower"):
        what = f"{measure} {threshold} holds while all is well"
        yield Finding(key, what, f"write what calls for it: {'>' if better == 'lower' else '<'}{_amount(threshold)}")
    else:
        yield from _bound(spec, key, measure, threshold)


def _amount(threshold: Threshold) -> str:
    return threshold.written.lstrip("<>= ")


def _better(spec: Spec, measure: str) -> str:
    """Which way a measure is good; empty where that is not known."""
    name, _, statistic = measure.partition(".")
    if name not in spec.signals:
        return "higher" if measure == AVAILABILITY else ""
    better = spec.signals[name].better
    return better if statistic != "gain" or better == "higher" else ""


def _bound(spec: Spec, key: Key, measure: str, threshold: Threshold) -> Iterator[Finding]:
    name, _, statistic = measure.partition(".")
    unit = spec.signals[name].unit if name in spec.signals else "ratio" if measure == AVAILABILITY else ""
    if statistic == "gain" and threshold.written.endswith("%"):
        return  # relative: twice as good is 100%
    if unit == "ratio":
        yield from _of_ratio(key, measure, threshold, least=-1.0 if statistic == "gain" else 0.0)
    elif unit == "seconds":
        yield from _of_time(key, measure, threshold)


def _of_ratio(key: Key, measure: str, threshold: Threshold, least: float) -> Iterator[Finding]:
    if threshold.written.endswith(_TIMES):
        yield Finding(key, f"{measure} is a share, and {_amount(threshold)} a time", "write it like 1%")
    elif (answers := {threshold.holds(least), threshold.holds(1.0)}) != {True, False}:
        what = f"{measure} {threshold} {'always' if answers == {True} else 'never'} holds: it is a share"
        yield Finding(key, what, f"write a bound between {least:.0%} and 100%")


def _of_time(key: Key, measure: str, threshold: Threshold) -> Iterator[Finding]:
    if threshold.written.endswith(_SHARES):
        yield Finding(key, f"{measure} is a time, and {_amount(threshold)} a share", "write it like 100ms")
    elif threshold.value <= 0:
        always = threshold.holds(1.0)
        yield Finding(key, f"{measure} {threshold} {'always' if always else 'never'} holds", "write it like 100ms")


# ---------------------------------------------------------------- thresholds, targets, promises


def _thresholds(spec: Spec) -> Iterator[Finding]:
    given = spec.thresholds
    for name in ("error_rate_increase", "cache_hit_ratio", "share_tolerance"):
        value = getattr(given, name)
        if not 0 < value < 1:
            yield Finding(("thresholds", name), f"{value * 100:g}% is no share that can be passed", "write it like 5%")
    if given.response_time_p95 <= 0:
        yield Finding(("thresholds", "response_time_p95"), "no answer takes so little", "write it like 100ms")
    if given.min_requests < 0:
        yield Finding(("thresholds", "min_requests"), "there are never fewer requests than none", "write it like 100")


def _signal(key: Key, signal: Signal) -> Iterator[Finding]:
    if isinstance(signal, HistogramSignal):
        yield from _rising((*key, "targets"), signal.targets)
    if isinstance(signal, RatioSignal):
        if not 0 <= signal.harmful_increase < 1:
            what = f"a share never rises by {signal.harmful_increase * 100:g} points"
            yield Finding((*key, "harmful_increase"), what, "write it like 1pt")
        for name in ("target_gain", "alert_below_gain"):
            yield from _gain((*key, name), getattr(signal, name))


def _gain(key: Key, gain: Gain | None) -> Iterator[Finding]:
    if gain is not None and not gain.relative and not -1 < gain.amount < 1:
        yield Finding(key, f"a share never gains {gain.amount * 100:g} points", "write it like 13pt, or 13% (relative)")


def _rising(key: Key, targets: Mapping[str, float]) -> Iterator[Finding]:
    """The quantiles of one distribution rise."""
    ordered = sorted(targets.items(), key=lambda item: float(f"0.{item[0][1:]}"))
    for name, limit in ordered:
        if limit <= 0:
            yield Finding((*key, name), "no answer takes so little", "write it like 50ms")
    for (low, lower), (high, upper) in pairwise(ordered):
        if 0 < upper < lower:
            what = f"{high} is never below {low}, which may be {format_duration(lower)}"
            yield Finding((*key, high), what, f"write at least {format_duration(lower)}, or lower {low}")


def _segments(spec: Spec) -> Iterator[Finding]:
    for name, segment in spec.segments.named.items():
        key: Key = ("segments", name)
        limits = {quantile: limit for quantile, limit in segment.latency if limit is not None}
        yield from _rising((*key, "latency"), limits)
        rates = {("rate_limit",): segment.rate_limit} | {("quotas", who): rate for who, rate in segment.quotas.items()}
        for part, rate in rates.items():
            if rate is not None and rate <= 0:
                yield Finding((*key, *part), "nobody could ask anything", "write it like 100/h")


# ---------------------------------------------------------------- SLAs


def _sla(spec: Spec, name: str) -> Iterator[Finding]:
    sla, key = spec.slas.named[name], ("slas", name)
    objective = Objective.parse(sla.objective)
    if not 0 < objective.budget < 1 or (objective.bound is not None and objective.bound <= 0):
        what = (
            f"{sla.objective} leaves {'no room for a single bad event' if objective.budget <= 0 else 'nothing to keep'}"
        )
        yield Finding((*key, "objective"), what, "write it like 99.9%, < 1% or 95% < 100ms")
    if counts_scrapes(spec, name):
        yield from _services(spec, key)
    else:
        yield from _events(spec, name, objective)


def _services(spec: Spec, key: Key) -> Iterator[Finding]:
    """The services whose scrapes are availability."""
    serving = [name for name, service in spec.services.items() if service.kind in SERVING_KINDS]
    for name in spec.slas.named[AVAILABILITY].services:
        if name in serving:
            continue
        known = spec.services.get(name)
        what = f"a {known.kind} service, which availability does not count" if known else "not a declared service"
        yield Finding((*key, "services"), f"{name!r} is {what}", f"name any of {', '.join(serving)}")


def _events(spec: Spec, name: str, objective: Objective) -> Iterator[Finding]:
    """The signal whose events are good or bad."""
    sla, key = spec.slas.named[name], ("slas", name)
    counted = signal_counted(spec, name)
    signal = spec.signals.get(counted)
    key_of_signal = (*key, "signal") if sla.signal else key
    if sla.services:
        fix = "leave it out, and narrow the signal's selectors instead"
        yield Finding((*key, "services"), "only availability is measured by services", fix)
    if signal is None:
        fix = f"name one of them with `signal`: {', '.join(spec.signals)}"
        yield Finding(key_of_signal, f"{counted!r} is not a declared signal", fix)
    elif signal.buckets is None and not signal.is_share:
        fix = "name a ratio or histogram signal with `signal`"
        yield Finding(key_of_signal, f"a {signal.kind} signal counts no bad events", fix)
    elif signal.buckets is not None and objective.bound is None:
        what = f"{counted} is a time: no bound says what is good"
        yield Finding((*key, "objective"), what, "write it like 95% < 100ms")
    elif signal.is_share and objective.bound is not None:
        what = f"{counted} counts good and bad events: they have no time"
        yield Finding((*key, "objective"), what, "write it like 99.9% or < 1%")
