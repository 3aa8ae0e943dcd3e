"""What Prometheus has not seen yet, until it has."""

from __future__ import annotations

from bascule.console.sources import SourceReading
from bascule.console.views.verdict import PageNotice
from bascule.errors import Problem

MOST_SHOWN = 6


def not_seen(reading: SourceReading[list[Problem]]) -> list[PageNotice]:
    """One notice for all of it; none before the first answer."""
    found = reading.value or []
    if not found:
        return []
    more = f" and {len(found) - MOST_SHOWN} more" if len(found) > MOST_SHOWN else ""
    text = ", ".join(each.key for each in found[:MOST_SHOWN]) + more
    items = tuple(map(str, found))
    return [PageNotice("unseen", "Data is missing: what depends on it cannot be judged", text, items=items)]
