"""Times: how old the newest sample is, when a series has ended, and for how long a last value is answered."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bascule.discover.engine.finding import EngineFinding, differs, lacks, ok, span, unknown
from bascule.discover.engine.held import Held, exactly, spacing, target_labels
from bascule.discover.server import clock_text
from bascule.prometheus import Prometheus, Series

LATE_SECONDS = 2.0  # more than the time between samples, and no delay of an answer
FAR_SECONDS = 3600.0  # a look-back is measured up to this
ENDED_SECONDS = 3600.0  # in which series that ended are looked for
MOST_ENDED = 5


def clock(held: Held) -> EngineFinding:
    """By its HTTP server: what `time()` says may be the past on purpose."""
    if held.ahead:
        return lacks(clock_text(held.ahead), "set both by a time server: samples look too old")
    return ok("agrees with this machine's")


def newest_sample(held: Held) -> EngineFinding:
    series = held.steady[0]
    age, step = held.now - float(series.times[-1]), spacing(series)
    late = age - step
    if late <= LATE_SECONDS:
        return ok(f"{span(age)} old, with one each {span(step)}")
    effect = (
        "alarms are later by that, and a version without fresh samples is no data (stale): switch off what delays it "
        "(VictoriaMetrics: -search.latencyOffset; Thanos, Mimir: ask the sidecars or ingesters too)"
    )
    return lacks(f"{span(age)} old, with one each {span(step)}: the newest {span(late)} are not returned", effect)


def values(held: Held) -> EngineFinding:
    """What rules, dashboards and Bascule are answered, beside the raw samples of the same moment."""
    bascule, others = (_behind(held, client) for client in (held.prometheus, held.prometheus.as_others_ask()))
    if bascule is None:
        return lacks("`up` has no value, while it has samples", "rules and the console see nothing")
    if bascule > LATE_SECONDS:
        what = f"as of {span(bascule)} before the newest sample"
        return lacks(what, "the plan, traffic shares and alerts are late by that")
    if others is None or others > LATE_SECONDS:
        late = "long" if others is None else span(others)
        what = f"rules and dashboards are answered as of {late} ago; Bascule is not, for it sends nocache=1"
        return differs(what, "alerts of rules are late by that: start VictoriaMetrics with -search.latencyOffset=1s")
    return ok("as of the newest sample")


def _behind(held: Held, client: Prometheus) -> float | None:
    """Seconds by which values, or the engine's `time()`, are older than the newest raw sample that was due."""
    series = held.steady[0]
    selector = exactly("up", series.labels)
    newest = held.prometheus.raw(selector, held.seconds)
    of_value, now = client.scalar(f"timestamp({selector})"), client.scalar("time()")
    if not newest or not isinstance(of_value, float):
        return None
    late = float(newest[0].times[-1]) - of_value - spacing(series)
    return max(late, time.time() + held.ahead - now if isinstance(now, float) else 0.0)


def staleness(held: Held) -> EngineFinding:
    """Whether a series that has ended is gone at once, or is answered until the look-back is over."""
    for metric, series in _endings(held):
        last, step = float(series.times[-1]), spacing(series)
        after = last + 2.5 * step
        others = f"count_over_time(up[{round(2000 * step)}ms])"
        if after > held.now or not held.prometheus.instant(others, after):
            continue  # it could still come, or the server itself was away
        if not held.prometheus.instant(exactly(metric, series.labels), after):
            return ok("a series that has ended is gone two scrapes later")
        what = f"a series that has ended is still answered {span(2.5 * step)} after its last sample"
        effect = (
            "rules and dashboards see the last value of a target that is gone; the judge, with raw samples, does not"
        )
        return differs(what, effect)
    return unknown(f"no series has ended within the last {span(ENDED_SECONDS)}")


def _endings(held: Held) -> Iterator[tuple[str, Series]]:
    """Series with their last samples: of targets that are gone, and of those that do not answer."""
    gone = f"last_over_time({held.selector}[{ENDED_SECONDS:g}s]) unless {held.selector}"
    for metric, expression in (("up", gone), ("process_start_time_seconds", f"{held.selector} == 0")):
        for sample in held.prometheus.instant(expression, held.now)[:MOST_ENDED]:
            for series in held.prometheus.raw(exactly(metric, target_labels(sample.labels)), ENDED_SECONDS, held.now):
                if len(series.times) > 2:
                    yield metric, series


def look_back(held: Held) -> EngineFinding:
    """For how long the last value is answered, by asking what will be if no further sample comes."""
    series = held.steady[0]
    selector, step = exactly("up", series.labels), spacing(series)
    known, gone = 0.0, FAR_SECONDS
    while gone - known > max(step, 1.0):
        middle = (known + gone) / 2
        known, gone = (middle, gone) if held.prometheus.instant(selector, held.now + middle) else (known, middle)
    if gone == FAR_SECONDS:
        return differs(f"{span(FAR_SECONDS)} or more", "rules see values that are as old")
    if known < 2.5 * step:
        return lacks(f"{span(known)}, with a sample each {span(step)}", "after one failed scrape rules see nothing")
    return ok(span(known if known < 60 else round(known / 10) * 10.0))
