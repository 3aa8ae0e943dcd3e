"""Finding an alert by its labels among thousands. Prometheus adds external labels on the way to Alertmanager, so of two
sets of labels that are one alert, one may have more than the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")
Pair = tuple[str, str]


def same_alert(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether two sets of labels are one alert."""
    a, b = set(one.items()), set(other.items())
    return one.get("alertname") == other.get("alertname") and (a <= b or b <= a)


def distance(one: Mapping[str, str], other: Mapping[str, str]) -> int:
    """How many labels two sets that are one alert differ by."""
    return abs(len(one) - len(other))


class Lookup(Generic[T]):
    """Things that have labels, by these. A search looks at the few that share the rarest of its labels; only where
    none of them fits, at those with fewer labels. It finds the one whose labels are closest."""

    def __init__(self, things: Iterable[T], labels_of: Callable[[T], Mapping[str, str]]) -> None:
        self._labels_of = labels_of
        self._by_pair: dict[Pair, list[T]] = defaultdict(list)
        self._by_size: dict[tuple[str | None, int], list[T]] = defaultdict(list)
        for thing in things:
            labels = labels_of(thing)
            self._by_size[labels.get("alertname"), len(labels)].append(thing)
            for pair in labels.items():
                self._by_pair[pair].append(thing)

    def find(self, labels: Mapping[str, str]) -> T | None:
        shared = [self._by_pair[pair] for pair in labels.items() if pair in self._by_pair]
        likely = min(shared, key=len, default=[])
        found = self._closest(likely, labels)
        return found if found is not None else self._closest(self._smaller(labels, len(shared)), labels)

    def _closest(self, among: Iterable[T], labels: Mapping[str, str]) -> T | None:
        alike = (thing for thing in among if same_alert(labels, self._labels_of(thing)))
        return min(alike, key=lambda thing: distance(labels, self._labels_of(thing)), default=None)

    def _smaller(self, labels: Mapping[str, str], shared: int) -> Iterable[T]:
        name = labels.get("alertname")
        for size in range(1, min(shared, len(labels) - 1) + 1):
            yield from self._by_size.get((name, size), ())
