"""`supersmartmatch_response_time_seconds`, summed from `http_request_duration_seconds` when it is scraped.

The two hold the same durations; the second also has the segment. Paying for one of them per request is enough.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import Histogram
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Sample

from bascule.conventions import HTTP_DURATION, RESPONSE_TIME, Metric

_Key = tuple[str, tuple[tuple[str, str], ...]]  # suffix, sorted labels


class ResponseTime(Histogram):
    """Adds to what was observed by hand the label sets that only the request histogram has."""

    _duration: Histogram | None = None

    def derive_from(self, families: Mapping[Metric, Histogram]) -> None:
        self._duration = families[HTTP_DURATION]

    def collect(self) -> Iterable[Family]:
        own = list(super().collect())
        if self._duration is None:
            return own
        return [with_derived(own[0], duration) for duration in self._duration.collect()]


def with_derived(own: Family, duration: Family) -> Family:
    """`own` with the samples of `duration` summed over segments, except for label sets `own` already has."""
    observed = {_labels(sample) for sample in own.samples}
    merged = Family(RESPONSE_TIME.name, own.documentation, own.type)
    merged.samples = [*own.samples, *(sample for sample in _summed(duration) if _labels(sample) not in observed)]
    return merged


def _summed(duration: Family) -> Iterator[Sample]:
    totals: dict[_Key, float] = defaultdict(float)
    for sample in duration.samples:
        suffix = sample.name.removeprefix(HTTP_DURATION.name)
        if suffix == "_created":
            continue
        kept = tuple((name, value) for name, value in sample.labels.items() if name in _KEPT)
        totals[suffix, kept] += sample.value
    for (suffix, labels), value in totals.items():
        yield Sample(RESPONSE_TIME.name + suffix, dict(labels), value)


_KEPT = {*RESPONSE_TIME.labels, "le"}


def _labels(sample: Sample) -> tuple[str | None, ...]:
    return tuple(sample.labels.get(name) for name in RESPONSE_TIME.labels)
