"""The series that are written: their labels, the target each is of, and the selectors that want it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np

from bascule.judge.layout import Flags, Indices
from bascule.judge.pushed.written import Written
from bascule.prometheus import Matrix, labels_of, target_of
from bascule.prometheus.matrix import label_bytes
from bascule.promql import UP
from bascule.spec import Matcher, Selector

NOT_WANTED = -1


class WrittenSeries:
    """Rows for the series that a selector wants, and for every `up`.

    `external`: labels that the sender adds, and that its own answers do not have.
    """

    def __init__(self, selectors: Sequence[str] = (), external: Mapping[str, str] | None = None) -> None:
        self.selectors = {text: number for number, text in enumerate(selectors)}
        self.external = external or {}
        self.labels: list[bytes] = []  # of each row, as Prometheus answers them
        self._parsed = [Selector.parse(text) for text in selectors]
        self._of_name: dict[str, list[int]] = {}  # by a metric's name, the selectors that want some of its series
        self._rows: dict[bytes, int] = {}
        self._targets: dict[tuple[str, str], int] = {}
        self._target: list[int] = []
        self._wanted: list[frozenset[int]] = []
        self._is_presence: list[bool] = []
        self._arrays: tuple[Indices, Flags, Flags] = (
            np.empty(0, np.intp),
            np.empty(0, bool),
            np.empty((len(selectors), 0), bool),
        )
        self._label_array = np.empty(0, np.object_)

    def row_of(self, labels: Mapping[str, str]) -> int:
        """The row of a series; NOT_WANTED where nobody asks for it."""
        own = {name: value for name, value in labels.items() if self.external.get(name) != value}
        wanted, is_presence = frozenset(self._wanting(own)), own.get("__name__") == UP
        if not wanted and not is_presence:
            return NOT_WANTED
        written = label_bytes(own)
        row = self._rows.setdefault(written, len(self.labels))
        if row == len(self.labels):
            self.labels.append(written)
            self._target.append(self._targets.setdefault(target_of(own), len(self._targets)))
            self._wanted.append(wanted)
            self._is_presence.append(is_presence)
        return row

    def of(self, matrix: Matrix) -> Written:
        """The samples of an answer by row; NOT_WANTED where a series was not written."""
        rows = list(map(self._rows.get, matrix.labels))
        if None in rows:  # perhaps its labels are only written otherwise
            rows = [self._rows.get(label_bytes(labels_of(each)), NOT_WANTED) for each in matrix.labels]
        return Written(np.repeat(np.array(rows, np.intp), matrix.counts), matrix.times, matrix.values)

    def labels_of(self, rows: Indices) -> list[bytes]:
        """The labels of these rows."""
        if len(self._label_array) != len(self.labels):
            self._label_array = np.array(self.labels, np.object_)
        found: list[bytes] = self._label_array[rows].tolist()
        return found

    @property
    def target_count(self) -> int:
        return len(self._targets)

    @property
    def targets(self) -> Indices:
        """The number of each row's target, (R,)."""
        return self._known()[0]

    @property
    def presence(self) -> Flags:
        """Whether each row is an `up`, (R,)."""
        return self._known()[1]

    @property
    def wanted(self) -> Flags:
        """Whether each selector wants each row, (S, R)."""
        return self._known()[2]

    def _known(self) -> tuple[Indices, Flags, Flags]:
        targets, presence, wanted = self._arrays
        if (old := len(targets)) != len(self.labels):
            more = np.zeros((len(self.selectors), len(self.labels) - old), bool)
            for row, numbers in enumerate(self._wanted[old:]):
                more[[*numbers], row] = True
            self._arrays = (
                np.append(targets, np.array(self._target[old:], np.intp)),
                np.append(presence, np.array(self._is_presence[old:], bool)),
                np.append(wanted, more, axis=1),
            )
        return self._arrays

    def _wanting(self, labels: Mapping[str, str]) -> Iterator[int]:
        name = labels.get("__name__", "")
        if name not in self._of_name:
            self._of_name[name] = [number for number, each in enumerate(self._parsed) if each.is_of(name)]
        for number in self._of_name[name]:
            matchers = self._parsed[number].matchers
            if _accept(matchers, tuple(labels.get(each.label, "") for each in matchers)):
                yield number


@lru_cache(maxsize=10_000)
def _accept(matchers: tuple[Matcher, ...], values: tuple[str, ...]) -> bool:
    """Kept, for many series have the same values."""
    return all(each.accepts(value) for each, value in zip(matchers, values, strict=True))
