"""How much traffic each version has, and the candidate's share of it.

The traffic of a version is what its errors are counted among: the total of the signal with the role `errors`; else the
count of the one with the role `latency`; else the events of the first signal that counts any.
"""

from __future__ import annotations

from bascule.conventions import PLANNED_SHARE, SEGMENT, TOTAL_SEGMENT, VERSION, Recorded
from bascule.promql.counts import rates
from bascule.promql.expressions import by_segment, labelled
from bascule.spec import Selector, Spec
from bascule.spec.kinds import Signal

REQUESTS, PLANNED = Recorded.REQUESTS, Recorded.PLANNED_BY_SEGMENT


def traffic(spec: Spec) -> Selector:
    """The counter of all requests, of both versions. Raises ValueError where no signal counts events."""
    counter = traffic_signal(spec).all_events
    assert counter is not None
    return counter


def traffic_signal(spec: Spec) -> Signal:
    """The signal whose events are the requests. Raises ValueError where none counts events."""
    preferred = (named.signal for named in (spec.errors, spec.latency) if named is not None)
    for signal in (*preferred, *spec.signals.values()):
        if signal.all_events is not None:
            return signal
    raise ValueError("no signal counts events")


def requests(spec: Spec) -> str:
    """Requests per second by version, and by segment where there are segments."""
    by = f"{VERSION}, {SEGMENT}" if spec.segments.named else VERSION
    return f"sum by ({by}) ({rates(spec)(traffic(spec))})"


def candidate_share(spec: Spec) -> str:
    """The candidate's share of all requests."""
    new = f'{REQUESTS}{{version="{spec.versions.candidate}"}}'
    return f"(sum({new}) or 0 * sum({REQUESTS}))\n/\n(sum({REQUESTS}) > 0)"


def candidate_share_by_segment(spec: Spec) -> str:
    """The candidate's share of each segment's requests."""
    new = by_segment(spec, f'{REQUESTS}{{version="{spec.versions.candidate}"}}')
    both = by_segment(spec, REQUESTS)
    return f"({new} or 0 * {both})\n/\n({both} > 0)"


def planned_by_segment(spec: Spec) -> str:
    """The share that the plan gives the candidate, of each segment there is; `all` counts only where there are none."""
    operator = "!=" if spec.segments.named else "="
    return f'max by ({SEGMENT}) ({PLANNED_SHARE.name}{{{SEGMENT}{operator}"{TOTAL_SEGMENT}"}})'


def planned_by_version(spec: Spec) -> str:
    """Each version's planned share of each segment; absent where the plan gives it none."""
    old, new = spec.versions.both
    return f"({labelled(PLANNED, VERSION, new)} or {labelled(f'1 - {PLANNED}', VERSION, old)}) > 0"
