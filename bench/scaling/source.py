"""A load that is read without a server, for what takes hours of samples: it answers what a judge asks of Prometheus."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bascule.conventions import HTTP_DURATION, USER_RATING
from bascule.prometheus import NO_DATA, Matrix, NoData, Sample
from bascule.prometheus.matrix import label_bytes
from bascule.spec import Selector
from bench.scaling.load import Load


class LoadSource:
    """The samples of a load that began at `begin`, Unix seconds; `url`: of the server that it is sent to."""

    def __init__(self, load: Load, begin: float, url: str = "http://load") -> None:
        self.url, self._load, self._begin = url, load, begin
        self._written = [label_bytes(labels) for labels in load.labels]
        self._offsets = load.offsets[load.instance]
        self._chosen = cache(self._matching)

    def rename(self, instance: int, name: str) -> None:
        """A new pod in the place of an old one: all its series are others."""
        for row in np.flatnonzero(self._load.instance == instance).tolist():
            self._written[row] = label_bytes({**self._load.labels[row], "instance": name})

    def matrix(self, selector: str, seconds: float, at: float) -> Matrix:
        rows, load = self._chosen(selector), self._load
        first, last = (math.floor((time - self._begin) / load.interval) for time in (at - seconds, at))
        scrapes = np.arange(max(0, first - 1), min(last + 1, load.answered.shape[1]))
        times = self._begin + load.interval * scrapes + self._offsets[rows, None]
        values = np.floor(load.share[rows, None] * load.answered[load.group[rows, None], scrapes])
        inside = (times > at - seconds) & (times <= at)
        counts = inside.sum(axis=1)
        seen = counts > 0
        labels = [self._written[row] for row in rows[seen].tolist()]
        return Matrix(labels, counts[seen], np.round(times[inside], 3), np.nan_to_num(values[inside], nan=1.0))

    def has_samples(self, selectors: Iterable[str], seconds: float, at: float) -> bool:
        return any(self.matrix(selector, seconds, at).labels for selector in selectors)

    def instant(self, expression: str, at: float | None = None) -> list[Sample]:
        return []

    def scalar(self, expression: str, at: float | None = None) -> float | NoData:
        return NO_DATA

    def label_values(self, label: str, selector: str | None = None) -> list[str]:
        found = [each for each in (HTTP_DURATION, USER_RATING) if selector and selector.startswith(each.name)]
        return [str(bound) for each in found for bound in each.buckets]

    def _matching(self, selector: str) -> NDArray[np.intp]:
        wanted = Selector.parse(selector)
        holds = [_holds(wanted, labels) for labels in self._load.labels]
        return np.flatnonzero(np.array(holds))


def _holds(wanted: Selector, labels: Any) -> bool:
    return bool(labels["__name__"] == wanted.metric) and all(
        each.accepts(labels.get(each.label, "")) for each in wanted.matchers
    )
