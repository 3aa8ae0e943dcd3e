"""Parts of the HTTP API and of PromQL that Bascule uses: which are there, and what does not work without the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bascule.discover.engine.finding import EngineFinding, State, differs, lacks, ok, unknown
from bascule.discover.engine.held import FEWEST_SAMPLES, Held, exactly, named, target_labels
from bascule.errors import QueryRejected
from bascule.prometheus import Prometheus, Series


@dataclass(frozen=True)
class ApiPart:
    """A part of the API: how it is asked, and the state and effect of its absence."""

    asked: Callable[[Prometheus], Any]
    absent: State
    effect: str

    def __call__(self, held: Held) -> EngineFinding:
        try:
            self.asked(held.prometheus)
        except QueryRejected:
            return EngineFinding("", self.absent, "not told", self.effect)
        return ok("told")


PARTS = {
    "label values": ApiPart(Prometheus.label_names, "lacks", "`init` and lists of segments do not work"),
    "scrape targets": ApiPart(Prometheus.targets, "differs", "failing scrapes are told without their reason"),
    "start time": ApiPart(
        Prometheus.started,
        "differs",
        "the journal watches `up` and the rules instead, and ends an incident once nothing was missing for a while",
    ),
    "flags": ApiPart(
        Prometheus.flags, "differs", "compare how long it keeps samples with the windows of the SLAs by hand"
    ),
    "series counts": ApiPart(Prometheus.series_counts, "differs", "which metrics have the most series is not shown"),
    "Alertmanagers": ApiPart(
        Prometheus.alertmanagers, "differs", "that rules reach one is shown by the dead man's switch"
    ),
}
FUNCTIONS = (
    "rate({0}[1m])",
    "increase({0}[1m] offset 1m)",
    "sum by (job) (sum_over_time({0}[1m]))",
    "avg_over_time({0}[1m])",
    "max_over_time({0}[1m:1s])",
    "last_over_time({0}[1m])",
    "changes({0}[1m])",
    "resets({0}[1m])",
    "deriv({0}[1m])",
    "predict_linear({0}[1m], 60)",
    'label_replace({0}, "a", "$1", "job", "(.*)")',
    "group by (job) ({0})",
    "topk(1, {0})",
    "quantile(0.5, {0})",
    "histogram_quantile(0.5, sum by (le) (rate({0}[1m])))",
    "clamp_min({0}, 0)",
    "{0} > bool 0",
    "{0} unless on (job) {0} offset 1m",
    "{0} / on (job) group_left () sum by (job) ({0})",
    "{0} / ignoring (instance) group_left () sum without (instance) ({0})",
    "absent({0})",
    "scalar(sum({0})) * vector(1)",
)
COUNTERS = ("process_cpu_seconds_total", "promhttp_metric_handler_requests_total", "node_cpu_seconds_total")
MOST_TRIED = 20  # targets
STRETCHED, FROM_BEFORE = "stretched to the window, as in Prometheus", "from the sample before the window"


def rules(held: Held) -> EngineFinding:
    """Who evaluates the rules: this server, or a program beside it, such as vmalert or a ruler."""
    effect = (
        "for the journal to ask what fires, what evaluates the rules must answer at this address (VictoriaMetrics: "
        "-vmalert.proxyURL); until then incidents of rules begin by Alertmanager alone"
    )
    try:
        held.prometheus.alerts()
        groups = held.prometheus.rules()
    except QueryRejected as error:
        return differs(f"not told: {error.what}", f"{effect}, and stay unknown until a person closes them")
    if not groups:
        return differs("none is evaluated here", f"{effect}, and end by it alone")
    return ok(f"{len(groups)} groups are evaluated here")


def functions(held: Held) -> EngineFinding:
    selector = exactly("up", held.steady[0].labels)
    for function in FUNCTIONS:
        expression = function.format(selector)
        try:
            held.prometheus.instant(expression, held.now)
        except QueryRejected as error:
            what = f"{expression} is refused: {error.what}"
            return lacks(what, "rules, dashboards and reports that use it are no data")
    return ok(f"{len(FUNCTIONS):,} kinds of expressions are understood")


def growth(held: Held) -> EngineFinding:
    """What increase() makes of raw samples: Prometheus stretches it to the window, others do not."""
    grown = _growing(held)
    if grown is None:
        return unknown("no counter that grows was found to measure it by")
    times, values = grown.times, grown.values
    window, at = float(times[-1] - times[0]) - 0.001, float(times[-1])
    selector = exactly(grown.labels["__name__"], grown.labels)
    told = held.prometheus.scalar(f"increase({selector}[{round(window * 1000)}ms])", at)
    if not isinstance(told, float):
        return lacks("increase() has no value where there are samples", "rules see no traffic")
    inside, before = float(values[-1] - values[1]), float(values[-1] - values[0])
    ways = {STRETCHED: inside * window / float(times[-1] - times[1]), FROM_BEFORE: before}
    way = min(ways, key=lambda name: abs(ways[name] - told))
    if abs(ways[way] - told) > 0.25 * before:
        return lacks(
            f"increase() is {told:g} where samples grow by {before:g}", "rules count other events than the judge"
        )
    if way == STRETCHED:
        return ok(way)
    return differs(way, "VictoriaMetrics counts so: take the rules of `bascule generate --engine victoriametrics`")


def _growing(held: Held) -> Series | None:
    """Some samples of a counter of one of the targets; it grew between the first two of them."""
    for labels in (target_labels(each.labels) for each in held.steady[:MOST_TRIED]):
        for series in held.prometheus.raw(named(COUNTERS, labels), held.seconds, held.now):
            for first in reversed(range(len(series.times) - FEWEST_SAMPLES + 1)):
                part = slice(first, first + FEWEST_SAMPLES)
                if _tells(series.values[part]):
                    return Series(series.labels, series.times[part], series.values[part])
    return None


def _tells(values: NDArray[np.float64]) -> bool:
    """Whether ways to count differ on them: by the first step, and far from zero, beyond which nothing is stretched."""
    return bool((np.diff(values) >= 0).all() and values[1] > values[0] and values[1] >= values[-1] - values[1])
