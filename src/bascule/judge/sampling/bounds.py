"""The bucket bounds of histograms, as the series of both versions have them."""

from __future__ import annotations

import math

from bascule.prometheus import Prometheus
from bascule.spec import Selector, Spec
from bascule.spec.counters import bound_of


def find_bounds(spec: Spec, prometheus: Prometheus) -> dict[str, tuple[float, ...]]:
    """By signal, the finite bucket bounds that its histogram has in both versions, ascending, in the signal's unit.

    A bound that one version lacks cannot be compared: nothing would lie below it there.
    """
    found = {}
    for name, signal in spec.signals.items():
        for counter in signal.counters:
            if counter.buckets:
                selectors = [counter.selector.where(*spec.versions.matchers(version)) for version in spec.versions.both]
                known = [bounds for selector in selectors if (bounds := _bounds_of(prometheus, selector)) is not None]
                found[name] = tuple(sorted(set.intersection(*known))) if known else ()
    return found


def _bounds_of(prometheus: Prometheus, selector: Selector) -> set[float] | None:
    """None where there are no series; a histogram may have the bucket of all observations alone."""
    values = prometheus.label_values("le", str(selector))
    if not values:
        return None
    return {bound for value in values if math.isfinite(bound := bound_of(value))}
