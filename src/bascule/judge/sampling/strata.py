"""In which strata a signal is weighed: the declared segments, and inside them the values of further labels.

With `strata: [user_segment, partner]` the versions are compared within each partner of each segment: the lines of the
segments and of the total are sums over partners, and each partner has a line of its own, such as `api_partners/acme`.
Values are those that answered requests in the hour before the phase began, the busiest first; a partner that comes
later is weighed with the rest of its segment until the next step. So a judge that is restarted finds the same ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from bascule.conventions import NONE, OTHER, SEGMENT, TOTAL_SEGMENT, UNKNOWN
from bascule.prometheus import Prometheus, Sample
from bascule.spec import Selector, Spec
from bascule.spec.kinds import Signal

MOST_VALUES = 1000  # of the further labels, in one signal
NOBODY = {"", NONE, UNKNOWN, OTHER, TOTAL_SEGMENT}
SEPARATOR = "/"
MEMORY = "1h"


@dataclass(frozen=True)
class Strata:
    """Of one signal. `segments`: the named ones and the rest, or everything as one; `inner`: values by segment."""

    segments: tuple[str, ...]
    segment_label: str = SEGMENT
    labels: tuple[str, ...] = ()
    inner: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def leaves(self) -> tuple[str, ...]:
        """Every stratum."""
        return tuple(leaf for segment in self.segments for leaf in self._inside(segment))

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """What is shown and alarmed: the segments, the values within them, the total last."""
        named = tuple(segment for segment in self.segments if segment not in (OTHER, TOTAL_SEGMENT))
        values = tuple(_join(segment, value) for segment in self.segments for value in self.inner.get(segment, ()))
        return (*named, *values, TOTAL_SEGMENT)

    def leaves_of(self, line: str) -> tuple[str, ...]:
        """The strata of a line."""
        if line == TOTAL_SEGMENT:
            return self.leaves
        return self._inside(line) if line in self.segments else (line,)

    def leaf_of(self, labels: Mapping[str, str]) -> str:
        """The stratum of a series."""
        own = labels.get(self.segment_label, OTHER)
        segment = own if own in self.segments else self.segments[-1]
        if not self.inner.get(segment):
            return segment
        value = value_of(self.labels, labels)
        return _join(segment, value if value in self.inner[segment] else OTHER)

    def is_inner(self, line: str) -> bool:
        """Whether a line is one value's within a segment; these share one line's part of the budget."""
        return line != TOTAL_SEGMENT and line not in self.segments

    def segment_of(self, line: str) -> str:
        """The segment to which a line belongs."""
        return next(
            (each for each in self.segments if line == each or line.startswith(each + SEPARATOR)), TOTAL_SEGMENT
        )

    def _inside(self, segment: str) -> tuple[str, ...]:
        values = self.inner.get(segment, ())
        return (*(_join(segment, value) for value in values), _join(segment, OTHER)) if values else (segment,)


def value_of(names: Iterable[str], labels: Mapping[str, str]) -> str:
    """The further labels' values as one; empty where a series has none of them."""
    values = [labels.get(name, "") for name in names]
    return SEPARATOR.join(values) if any(values) else ""


def _join(segment: str, value: str) -> str:
    return value if segment == TOTAL_SEGMENT else f"{segment}{SEPARATOR}{value}"


def declared(spec: Spec, signal: Signal) -> Strata:
    """By the spec alone: segments, and the further labels without values yet."""
    named, own = tuple(spec.segments.named), {SEGMENT, spec.segments.label}
    further = tuple(label for label in signal.strata if label not in own)
    segments = (*named, OTHER) if named and own & set(signal.strata) else (TOTAL_SEGMENT,)
    return Strata(segments, spec.segments.label, further)


def find_strata(spec: Spec, prometheus: Prometheus, at: float) -> dict[str, Strata]:
    """The strata of each signal as its series told them in the hour before `at`."""
    found = {}
    for name, signal in spec.signals.items():
        strata = declared(spec, signal)
        found[name] = _with_values(spec, prometheus, strata, signal, at) if strata.labels else strata
    return found


def _with_values(spec: Spec, prometheus: Prometheus, strata: Strata, signal: Signal, at: float) -> Strata:
    total = signal.all_events
    others = {counter.selector.metric for counter in signal.counters}
    if total is None or any(_lacks(prometheus, metric, strata.labels, at) for metric in others - {total.metric}):
        return strata
    by = (strata.segment_label, *strata.labels)
    selectors = [total.where(*spec.versions.matchers(version)) for version in spec.versions.both]
    answered = [sample for selector in selectors for sample in _increase(prometheus, selector, by, at)]
    inner: dict[str, dict[str, None]] = {}
    for sample in sorted(answered, key=_busiest)[:MOST_VALUES]:
        value, own = value_of(strata.labels, sample.labels), sample.labels.get(strata.segment_label, OTHER)
        if not NOBODY.issuperset(value.split(SEPARATOR)):
            inner.setdefault(own if own in strata.segments else strata.segments[-1], {})[value] = None
    return replace(strata, inner={segment: tuple(sorted(values)) for segment, values in inner.items()})


def _busiest(sample: Sample) -> tuple[float, list[tuple[str, str]]]:
    return -sample.value, sorted(sample.labels.items())


def _increase(prometheus: Prometheus, selector: Selector, by: Iterable[str], at: float) -> list[Sample]:
    return prometheus.instant(f"sum by ({', '.join(by)}) (increase({selector}[{MEMORY}]))", at)


def _lacks(prometheus: Prometheus, metric: str, labels: Iterable[str], at: float) -> bool:
    """Whether another counter of the signal does not carry the labels: then it cannot be split by them."""
    series = _increase(prometheus, Selector(metric), labels, at)
    return not any(value_of(labels, each.labels) for each in series)
