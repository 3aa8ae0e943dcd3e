"""The series of a counter, numbered: what each showed last in every piece, whose it is, and what it adds to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bascule.prometheus import NOBODY, Prometheus, SeriesRows, labels_of, nameless, target_of
from bascule.sla.pieces import Floats, Key, Pieces, blocks, without_name
from bascule.spec.counters import bound_of

Target = tuple[str, str]  # job, instance
Labels = Mapping[str, str]
Indices = NDArray[np.intp]

_BOUNDS: Final = "__bounds__"  # all those of a histogram: its counts cannot be added to those of other bounds


class CounterSeries:
    """`targets` are numbered, and `groups` too, into which growth is summed."""

    def __init__(self, labels: Iterable[str]) -> None:
        """`labels`: those that tell the groups apart."""
        self.groups = SeriesGroups(labels)
        self._targets: dict[Target, int] = {}
        self._target: list[int] = []
        self._written: list[bytes] = []
        self._rows = SeriesRows()
        self._are_named = False
        self._blocks: list[tuple[Indices, Floats]] = []

    @classmethod
    def read(cls, prometheus: Prometheus, selector: str, pieces: Pieces, labels: Iterable[str]) -> CounterSeries:
        """Every series that has a sample in one of the pieces."""
        series = cls(labels)
        for _, block in blocks(prometheus, lambda d: f"last_over_time({selector}[{d}])", pieces):
            series._blocks.append((series._rows.of(block.labels, series._new), block.values))
        return series

    def __len__(self) -> int:
        return len(self._written)

    def last(self) -> Iterator[Floats]:
        """Piece by piece, the last value of each series (m,), NaN where it has none."""
        for rows, values in self._blocks:
            for of_piece in values.T:
                last = np.full(len(self), np.nan)
                last[rows] = of_piece
                yield last

    @property
    def targets(self) -> list[Target]:
        return list(self._targets)

    @property
    def target(self) -> Indices:
        """The number of each series' target (m,)."""
        return np.array(self._target, np.intp)

    def rows(self, labels: Sequence[bytes]) -> Indices:
        """The numbers of these series, NOBODY for one that has no sample in any piece.

        Raw samples tell the metric's name; what was read of the pieces does not where replicas are read as one.
        """
        asked = labels if self._are_named else [nameless(written) for written in labels]
        return self._rows.of(asked, lambda _, __: NOBODY)

    def key(self, row: int) -> Key:
        """The labels of a series, without its name."""
        return without_name(labels_of(self._written[row]))

    def _new(self, labels: Labels, written: bytes) -> int:
        self._written.append(written)
        self._are_named |= "__name__" in labels
        self._target.append(self._targets.setdefault(target_of(labels), len(self._targets)))
        self.groups.add(labels)
        return len(self) - 1


class SeriesGroups:
    """Which series are summed: those that are alike in some labels, and for a histogram in all bounds."""

    def __init__(self, labels: Iterable[str]) -> None:
        self._labels = tuple(dict.fromkeys((*labels, "le")))
        self._numbers: dict[tuple[str, ...], int] = {}
        self._series: list[tuple[int, list[str]]] = []  # by its labels alone; the bounds of its histogram
        self._histograms: dict[Key, list[str]] = {}

    def add(self, labels: Labels) -> None:
        """A further series."""
        own = tuple(labels.get(label, "") for label in self._labels)
        bounds: list[str] = []
        if "le" in labels:
            others = frozenset((label, value) for label, value in labels.items() if label not in ("le", "__name__"))
            bounds = self._histograms.setdefault(others, bounds)
            bounds.append(labels["le"])
        self._series.append((self._numbers.setdefault(own, len(self._numbers)), bounds))

    def told(self) -> tuple[list[Key], Indices]:
        """The labels of each group, and the number of each series' group (m,)."""
        written = {id(bounds): " ".join(sorted(bounds, key=bound_of)) for bounds in self._histograms.values()}
        found: dict[tuple[int, str], int] = {}
        group = [found.setdefault((own, written.get(id(bounds), "")), len(found)) for own, bounds in self._series]
        labels = list(self._numbers)
        return [self._key(labels[own], bounds) for own, bounds in found], np.array(group, np.intp)

    def _key(self, values: tuple[str, ...], bounds: str) -> Key:
        pairs = (*zip(self._labels, values, strict=True), (_BOUNDS, bounds))
        return frozenset((label, value) for label, value in pairs if value)
