"""The smallest miss of a segment's or partner's target that an alert can tell, and how soon, by its traffic."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.promql import WindowedTarget, windowed_targets
from bascule.promql.small_counts import BY_PARTNER, WINDOWS
from bascule.spec import Spec
from bascule.spec.uses import quotas
from bascule.times import lasting

EVENTS = (10, 100, 1000)  # in five minutes


def smallest_breaches(spec: Spec) -> Iterator[str]:
    """Each target, and a line for each traffic: at so many events in five minutes, what is told within which window."""
    for target in windowed_targets(spec):
        yield f"{target.name} ({target.alert.partition('.')[0]})"
        yield from (f"  {_at(target, events, name)}" for events, name in _traffic(spec, target))


def _traffic(spec: Spec, target: WindowedTarget) -> Iterator[tuple[float, str]]:
    yield from ((events, f"{events} events in 5 min") for events in EVENTS)
    if target.by == BY_PARTNER:
        for quota, names in _by_quota(spec).items():
            yield quota / 12, f"{quota / 12:.0f} events in 5 min (quota of {', '.join(names)})"


def _by_quota(spec: Spec) -> dict[float, list[str]]:
    """Each quota in an hour, with the partners that have it."""
    found: dict[float, list[str]] = {}
    for name, quota in quotas(spec).items():
        found.setdefault(quota, []).append(name)
    return found


def _at(target: WindowedTarget, events: float, name: str) -> str:
    told = ", ".join(f"{smallest} within {lasting(WINDOWS[window])}" for window, smallest in target.windows(events))
    return f"at {name}: {told or 'nothing'}"
