"""What the open pages showed, and how old that was: from the records of bench/holding/viewers.py."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

ROUNDED = 0.6  # seconds by which an evaluation and what the page says of the plan's rest may differ
Points = list[tuple[float, float]]  # a moment (Unix seconds) and a value


def seen(folder: Path, start: float, end: float) -> list[dict[str, Any]]:
    """The records between two moments, one a second."""
    path = folder / "viewers.seen"
    lines = path.read_text().splitlines() if path.exists() else []
    return [each for each in _records(lines) if start <= each["at"] <= end]


def _records(lines: Sequence[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:  # the last one, while it is being written
            return


def lost(records: Sequence[dict[str, Any]]) -> Points:
    """Streams that were refused or cut off, when that was noticed."""
    counts = [(each["at"], sum(each["told"].values())) for each in records]
    return [(at, float(count - before)) for (_, before), (at, count) in pairwise(counts) if count > before]


def ages(records: Sequence[dict[str, Any]], ticks: Sequence[float], steps: Sequence[tuple[float, float]]) -> Points:
    """How old the evaluation was that a viewer saw, the oldest of each second.

    `ticks`: when the judge began those that Prometheus knows of, in order; `steps` of the plan: when each began, and
    is to end.
    """
    found: Points = []
    for record in records:
        if moments := [at - _evaluated(int(remain), at, ticks, steps) for remain, at in record["shown"].items()]:
            found.append((record["at"], round(max(moments), 3)))
    return found


def _evaluated(remain: int, at: float, ticks: Sequence[float], steps: Sequence[tuple[float, float]]) -> float:
    """When that was said which was on a page at a moment: so long before the end of a step that had begun."""
    said = max((end - remain for _, end in steps if end - remain <= at + ROUNDED), default=at)
    place = bisect_left(ticks, said - ROUNDED)
    near = [tick for tick in ticks[place : place + 3] if tick <= min(at, said + ROUNDED)]
    return min(near, key=lambda tick: abs(tick - said), default=min(said, at))
