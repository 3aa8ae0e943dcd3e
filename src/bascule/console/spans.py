"""The span of time that an address asks for: `?window=6h`, or `?start=…&end=…`, in Unix seconds or as people write
times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, HTTPException, Query

from bascule import times
from bascule.console.charts import DEFAULT_WINDOW, WINDOWS, Span
from bascule.spec import moments

FIRST = datetime(2012, 1, 1, tzinfo=UTC)  # Prometheus' first year
_At = Annotated[str | None, Query(max_length=100)]
Window = Annotated[str, Query(pattern=f"^({'|'.join(WINDOWS)})$")]


def _span(window: Window = DEFAULT_WINDOW, start: _At = None, end: _At = None) -> Span:
    """The last `window`, or from `start` to `end`."""
    if start is None and end is None:
        return Span(window)
    if start is None or end is None:
        raise HTTPException(400, "a span needs both start and end")
    first, last = _moment(start), _moment(end)
    if problem := moments.past(first, last) or _too_long(first, last):
        raise HTTPException(400, problem)
    return Span(window, first.timestamp(), last.timestamp())


def _moment(text: str) -> datetime:
    try:
        return times.moment(float(text))
    except (ValueError, OverflowError, OSError):
        pass
    try:
        return moments.moment(text)
    except ValueError as error:
        raise HTTPException(400, f"{text!r} is not a time; {moments.HOW}") from error


def _too_long(first: datetime, last: datetime) -> str:
    """What no Prometheus answers: more than a chart holds, or what was before there was one."""
    if first < FIRST:
        return f"the span begins before there was anything to measure, {times.dated(first.timestamp())}"
    longest = WINDOWS["all"]
    return f"the span is longer than {times.lasting(longest)}" if (last - first).total_seconds() > longest else ""


AskedSpan = Annotated[Span, Depends(_span)]
