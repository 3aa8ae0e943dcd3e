"""Whether what was written is what Prometheus holds."""

from __future__ import annotations

import math

import numpy as np

from bascule.judge.pushed.written import Written


def agree(found: Written, held: Written, until: float) -> bool:
    """Whether each has the samples of the other until then; the first moment is in some servers' answers only."""
    begin = min(float(each.times.min(initial=math.inf)) for each in (found, held))
    ours, theirs = _within(found, begin, until), _within(held, begin, until)
    return (
        np.array_equal(ours.rows, theirs.rows)
        and np.array_equal(ours.times, theirs.times)
        and np.array_equal(ours.values, theirs.values, equal_nan=True)
    )


def _within(samples: Written, begin: float, until: float) -> Written:
    """Those after `begin`, by row and time; a server may answer a series twice, or in pieces."""
    inside = samples.some((samples.times > begin) & (samples.times <= until))
    return inside.some(np.lexsort((inside.times, inside.rows))).once()
