"""A service's time from the samples of its targets: each second is shared by the targets that are watched in it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np

from bascule.prometheus import Series
from bascule.sla.pieces import Floats

LATE: Final = 1.5  # times the usual spacing of samples: one that is later follows a gap


@dataclass(frozen=True, eq=False)
class Spans:
    """What samples tell, each of the time until it: `begins` and `ends` (Unix seconds), and `values`, (m,) each."""

    begins: Floats
    ends: Floats
    values: Floats

    @classmethod
    def of(cls, series: Collection[Series], spacing: float) -> Spans:
        """`spacing`: the usual seconds between samples; one that is later tells of no more than that."""
        nothing = [np.empty(0)]
        return cls(
            np.concatenate([*(_begins(each.times, spacing) for each in series), *nothing]),
            np.concatenate([*(each.times for each in series), *nothing]),
            np.concatenate([*(each.values for each in series), *nothing]),
        )

    def summed(self, edges: Floats) -> Floats:
        """The sum of the values that are told of each stretch between two edges; all bounds of spans are edges."""
        change = np.zeros(len(edges))
        np.add.at(change, np.searchsorted(edges, self.begins), self.values)
        np.add.at(change, np.searchsorted(edges, self.ends), -self.values)
        return np.cumsum(change)[:-1]


def _begins(times: Floats, spacing: float) -> Floats:
    before = np.concatenate([[-np.inf], times[:-1]])[: len(times)]
    return np.where(times - before <= LATE * spacing, before, times - spacing)


def shared_seconds(scrapes: Collection[Series], found: Collection[Series], spacing: float) -> tuple[float, float]:
    """Seconds up, and seconds in which any target was watched.

    `found`: the samples that tell whether a target was there, 1 or 0, which `up` itself may be. Of a second in which
    three targets are watched, and two of them were found, two thirds are up.
    """
    looks, there = Spans.of(scrapes, spacing), Spans.of(found, spacing)
    edges = np.unique(np.concatenate([looks.begins, looks.ends, there.begins, there.ends]))
    number = Spans(looks.begins, looks.ends, np.ones(len(looks.ends))).summed(edges)
    is_watched = number > 0.5
    seconds = np.diff(edges)[is_watched]
    share = there.summed(edges)[is_watched] / number[is_watched]
    return float((share * seconds).sum()), float(seconds.sum())
