"""Bounds of a spec that can never, or will always, hold: each reads well, and none can mean what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from bascule.spec.gains import is_relative
from bascule.spec.kinds import Signal
from bascule.spec.lint import Decision, Finding, Key, decisions
from bascule.spec.model import AVAILABILITY, Segment, Service, Spec
from bascule.spec.objective import Objective
from bascule.spec.quantities import Amount, Gain, Threshold, format_duration
from bascule.spec.reading.unreadable import readable
from bascule.spec.signals import CountedShare, HistogramSignal
from bascule.spec.slas import SERVING_KINDS, counts_scrapes, serving_services, signal_counted
from bascule.units import Dimension, Unit, unit_in_name


def bounds(spec: Spec) -> Iterator[Finding]:
    """Every bound that makes no difference, or that nothing can be held to."""
    for look in (_decided_on, _thresholds, _signals, _segments, _slas):
        yield from look(spec)


# ---------------------------------------------------------------- gates and triggers


def _decided_on(spec: Spec) -> Iterator[Finding]:
    for each in decisions(spec):
        yield from _decision(spec, each)


@readable
def _decision(spec: Spec, asked: Decision) -> Iterator[Finding]:
    """A gate asks for the good side of its bound, a trigger for the bad one."""
    better = _better(spec, asked.measure)
    asks_low = asked.threshold.comparison[0] == "<"
    if better and asks_low is ((better == "lower") is not asked.is_gate):
        yield _other_way(asked, better)
    else:
        yield from _bound(spec, asked.key, asked.measure, asked.threshold)


def _other_way(asked: Decision, better: str) -> Finding:
    measure, threshold = asked.measure, asked.threshold
    good, bad = ("low", "high") if better == "lower" else ("high", "low")
    amount = threshold.written.lstrip("<>= ")
    kept, missed = (f"{sign}{amount}" for sign in ("<>" if better == "lower" else "><"))
    if asked.is_gate:
        what = f"{measure} {threshold} passes when {measure} is too {bad}"
        return Finding(asked.key, what, f"write the bound that has to be kept: {kept}")
    what = f"{measure} {threshold} fires when {measure} is {good}, which is good"
    return Finding(asked.key, what, f"write when to roll back: {missed}")


def _better(spec: Spec, measure: str) -> str:
    """Which way a measure is good; empty where that is not known."""
    name, _, statistic = measure.partition(".")
    if name not in spec.signals:
        return "higher" if measure == AVAILABILITY else ""
    return "higher" if statistic == "gain" else spec.signals[name].better


def _bound(spec: Spec, key: Key, measure: str, threshold: Threshold) -> Iterator[Finding]:
    (name, _, statistic), unit = measure.partition("."), spec.unit_of(measure)
    if name not in spec.signals and measure != AVAILABILITY:
        return  # that it is not declared is reported already
    if statistic == "gain" and is_relative(spec.signals[name], threshold):
        return  # twice as good is 100%
    if not threshold.amount.fits(unit):
        yield _misfit(key, measure, threshold.amount, unit)
    elif unit.dimension is Dimension.SHARE:
        yield from _of_ratio(key, measure, threshold.within(unit), unit, least=-1.0 if statistic == "gain" else 0.0)
    elif unit.dimension is Dimension.TIME and threshold.value <= 0:
        always = threshold.holds(1.0)
        yield Finding(key, f"{measure} {threshold} {'always' if always else 'never'} holds", "write it like 100ms")


def _of_ratio(key: Key, measure: str, threshold: Threshold, unit: Unit, least: float) -> Iterator[Finding]:
    if (answers := {threshold.holds(unit.of_base(least)), threshold.holds(unit.of_base(1.0))}) != {True, False}:
        what = f"{measure} {threshold} {'always' if answers == {True} else 'never'} holds: it is a share"
        yield Finding(key, what, f"write a bound between {least:.0%} and 100%")


def _misfit(key: Key, measure: str, amount: Amount, unit: Unit) -> Finding:
    """A bound in another dimension than what it is compared with."""
    kinds = {Dimension.TIME: "a time", Dimension.SHARE: "a share", Dimension.BYTES: "a size"}
    assert amount.dimension is not None
    bound = kinds[amount.dimension]
    if unit.dimension is not None:
        example = {Dimension.TIME: "100ms", Dimension.SHARE: "1%", Dimension.BYTES: "64MiB"}[unit.dimension]
        return Finding(
            key, f"{measure} is {kinds[unit.dimension]}, but this bound is {bound}", f"write it like {example}"
        )
    unknown = f"its unit is {unit.name!r}" if unit.name else "it has no unit"
    fix = f"declare the signal's unit, such as {amount.dimension}, or write the bound as a bare number"
    return Finding(key, f"{measure}: {unknown}, and this bound is {bound}", fix)


# ---------------------------------------------------------------- thresholds, targets, segments


@readable
def _thresholds(spec: Spec) -> Iterator[Finding]:
    for name, value in spec.thresholds:
        yield from _threshold(name, value)


@readable
def _threshold(name: str, value: float) -> Iterator[Finding]:
    key = ("thresholds", name)
    if name == "min_requests":
        if value < 0:
            yield Finding(key, "must not be negative", "write it like 100")
    elif name == "response_time_p95":
        yield from _positive(key, value)
    elif not 0 < value < 1:
        yield Finding(key, f"{value * 100:g}%: must be between 0% and 100%", "write it like 5%")


@readable
def _positive(key: Key, seconds: float) -> Iterator[Finding]:
    if seconds <= 0:
        yield Finding(key, "must be greater than zero", "write it like 100ms")


@readable
def _signals(spec: Spec) -> Iterator[Finding]:
    for name, signal in spec.signals.items():
        yield from _units(("signals", name), name, signal)
        yield from _targets(("signals", name, "targets"), signal)
        yield from _shares(("signals", name), signal)


@readable
def _units(key: Key, name: str, signal: Signal) -> Iterator[Finding]:
    """What is declared for a signal in another dimension than its own, and a unit that its metric's name denies."""
    unit = signal.measured_in
    for where, amount in _declared(signal):
        if not amount.fits(unit):
            yield _misfit((*key, *where), ".".join((name, *where[1:])), amount, unit)
    for part, selector in signal.selectors.items():
        told = unit_in_name(selector.metric)
        is_odd = told != unit.name and (unit.dimension is not None or told != Dimension.TIME)
        if told and is_odd and part in ("metric", "sum"):
            what = f"{selector.metric} is in {told} by its name, and the signal in {unit.name or 'no unit'}"
            yield Finding((*key, "unit") if "unit" in signal.model_fields_set else key, what, f"write unit: {told}")


def _declared(signal: Signal) -> Iterator[tuple[tuple[str, ...], Amount]]:
    if signal.harmful.least is not None:
        yield ("harmful_increase",), signal.harmful.least
    if isinstance(signal, HistogramSignal):
        yield from ((("targets", quantile), amount) for quantile, amount in signal.targets.items())
    else:
        found = {key: getattr(signal, key, None) for key in ("target", "target_gain", "alert_below_gain")}
        for key, value in found.items():
            if isinstance(value, Gain) and not value.relative:
                yield (key,), value.written
            elif isinstance(value, Amount):
                yield (key,), value


@readable
def _targets(key: Key, signal: Signal) -> Iterator[Finding]:
    """In base units, as times are written."""
    if isinstance(signal, HistogramSignal):
        unit = signal.measured_in
        yield from _rising(key, {name: unit.to_base(limit) for name, limit in signal.quantile_targets.items()})


@readable
def _shares(key: Key, signal: Signal) -> Iterator[Finding]:
    if isinstance(signal, CountedShare):
        yield from _margin((*key, "harmful_increase"), signal)
        for name in ("target_gain", "alert_below_gain"):
            yield from _gain((*key, name), getattr(signal, name))


@readable
def _margin(key: Key, signal: CountedShare) -> Iterator[Finding]:
    if not 0 <= signal.harmful_increase < 1:
        yield Finding(key, f"a share cannot rise by {signal.harmful_increase * 100:g} points", "write it like 1pt")


@readable
def _gain(key: Key, gain: Gain | None) -> Iterator[Finding]:
    if gain is not None and not gain.relative and not -1 < gain.amount < 1:
        yield Finding(key, f"a share cannot gain {gain.amount * 100:g} points", "write it like 13pt, or 13% (relative)")


@readable
def _rising(key: Key, targets: Mapping[str, float]) -> Iterator[Finding]:
    """The quantiles of one distribution rise."""
    ordered = sorted(targets, key=lambda name: float(f"0.{name[1:]}"))
    for name in ordered:
        yield from _positive((*key, name), targets[name])
    for low, high in pairwise(ordered):
        yield from _not_below(key, low, high, targets)


@readable
def _not_below(key: Key, low: str, high: str, targets: Mapping[str, float]) -> Iterator[Finding]:
    least = targets[low]
    if 0 < targets[high] < least:
        what = f"{high} is below {low} ({format_duration(least)}), which is impossible"
        yield Finding((*key, high), what, f"write at least {format_duration(least)}, or lower {low}")


@readable
def _segments(spec: Spec) -> Iterator[Finding]:
    for name, segment in spec.segments.named.items():
        yield from _latency(("segments", name, "latency"), segment)
        yield from _rates(("segments", name), segment)


@readable
def _latency(key: Key, segment: Segment) -> Iterator[Finding]:
    yield from _rising(key, {quantile: limit for quantile, limit in segment.latency if limit is not None})


@readable
def _rates(key: Key, segment: Segment) -> Iterator[Finding]:
    yield from _rate((*key, "rate_limit"), segment.rate_limit)
    for who, rate in segment.quotas.items():
        yield from _rate((*key, "quotas", who), rate)


@readable
def _rate(key: Key, rate: float | None) -> Iterator[Finding]:
    if rate is not None and rate <= 0:
        yield Finding(key, "must be greater than zero", "write it like 100/h")


# ---------------------------------------------------------------- SLAs


@readable
def _slas(spec: Spec) -> Iterator[Finding]:
    for name in spec.slas.named:
        yield from _objective(spec, name)
        yield from _sla(spec, name)


@readable
def _objective(spec: Spec, name: str) -> Iterator[Finding]:
    sla = spec.slas.named[name]
    objective = Objective.parse(sla.objective)
    if not 0 < objective.budget < 1 or (objective.bound is not None and objective.bound.value <= 0):
        left = "no room for a single bad event" if objective.budget <= 0 else "nothing to keep"
        what = f"{sla.objective} leaves {left}"
        yield Finding(("slas", name, "objective"), what, "write it like 99.9%, < 1% or 95% < 100ms")


@readable
def _sla(spec: Spec, name: str) -> Iterator[Finding]:
    if counts_scrapes(spec, name):
        yield from _services(spec, ("slas", name))
    else:
        yield from _events(spec, name)


@readable
def _services(spec: Spec, key: Key) -> Iterator[Finding]:
    """The services whose scrapes are availability."""
    serving = serving_services(spec)
    for name in spec.slas.named[AVAILABILITY].services:
        if name in serving:
            continue
        known = spec.services.get(name)
        what = _not_counted(known) if known else "not a declared service"
        yield Finding((*key, "services"), f"{name!r} is {what}", f"name any of {', '.join(serving)}")


def _not_counted(service: Service) -> str:
    if service.kind in SERVING_KINDS:
        return "without metrics and health, so that its state is unknown"
    return f"a {service.kind} service, which availability does not count"


@readable
def _events(spec: Spec, name: str) -> Iterator[Finding]:
    """The signal whose events are good or bad."""
    sla, key = spec.slas.named[name], ("slas", name)
    counted = signal_counted(spec, name)
    signal = spec.signals.get(counted)
    key_of_signal = (*key, "signal") if sla.signal else key
    if sla.services:
        fix = "leave it out, and narrow the signal's selectors instead"
        yield Finding((*key, "services"), "only an availability SLA can have 'services'", fix)
    if signal is None:
        fix = f"name one of them with `signal`: {', '.join(spec.signals)}"
        yield Finding(key_of_signal, f"{counted!r} is not a declared signal", fix)
    elif signal.buckets is None and not signal.is_share:
        fix = "name a ratio or histogram signal with `signal`"
        yield Finding(key_of_signal, f"a {signal.kind} signal counts no bad events", fix)
    elif signal.buckets is not None and Objective.parse(sla.objective).bound is None:
        what = f"{counted} is a time, and the objective has no limit for it"
        yield Finding((*key, "objective"), what, "write it like 95% < 100ms")
    elif signal.buckets is not None and (bound := Objective.parse(sla.objective).bound):
        if not bound.fits(signal.measured_in):
            yield _misfit((*key, "objective"), counted, bound, signal.measured_in)
    elif signal.is_share and Objective.parse(sla.objective).bound is not None:
        what = f"{counted} counts good and bad events, so a time limit does not apply"
        yield Finding((*key, "objective"), what, "write it like 99.9% or < 1%")
