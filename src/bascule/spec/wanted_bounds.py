"""The bucket bounds that a distribution must have, so that everything declared for it can be told exactly."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.spec.model import Spec
from bascule.spec.objective import Objective
from bascule.spec.signals import HistogramSignal, Role
from bascule.spec.slas import signal_counted


def bounds_wanted(spec: Spec, name: str) -> set[float]:
    """Every bound that the histogram signal `name` is compared with, in its own unit."""
    signal = spec.signals[name]
    if not isinstance(signal, HistogramSignal):
        return set()
    declared = {*signal.quantile_targets.values(), *_decided_on(spec, name), *_promised(spec, name, signal)}
    return declared | (set(_of_role(spec, signal)) if spec.signal_roles[name] is Role.LATENCY else set())


def _decided_on(spec: Spec, name: str) -> Iterator[float]:
    for phase in spec.phases:
        yield from (bound.value for measure, bound in phase.gates.items() if measure.partition(".")[0] == name)
    conditions = (trigger.when for trigger in spec.rollback)
    yield from (when.threshold.value for when in conditions if when.measure.partition(".")[0] == name)


def _promised(spec: Spec, name: str, signal: HistogramSignal) -> Iterator[float]:
    for sla in spec.slas.named:
        bound = Objective.parse(spec.slas.named[sla].objective).bound
        if bound is not None and signal_counted(spec, sla) == name:
            yield bound.within(signal.measured_in)


def _of_role(spec: Spec, signal: HistogramSignal) -> Iterator[float]:
    """What the source document and segments ask of response times, in seconds."""
    times = [spec.thresholds.response_time_p95]
    times += [time for segment in spec.segments.named.values() for _, time in segment.latency if time is not None]
    yield from map(signal.measured_in.of_base, times)
