"""What data there ought to be, and what there is: the two sides of the one no-data alert.

Both sides are recorded under the same labels (signal, and version, user_segment or job where they apply). A version's
share of a segment is planned: where the plan gives none, nothing is expected (*not applicable*).
"""

from __future__ import annotations

from collections.abc import Iterator

from bascule import conventions as names
from bascule.conventions import Recorded
from bascule.conventions import Rule as Named
from bascule.generate.prometheus_config import probe_job
from bascule.generate.recording import BY_SEGMENT, BY_VERSION, PLAN, REQUESTS, SERVICE_UP, quantile_name
from bascule.generate.rules import Recording
from bascule.promql.expressions import events, strata
from bascule.spec import Spec
from bascule.spec.signals import HistogramSignal, MeanSignal, Signal

PLANNED = Recorded.PLANNED_BY_VERSION
SIGNAL_EXPECTED, SIGNAL_PRESENT = Recorded.SIGNAL_EXPECTED, Recorded.SIGNAL_PRESENT


def no_data_rules(spec: Spec) -> Iterator[Recording]:
    yield Recording(PLANNED, _planned(spec))
    for name in counted(spec):
        yield from _signal(spec, name)
    yield from _services(spec)
    yield from _cache(spec)
    yield from _series("planned_share", names.PLANNED_SHARE.name)
    yield from _series("judge", names.JUDGE_TICK.name)


def counted(spec: Spec) -> list[str]:
    """The signals whose events are counted; a gauge has none."""
    return [name for name, signal in spec.signals.items() if events(signal) is not None]


def _planned(spec: Spec) -> str:
    old, new = (f'label_replace({{}}, "version", "{version}", "", "")' for version in spec.versions.both)
    return f"({new.format(PLAN)} or {old.format(f'1 - {PLAN}')}) > 0"


def _signal(spec: Spec, name: str) -> Iterator[Recording]:
    signal, label = spec.signals[name], {"signal": name}
    by_version, by_segment = _read_from(signal)
    # A mean has few events (not every match is rated): it is looked for in all segments together.
    if names.SEGMENT in strata(spec, signal) and not isinstance(signal, MeanSignal):
        yield Recording(SIGNAL_EXPECTED, f"{PLANNED} > bool 0", label)
        yield Recording(SIGNAL_PRESENT, f'count by (version, user_segment) ({by_segment}{{signal="{name}"}})', label)
        return
    yield Recording(SIGNAL_EXPECTED, _in_all(f"max by (version) ({PLANNED} > bool 0)"), label)
    yield Recording(SIGNAL_PRESENT, _in_all(f'count by (version) ({by_version}{{signal="{name}"}})'), label)


def _read_from(signal: Signal) -> tuple[str, str]:
    """Where the signal is recorded, by version and by segment: absent without traffic, and without its own counter."""
    if isinstance(signal, HistogramSignal):
        return quantile_name("version", "p95"), quantile_name("version_segment", "p95")
    return BY_VERSION, BY_SEGMENT


def _in_all(expr: str) -> str:
    return f'label_replace({expr}, "{names.SEGMENT}", "{names.TOTAL_SEGMENT}", "", "")'


def _services(spec: Spec) -> Iterator[Recording]:
    for job in (*spec.services, *(probe_job(name) for name in spec.probes)):
        yield Recording(SIGNAL_EXPECTED, "vector(1)", {"signal": "service_up", "job": job})
    yield Recording(SIGNAL_PRESENT, f"count by (job) ({SERVICE_UP})", {"signal": "service_up"})


def _cache(spec: Spec) -> Iterator[Recording]:
    """A cache is expected to be asked while there are requests."""
    for job in spec.services_of("redis"):
        yield Recording(SIGNAL_EXPECTED, f"sum({REQUESTS}) > 0", {"signal": "cache_hit_ratio", "job": job})
    if spec.services_of("redis"):
        yield Recording(SIGNAL_PRESENT, f"count by (job) ({Named.REDIS_HIT_RATIO})", {"signal": "cache_hit_ratio"})


def _series(signal: str, series: str) -> Iterator[Recording]:
    """Something that Bascule's own roles always export."""
    yield Recording(SIGNAL_EXPECTED, "vector(1)", {"signal": signal})
    yield Recording(SIGNAL_PRESENT, f"count({series})", {"signal": signal})
