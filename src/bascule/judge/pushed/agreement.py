"""Whether what was written is what Prometheus holds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bascule.judge.layout import Indices
from bascule.prometheus import Matrix, labels_of
from bascule.prometheus.matrix import label_bytes


def agree(found: Matrix, held: Matrix, until: float) -> bool:
    """Whether each has the samples of the other until then; the first moment is in some servers' answers only."""
    begin = min(float(each.times.min(initial=math.inf)) for each in (found, held))
    ours, theirs = _within(found, begin, until), _within(held, begin, until)
    own, other = ours.labels, theirs.labels
    if sorted(own) != sorted(other):  # perhaps only written otherwise
        own, other = _plainly(own), _plainly(other)
        if sorted(own) != sorted(other):
            return False
    ours, theirs = _in_order(ours, own), _in_order(theirs, other)
    return (
        np.array_equal(ours.counts, theirs.counts)
        and np.array_equal(ours.times, theirs.times)
        and np.array_equal(ours.values, theirs.values, equal_nan=True)
    )


def _within(matrix: Matrix, begin: float, until: float) -> Matrix:
    """The samples after `begin`, and series that have some."""
    inside = (matrix.times > begin) & (matrix.times <= until)
    counts = np.diff(np.append(0, np.cumsum(inside))[np.append(0, np.cumsum(matrix.counts))])
    labels = [own for own, count in zip(matrix.labels, counts.tolist(), strict=True) if count]
    return Matrix(labels, counts[counts > 0], matrix.times[inside], matrix.values[inside])


def _plainly(labels: Sequence[bytes]) -> list[bytes]:
    return [label_bytes(labels_of(written)) for written in labels]


def _in_order(matrix: Matrix, labels: Sequence[bytes]) -> Matrix:
    """By labels."""
    order: Indices = np.array(sorted(range(len(labels)), key=labels.__getitem__), np.intp)
    counts, begins = matrix.counts[order], (np.cumsum(matrix.counts) - matrix.counts)[order]
    places = np.arange(counts.sum()) + np.repeat(begins - (np.cumsum(counts) - counts), counts)
    return Matrix([labels[number] for number in order.tolist()], counts, matrix.times[places], matrix.values[places])
