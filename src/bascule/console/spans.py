"""The span of time that an address asks for: `?window=6h`, or `?start=…&end=…`, in Unix seconds or as people write
times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Depends, Query

from bascule import times
from bascule.console.charts import DEFAULT_WINDOW, WINDOWS, Span
from bascule.errors import UsageError
from bascule.spec import moments

FIRST = datetime(2012, 1, 1, tzinfo=UTC)  # Prometheus' first year
LONGEST = timedelta(seconds=WINDOWS["all"])
_At = Annotated[str | None, Query(max_length=100)]
Window = Annotated[str, Query(pattern=f"^({'|'.join(WINDOWS)})$")]


def _span(window: Window = DEFAULT_WINDOW, start: _At = None, end: _At = None) -> Span:
    """The last `window`, or from `start` to `end`."""
    if start is None and end is None:
        return Span(window)
    if start is None or end is None:
        raise UsageError("the span has one end", "give both start and end")
    first, last = _moment(start), _moment(end)
    moments.refuse_impossible(first, last)
    if first < FIRST or last - first > LONGEST:
        raise UsageError(f"the span is longer than {LONGEST.days} days, or before {FIRST.year}", "choose another one")
    return Span(window, first.timestamp(), last.timestamp())


def _moment(text: str) -> datetime:
    try:
        return times.moment(float(text))
    except (ValueError, OverflowError, OSError):
        return moments.moment(text)


AskedSpan = Annotated[Span, Depends(_span)]
