"""Which series a server holds, and whether its clock and its memory suit a migration."""

from __future__ import annotations

import time

from bascule.errors import QueryRejected
from bascule.prometheus import Prometheus
from bascule.spec.quantities import format_duration, parse_duration
from bascule.times import lasting

CLOCK_SECONDS = 5.0  # more than this is no delay of an answer
DEFAULT_RETENTION = 15 * 86400.0  # what Prometheus keeps where nothing is said
NO_TIME = "0s"
_RECENT = "2m"  # a missed scrape or two; of series that are scraped less often, what the server itself calls present


def recent(selector: object) -> str:
    """The expression of the series that are there, or were until a scrape failed: one that failed ends its series."""
    return f"(last_over_time({selector}[{_RECENT}]) or {selector})"


def clock_off(prometheus: Prometheus) -> float:
    """Seconds that its clock is before (or, negative, behind) this machine's; zero where they agree."""
    began = time.time()
    there = prometheus.scalar("time()")
    ended = time.time()
    if not isinstance(there, float):
        return 0.0
    off = there - min(max(there, began), ended)
    return off if abs(off) > CLOCK_SECONDS else 0.0


def clock_text(off: float) -> str:
    """`its clock is 1 h 2 min ahead of this machine's`."""
    return f"its clock is {lasting(abs(off))} {'ahead of' if off > 0 else 'behind'} this machine's"


def retention(prometheus: Prometheus) -> float | None:
    """Seconds for which it keeps samples; None where it does not tell, or keeps them by size."""
    try:
        text = prometheus.flags().get("storage.tsdb.retention.time", "")
        return None if not text else DEFAULT_RETENTION if text == NO_TIME else parse_duration(text)
    except (QueryRejected, ValueError):
        return None


def retention_text(kept: float, wanted: float) -> str:
    return f"it keeps samples for {format_duration(kept)}, and {format_duration(wanted)} are needed"
