"""Which row of an array a series has: what readers of large answers keep from one answer to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bascule.prometheus.matrix import label_bytes, labels_of

Indices = NDArray[np.intp]
NOBODY: Final = -1  # the row of a series that is of no interest
_GONE: Final = -2
_NO_ANSWER: Final[tuple[Sequence[bytes], Indices]] = ([], np.empty(0, np.intp))

NewRow = Callable[[Mapping[str, str], bytes], int]  # the number of a new row: its labels, and how they are written


class SeriesRows:
    """Rows by the labels of series, however an answer writes them."""

    def __init__(self) -> None:
        self._known: dict[bytes, int] = {}
        self._other_writings = 0
        self._last = _NO_ANSWER

    def __getstate__(self) -> dict[str, object]:
        """Without the answer before: it is only there to be quick."""
        return {**vars(self), "_last": _NO_ANSWER}

    def __contains__(self, written: bytes) -> bool:
        return self._known.get(written, NOBODY) != NOBODY

    def known(self, labels: Sequence[bytes]) -> Indices | None:
        """Of each series, (m,); None where one of them is new."""
        if labels == self._last[0]:  # mostly an answer has the series of the one before, in their order
            return self._last[1]
        found = list(map(self._known.get, labels))
        if None in found:
            return None
        self._last = labels, np.array(found, np.intp)
        return self._last[1]

    def of(self, labels: Sequence[bytes], new: NewRow) -> Indices:
        """Of each series, (m,)."""
        known = self.known(labels)
        return known if known is not None else np.array([self._find(written, new) for written in labels], np.intp)

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Forget all rows but those kept, (R,); these are numbered again, in the same order."""
        places = np.where(kept, np.cumsum(kept) - 1, _GONE).tolist()
        moved = {labels: row if row == NOBODY else places[row] for labels, row in self._known.items()}
        self._known = {labels: row for labels, row in moved.items() if row != _GONE}
        self._other_writings = 0
        self._last = _NO_ANSWER

    def _find(self, written: bytes, new: NewRow) -> int:
        if written in self._known:
            return self._known[written]
        labels = labels_of(written)
        usual = label_bytes(labels)
        row = self._known[usual] if usual in self._known else new(labels, usual)
        self._known[usual] = row
        if written != usual and 2 * self._other_writings < len(
            self._known
        ):  # who always writes otherwise fills nothing
            self._known[written] = row
            self._other_writings += 1
        return row
