"""What the spec promises, taken apart: which signal each SLA is measured on, and each segment's own targets."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from bascule.errors import UsageError
from bascule.sla.report import Kind, Promise
from bascule.spec import Objective, Spec
from bascule.spec.model import AVAILABILITY, Segment, Sla
from bascule.spec.signals import HistogramSignal, MeanSignal, RatioSignal

_SIGNAL_OF = {"response_time": "latency", "error_rate": "errors", "latency": "latency", "errors": "errors"}


@dataclass(frozen=True)
class Measured:
    """An SLA with its promise and its signal; `signal` is None for availability, which is measured on `up`."""

    name: str
    sla: Sla
    promise: Promise
    signal_name: str
    signal: RatioSignal | HistogramSignal | None


@dataclass(frozen=True)
class OwnTarget:
    """A segment's (or each of its partners') own target for one SLA."""

    segment: str
    promise: Promise
    each_partner: bool = False


def measured(spec: Spec, only: Collection[str] = ()) -> list[Measured]:
    """Every SLA of the spec, or those named in `only`."""
    return [_measured(spec, name, sla) for name, sla in spec.slas.named.items() if not only or name in only]


def _measured(spec: Spec, name: str, sla: Sla) -> Measured:
    objective = Objective.parse(sla.objective)
    if name == AVAILABILITY and sla.signal is None:
        return Measured(name, sla, Promise(Kind.AVAILABILITY, objective.share, sla.objective), "", None)
    signal_name = sla.signal or _SIGNAL_OF.get(name, name)
    signal = spec.signals.get(signal_name)
    if not isinstance(signal, RatioSignal | HistogramSignal):
        what = f"the SLA {name!r} has no ratio or histogram signal {signal_name!r} to be measured on"
        raise UsageError(what, f"name one with 'signal:'; declared are: {', '.join(spec.signals)}")
    return Measured(name, sla, _promise(name, objective, signal), signal_name, signal)


def _promise(name: str, objective: Objective, signal: RatioSignal | HistogramSignal) -> Promise:
    if isinstance(signal, HistogramSignal):
        if objective.bound is None:
            raise UsageError(f"the SLA {name!r} needs a time", "write its objective like '95% < 100ms'")
        return Promise(Kind.LATENCY, objective.share, objective.written, objective.bound, objective.share)
    if objective.ceiling is not None:
        return Promise(Kind.CEILING, objective.share, objective.written, objective.ceiling)
    return Promise(Kind.FLOOR, objective.share, objective.written)


def own_targets(spec: Spec, measured: Measured) -> Iterator[OwnTarget]:
    """What segments are promised for this SLA beyond what everyone is."""
    for name, segment in spec.segments.named.items():
        target = _own(measured, segment)
        if target is not None:
            yield OwnTarget(name, target)
        if measured.promise.kind is Kind.CEILING and segment.errors is not None:
            promise = Promise(Kind.CEILING, 1 - segment.errors, f"< {_percent(segment.errors)}", segment.errors)
            yield OwnTarget(name, promise, each_partner=segment.partner_label is not None)


def _own(measured: Measured, segment: Segment) -> Promise | None:
    kind = measured.promise.kind
    if kind is Kind.LATENCY and segment.latency.p95 is not None:
        written = f"95% < {segment.latency.p95 * 1000:g}ms"
        return Promise(Kind.LATENCY, 0.95, written, segment.latency.p95, 0.95)
    if kind is Kind.FLOOR and measured.signal_name == "accuracy" and segment.accuracy is not None:
        return Promise(Kind.FLOOR, segment.accuracy, _percent(segment.accuracy))
    if kind is Kind.AVAILABILITY and segment.availability is not None:
        return Promise(Kind.FLOOR, segment.availability, _percent(segment.availability))
    return None


def _percent(share: float) -> str:
    return f"{share * 100:g}%"


def compared(spec: Spec) -> Iterator[tuple[str, RatioSignal | HistogramSignal | MeanSignal]]:
    """The signals V1 and V2 are set side by side on."""
    for name, signal in spec.signals.items():
        if isinstance(signal, RatioSignal | HistogramSignal | MeanSignal):
            yield name, signal
