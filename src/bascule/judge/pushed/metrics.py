"""How the samples came, as metrics."""

from __future__ import annotations

import time
from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from bascule import conventions as names
from bascule.judge.pushed.samples import PushedSamples


class PushMetrics(Collector):
    def __init__(self, samples: PushedSamples) -> None:
        self._samples = samples

    def collect(self) -> Iterable[Metric]:
        reads = CounterMetricFamily(names.JUDGE_READS.name, names.JUDGE_READS.help, labels=names.JUDGE_READS.labels)
        reads.add_metric(["pushed"], self._samples.pushed)
        reads.add_metric(["pulled"], self._samples.pulled)
        yield reads
        if self._samples.newest > 0:
            lag = max(0.0, time.time() - self._samples.newest)
            yield GaugeMetricFamily(names.JUDGE_PUSH_LAG.name, names.JUDGE_PUSH_LAG.help, value=lag)
