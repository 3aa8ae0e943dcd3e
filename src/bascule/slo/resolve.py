"""From an SLA's name to what it measures."""

from __future__ import annotations

from bascule.errors import UsageError
from bascule.slo.goal import Goal, SloKind
from bascule.slo.slo import AvailabilitySlo, EventSlo, Slo
from bascule.spec import Objective, Spec
from bascule.spec.model import Named
from bascule.spec.signals import CountedShare, HistogramSignal
from bascule.spec.slas import counts_scrapes, signal_counted


def all_of(spec: Spec) -> tuple[Slo, ...]:
    """Every SLA of the spec, in its order. Raises UsageError like `resolve`."""
    return tuple(resolve(spec, name) for name in spec.slas.named)


def resolve(spec: Spec, name: str) -> Slo:
    """What the SLA `name` measures. Raises UsageError where there is none, or where nothing counts its events."""
    if name not in spec.slas.named:
        raise UsageError(
            f"there is no SLA {name!r}", f"declared are: {', '.join(spec.slas.named) or 'none; declare it under slas'}"
        )
    objective = Objective.parse(spec.slas.named[name].objective)
    if counts_scrapes(spec, name):
        return AvailabilitySlo(spec, name, Goal.of(SloKind.AVAILABILITY, objective))
    counted = _counted(spec, name)
    return EventSlo(
        spec, name, Goal.of(_kind(counted.signal, objective), objective, counted.signal.measured_in), counted
    )


def _counted(spec: Spec, name: str) -> Named[CountedShare] | Named[HistogramSignal]:
    signal_name = signal_counted(spec, name)
    signal = spec.signals.get(signal_name)
    if isinstance(signal, CountedShare):
        return Named(signal_name, signal)
    if isinstance(signal, HistogramSignal) and Objective.parse(spec.slas.named[name].objective).bound is not None:
        return Named(signal_name, signal)
    what = f"the SLA {name!r} has no signal {signal_name!r} that counts good or bad events"
    raise UsageError(what, "name a ratio with `signal`, or a histogram with an objective like 95% < 100ms")


def _kind(signal: CountedShare | HistogramSignal, objective: Objective) -> SloKind:
    if signal.buckets is not None:
        return SloKind.LATENCY
    return SloKind.FLOOR if objective.ceiling is None else SloKind.CEILING
