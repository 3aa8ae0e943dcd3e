"""The span of time that an address asks for: `?window=6h`, or `?start=…&end=…` in Unix seconds."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, HTTPException, Query

from bascule.console.charts import DEFAULT_WINDOW, WINDOWS, Span

_At = Annotated[float | None, Query(ge=0, allow_inf_nan=False)]
_Window = Annotated[str, Query(pattern=f"^({'|'.join(WINDOWS)})$")]


def _span(window: _Window = DEFAULT_WINDOW, start: _At = None, end: _At = None) -> Span:
    """The last `window`, or from `start` to `end` (Unix seconds)."""
    if start is None and end is None:
        return Span(window)
    if start is None or end is None or not 0 < end - start <= WINDOWS["all"]:
        raise HTTPException(400, "the span is not valid; give start and end in Unix seconds, at most 35 days apart")
    return Span(window, start, end)


AskedSpan = Annotated[Span, Depends(_span)]
