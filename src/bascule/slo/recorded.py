"""What the recorded minutes of an SLA say of its whole window, as PromQL: a sample each, or none."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.conventions import Recorded
from bascule.slo.slo import MINUTE, Slo
from bascule.spec import Matcher, Selector
from bascule.spec.quantities import format_duration


@dataclass(frozen=True)
class RecordedWindow:
    """`spent`: of the budget, as a share. `covered`: seconds with data. `events`: how many (seconds, of services)."""

    spent: str
    covered: str
    events: str


def recorded(each: Slo) -> RecordedWindow:
    """Of the window that ends now. An SLA of services is as its worst one, and unknown while one has no data."""
    apart = each.counted_apart
    matchers = [Matcher("sla", "=", each.name), *([Matcher("job", "=~", "|".join(apart))] if apart else [])]
    spent = str(Selector(Recorded.SLA_BUDGET_SPENT, tuple(matchers)))
    minutes = f"{Selector(Recorded.SLA_ALL, tuple(matchers))}[{format_duration(each.window)}]"
    return RecordedWindow(
        f"max({spent}) > 1 or (max({spent}) and count({spent}) >= {len(apart) or 1})",
        f"{MINUTE:g} * sum(count_over_time({minutes})) / {len(apart) or 1}",
        f"sum(sum_over_time({minutes}))",
    )
