"""`instrument.json`: what the instrumentation library may expect to see (its shape: `bascule.instrument.config`)."""

from __future__ import annotations

from typing import Any

from bascule import conventions as names
from bascule.generate.render import without_empty
from bascule.spec import Spec
from bascule.spec.wanted_bounds import bounds_wanted


def instrument_config(spec: Spec) -> dict[str, Any]:
    """Declared label values, so that their series exist at zero, and buckets that hold every declared target."""
    partners = {name: sorted(set(s.quotas) - {"default"}) for name, s in spec.segments.named.items()}
    return without_empty(
        {
            "versions": list(spec.versions.both),
            "segments": list(spec.segments.named),
            "partners": without_empty(partners),
            "endpoints": spec.instrument.endpoints,
            "algorithms": spec.instrument.algorithms,
            "label_limit": spec.instrument.label_limit,
            "patience": spec.patience,
            "buckets": {metric.name: sorted({*metric.buckets, *latency_bounds(spec)}) for metric in _LATENCIES},
        }
    )


_LATENCIES = (names.HTTP_DURATION, names.RESPONSE_TIME)


def latency_bounds(spec: Spec) -> set[float]:
    """Every time that something of the spec is compared with, in seconds: of its own signals, and the usual."""
    times = {name: signal.measured_in for name, signal in spec.signals.items() if signal.buckets and signal.is_time}
    found = {unit.to_base(bound) for name, unit in times.items() for bound in bounds_wanted(spec, name)}
    return found | {spec.thresholds.response_time_p95}
