"""The smallest miss of a segment's or partner's target that an alert can tell, and how soon, by its traffic."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.promql import WindowedTarget, windowed_targets
from bascule.promql.small_counts import BY_PARTNER
from bascule.spec import Spec
from bascule.spec.uses import quotas

EVENTS = (10, 100, 1000)  # in five minutes


def smallest_breaches(spec: Spec) -> Iterator[str]:
    """One line for each target: at so many events in five minutes, what is told within which window."""
    for target in windowed_targets(spec):
        told = "; ".join(_at(target, events, name) for events, name in _traffic(spec, target))
        yield f"{target.name} ({target.alert.partition('.')[0]}): {told}"


def _traffic(spec: Spec, target: WindowedTarget) -> Iterator[tuple[float, str]]:
    yield from ((events, f"{events} in 5m") for events in EVENTS)
    if target.by == BY_PARTNER:
        per_window = ((name, quota / 12) for name, quota in quotas(spec).items())
        yield from ((events, f"{events:.0f} in 5m (quota {name})") for name, events in per_window)


def _at(target: WindowedTarget, events: float, name: str) -> str:
    told = ", ".join(f"{smallest} within {window}" for window, smallest in target.windows(events))
    return f"at {name} {told or 'nothing'}"
