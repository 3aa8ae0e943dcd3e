"""What data is expected, and what there is: the two sides of the one no-data alert.

Both sides are recorded under the same labels (signal, and version, user_segment or job where they apply). A version's
share of a segment is planned: where the plan gives none, nothing is expected (*not applicable*).
"""

from __future__ import annotations

from collections.abc import Iterator

from bascule import conventions as names
from bascule import promql
from bascule.conventions import Recorded
from bascule.conventions import Rule as Named
from bascule.generate.prometheus.rules import Recording
from bascule.spec import Spec
from bascule.spec.kinds import Signal

PLANNED = Recorded.PLANNED_BY_VERSION


def no_data_rules(spec: Spec) -> Iterator[Recording]:
    yield Recording(PLANNED, promql.planned_by_version(spec))
    for name, signal in spec.signals.items():
        if signal.all_events is not None:
            yield from _signal(spec, name, signal)
    yield from _services(spec)
    yield from _cache(spec)
    yield from _series("planned_share", names.PLANNED_SHARE.name)
    yield from _series("judge", names.JUDGE_TICK.name)


def _signal(spec: Spec, name: str, signal: Signal) -> Iterator[Recording]:
    """Read where it is recorded: absent without traffic, and without its own counter.

    Where neither version gets requests (nights, the end of a batch), nothing is expected. A mean has few events
    (not every match is rated): it is looked for in all segments together.
    """
    if signal.has_bad_events and names.SEGMENT in promql.strata(spec, signal):
        series = promql.value_series(signal, level="version_segment")
        asked = f"sum by ({names.SEGMENT}) ({Recorded.REQUESTS}) == 0"
        yield _expected(f"({PLANNED} > bool 0) unless on ({names.SEGMENT}) ({asked})", signal=name)
        yield _present(f'count by (version, user_segment) ({series}{{signal="{name}"}})', signal=name)
        return
    series = promql.value_series(signal)
    planned = _in_all(f"max by (version) ({PLANNED} > bool 0)")
    yield _expected(f"({planned}) unless on () (sum({Recorded.REQUESTS}) == 0)", signal=name)
    yield _present(_in_all(f'count by (version) ({series}{{signal="{name}"}})'), signal=name)


def _in_all(expr: str) -> str:
    return promql.labelled(expr, names.SEGMENT, names.TOTAL_SEGMENT)


def _services(spec: Spec) -> Iterator[Recording]:
    for job in promql.watched(spec):
        yield _expected("vector(1)", signal="service_up", job=job)
    yield _present(f"count by (job) ({Recorded.SERVICE_UP})", signal="service_up")


def _cache(spec: Spec) -> Iterator[Recording]:
    """A cache is expected to be asked while there are requests."""
    for job in spec.services_of("redis"):
        yield _expected(f"sum({Recorded.REQUESTS}) > 0", signal="cache_hit_ratio", job=job)
    if spec.services_of("redis"):
        yield _present(f"count by (job) ({Named.REDIS_HIT_RATIO})", signal="cache_hit_ratio")


def _series(signal: str, series: str) -> Iterator[Recording]:
    """Something that Bascule's own roles always export."""
    yield _expected("vector(1)", signal=signal)
    yield _present(f"count({series})", signal=signal)


def _expected(expr: str, **labels: str) -> Recording:
    return Recording(Recorded.SIGNAL_EXPECTED, expr, labels)


def _present(expr: str, **labels: str) -> Recording:
    return Recording(Recorded.SIGNAL_PRESENT, expr, labels)
