"""Raw samples: whether all are there, once, at their own times, within the bounds that were asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from bascule.discover.engine.finding import EngineFinding, lacks, ok, span, unknown
from bascule.discover.engine.held import Held, Key, exactly, key_of, spacing
from bascule.prometheus import Sample, Series, target_of

MILLISECOND = 0.001
SHIFT = 0.37  # of the time between samples
THINNED, TOO_DENSE = 1.6, 0.7  # of the declared interval
WRONG_COUNTS = "the judge, SLA reports and rules count different events"


def own_times(held: Held) -> EngineFinding:
    """Two overlapping reads give the same samples; a step or an interpolation would move them."""
    series = held.steady[0]
    step = spacing(series)
    begin, end = float(series.times[0]), float(series.times[-1])
    again = held.prometheus.raw(exactly("up", series.labels), end - begin + step, end + SHIFT * step)
    if any(np.isnan(each.values).any() for each in (series, *again)):
        return lacks("markers of staleness are returned as samples", "counters seem to have impossible values")
    second = {time for each in again for time in each.times if begin < time <= end}
    if not second or second - set(series.times):
        what = "samples are moved to other times: two reads of the same span differ"
        return lacks(what, "the judge, the gate, backtest and SLA reports need raw samples")
    if (np.diff(series.times) <= 0).any():
        return lacks("samples come twice, or not in the order of their times", "events are counted twice")
    return ok("at their own timestamps")


def complete(held: Held) -> EngineFinding:
    """What a selector returns, beside what the engine's own functions count over the same span and series.

    The engine counts before and after the read: a scrape may just be ending.
    """
    asked = f"{held.selector}[{round(held.seconds * 1000)}ms]"
    before = _by_key(held.prometheus.instant(f"count_over_time({asked})", held.now))
    returned = {key_of(each.labels): each for each in held.prometheus.raw(held.selector, held.seconds, held.now)}
    summed = _by_key(held.prometheus.instant(f"sum_over_time({asked})", held.now))
    after = _by_key(held.prometheus.instant(f"count_over_time({asked})", held.now))
    lost = sum(value - min(value, _length(returned.get(key))) for key, value in before.items())
    settled = {key: each for key, each in returned.items() if before.get(key) == len(each.times) == after.get(key)}
    if lost:
        counted = f"{sum(before.values()):.0f} that count_over_time counts"
        return lacks(f"selectors return {lost:.0f} samples less than the {counted}", WRONG_COUNTS)
    if over := [key for key, each in returned.items() if len(each.times) > after.get(key, 0)]:
        what = f"count_over_time counts fewer samples than selectors return, in {len(over)} series"
        return lacks(what, WRONG_COUNTS)
    if any(abs(float(each.values.sum()) - summed.get(key, np.nan)) > 0.5 for key, each in settled.items()):
        return lacks("sum_over_time adds other values than selectors return", WRONG_COUNTS)
    return ok(f"{sum(after.values()):.0f} samples, as count_over_time counts them")


def complete_series(held: Held) -> EngineFinding:
    before = held.prometheus.scalar(f"count({held.selector})", held.now) or 0.0
    there = len(held.prometheus.instant(held.selector, held.now))
    after = held.prometheus.scalar(f"count({held.selector})", held.now) or 0.0
    if not min(before, after) <= there <= max(before, after):
        what = f"{there} of `up` are returned, count() counts {after:.0f}"
        return lacks(what, "instances are missing, or counted several times")
    return ok(f"{there} of `up`, as count() counts them")


def every_scrape(held: Held) -> EngineFinding:
    """Whether each scrape left one sample: thinning leaves fewer, several servers that write one series more."""
    compared = [(each, held.declared_of(each)) for each in held.steady]
    known = [(each, declared) for each, declared in compared if declared > 0]
    for series, declared in known:
        usual = spacing(series)
        if usual > THINNED * declared:
            return _thinned(f"of one each {span(declared)}, one each {span(usual)} is left")
        if usual < TOO_DENSE * declared:
            what = f"a series has a sample each {span(usual)}, and is scraped each {span(declared)}"
            return lacks(what, "several Prometheus write it: give each an external label `replica` of its own")
    if known:
        return ok(f"each {span(spacing(known[0][0]))}, as scraped")
    return _binned(held) or unknown(
        "the engine does not say how often it scrapes", "name the spec too: bascule doctor SPEC --engine URL"
    )


def _binned(held: Held) -> EngineFinding | None:
    """Samples of several targets that all end the same spans are what a deduplication leaves of each span."""
    steps = {round(spacing(each), 1) for each in held.steady}
    if len(held.steady) < 3 or len(steps) > 1:
        return None
    step = steps.pop()
    early = max(float((-each.times % step).max()) for each in held.steady)
    return _thinned(f"one each {span(step)} is left, the last") if early < step / 5 else None


def _thinned(what: str) -> EngineFinding:
    effect = (
        "alarms are later by that, and beyond two scrapes versions are no data (stale): leave recent samples alone "
        "(VictoriaMetrics: a -dedup.minScrapeInterval of at most the scrape interval)"
    )
    return lacks(f"samples are deduplicated: {what}", effect)


def boundaries(held: Held) -> EngineFinding:
    """Whether a range has the samples at its ends, to the millisecond, in selectors and functions alike."""
    series = held.steady[0]
    begin, end = float(series.times[-5]), float(series.times[-2])
    selector = exactly("up", series.labels)
    whole = _inside(held, selector, end - begin, end)
    if end not in whole or end in _inside(held, selector, end - begin, end - MILLISECOND):
        what = "whether a sample belongs to a range is not decided to the millisecond at its end"
        return lacks(what, "reads that follow each other lose samples, or take them twice")
    if begin not in _inside(held, selector, end - begin + MILLISECOND, end):
        what = "a sample a millisecond after the beginning of a range is left out"
        return lacks(what, "reads that follow each other lose samples")
    window = f"{selector}[{round((end - begin) * 1000)}ms]"
    if held.prometheus.scalar(f"count_over_time({window})", end) != len(whole):
        return lacks("selectors and functions have different bounds", WRONG_COUNTS)
    return ok("both ends belong to a range, as in Prometheus 2" if begin in whole else "left-open, as in Prometheus 3")


def _inside(held: Held, selector: str, seconds: float, at: float) -> set[float]:
    return {float(time) for each in held.prometheus.raw(selector, seconds, at) for time in each.times}


def replicas(held: Held) -> EngineFinding:
    """Whether a target is there twice, by series that only a label of the scraping server tells apart."""
    by_target: dict[tuple[str, str], list[Mapping[str, str]]] = defaultdict(list)
    for each in held.series:
        by_target[target_of(each.labels)].append(each.labels)
    doubled = [labels for labels in by_target.values() if len(labels) > 1]
    if not doubled:
        return ok("each target is there once")
    apart = {name for labels in doubled for name in _differing(labels)}
    told = ", ".join(sorted(apart))
    what = f"{len(doubled)} targets are there several times, told apart by the label {told}"
    if apart == {held.replica_label}:
        return ok(f"{what}, and read once")
    effect = f"every event is counted several times: write `prometheus: {{replica_label: {told}}}` into the spec"
    return lacks(what, f"{effect}, or have the engine deduplicate")


def _differing(labels: Sequence[Mapping[str, str]]) -> set[str]:
    return {name for each in labels for name in each if len({other.get(name) for other in labels}) > 1}


def _by_key(samples: Iterable[Sample]) -> Mapping[Key, float]:
    return {key_of(sample.labels): sample.value for sample in samples}


def _length(series: Series | None) -> int:
    return 0 if series is None else len(series.times)
