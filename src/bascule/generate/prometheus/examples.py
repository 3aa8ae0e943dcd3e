"""Series that a spec's selectors match, for the tests that go with the generated rules.

A `Scene` is what a Prometheus would see: steady traffic of both versions in every segment, services that are up, the
plan. Tests change one thing of it at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from bascule import conventions as names
from bascule import promql
from bascule.conventions import certificate_job
from bascule.generate.prometheus.usage import RETENTION_WINDOW
from bascule.spec import Matcher, Selector, Spec
from bascule.spec.kinds import Signal
from bascule.spec.uses import uses_instrument
from bascule.spec.wanted_bounds import bounds_wanted

STEP_SECONDS = 30  # two samples at least in a minute
STEPS = 40  # twenty minutes
_VALUES = ("500", "503", "200", "True", "true", "False", "hit", "ok", "none", "POST", "GET", "x")

PARTNER = "acme"

Labels = tuple[tuple[str, str], ...]

# What the instrumentation counts beyond the signals: metric, labels, and how often for each request.
_INSTRUMENT: tuple[tuple[str, dict[str, str], float], ...] = (
    (names.FORMAT_CHECKS.name, {"compatible": "True"}, 1),
    (names.FORMAT_CHECKS.name, {"compatible": "False"}, 0),
    (names.RATE_LIMIT_REQUESTS.name, {"decision": "allowed"}, 1),
    (names.RATE_LIMIT_REQUESTS.name, {"decision": "refused"}, 0),
    (names.CACHE_REQUESTS.name, {"result": "hit"}, 0.9),
    (names.CACHE_REQUESTS.name, {"result": "miss"}, 0.1),
    (f"{names.MATCH_ACCURACY.name}_sum", {}, 0.9),
    (f"{names.MATCH_ACCURACY.name}_count", {}, 1),
    (names.ACTIVE_USERS.name, {}, 1),
)


def matching(matcher: Matcher) -> str:
    """A label value that the matcher accepts."""
    if matcher.operator == "=":
        return matcher.value
    candidates = [*_VALUES, *_alternatives(matcher.value)]
    return next((value for value in candidates if matcher.accepts(value)), "x")


def _alternatives(pattern: str) -> list[str]:
    """Plain values read off a regular expression: `a|b.*` -> a, b0, b."""
    plain = re.sub(r"\.[*+]|\\d[*+]?|\.|\[.*?\][*+]?", "0", pattern).replace("\\", "")
    return [part for text in (plain, re.sub(r"\.\*", "", pattern)) for part in text.strip("()^$").split("|")]


def other_than(matcher: Matcher) -> str:
    """A label value that the matcher refuses."""
    return next(value for value in ("200", "False", "none", "x", "") if not matcher.accepts(value))


@dataclass(frozen=True)
class Scene:
    """Steady traffic on both versions; `values` overrides a signal's level by (signal, version[, segment])."""

    spec: Spec
    share: float
    requests_per_second: float = 5.0  # of each segment, both versions together
    values: Mapping[tuple[str, ...], float] = field(default_factory=dict)
    actual: Mapping[str, float] = field(default_factory=dict)  # the share of a segment where it is not the planned one
    down: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()  # metrics that nobody exports
    extra: Mapping[str, str] = field(default_factory=dict)

    def set(self, signal: str, value: float, version: str, segment: str = "") -> Scene:
        key = (signal, version, segment) if segment else (signal, version)
        return replace(self, values={**self.values, key: value})

    def plus(self, extra: Mapping[str, str]) -> Scene:
        """The scene with further series, or with others in place of its own."""
        return replace(self, extra={**self.extra, **extra})

    @property
    def segments(self) -> list[str]:
        return list(self.spec.segments.named) or [names.TOTAL_SEGMENT]

    def planned(self, segment: str) -> float:
        named = self.spec.segments.named.get(segment)
        return named.share_at(self.share) if named else self.share

    def share_of(self, version: str, segment: str) -> float:
        share = self.actual.get(segment, self.planned(segment))
        return share if version == self.spec.versions.candidate else 1 - share

    def level(self, signal: str, version: str, segment: str) -> float:
        """The signal's ratio, mean or time: as set, else healthy."""
        for key in ((signal, version, segment), (signal, version)):
            if key in self.values:
                return self.values[key]
        return healthy(self.spec.signals[signal], version == self.spec.versions.candidate)

    def series(self) -> dict[str, str]:
        """Each series to its values, in promtool's expanding notation."""
        steady = {_written(metric, labels): _rising(step) for (metric, labels), step in self._counters().items()}
        everything = {**steady, **self._gauges(), **self._services(), **self._roles(), **self.extra}
        return {series: values for series, values in everything.items() if series.split("{")[0] not in self.without}

    # ------------------------------------------------------------ counters of the services

    def _counters(self) -> dict[tuple[str, Labels], float]:
        counters: dict[tuple[str, Labels], float] = {}
        for version in self.spec.versions.both:
            for segment in self.segments:
                counters.update(self._of_stratum(version, segment))
        return counters

    def _of_stratum(self, version: str, segment: str) -> dict[tuple[str, Labels], float]:
        events = self.requests_per_second * STEP_SECONDS * self.share_of(version, segment)
        found: dict[tuple[str, Labels], float] = {}
        told: set[str] = set()  # metrics of earlier signals: several may count the same requests
        for name in sorted(self.spec.signals, key=lambda each: the_rest(self.spec.signals[each]) is None):
            counters = list(self._events(name, events, self.level(name, version, segment)))
            for selector, step in counters:
                if selector.metric not in told:
                    found[self._series(selector, version, segment)] = step
            told |= {selector.metric for selector, _ in counters}
        for metric, labels, share in _INSTRUMENT if uses_instrument(self.spec) else ():
            selector = Selector(metric).where(**labels)
            found.setdefault(self._series(selector, version, segment), events * share)
        return found

    def _events(self, name: str, events: float, level: float) -> Iterator[tuple[Selector, float]]:
        """The counters of one signal, each with its increase in a step."""
        signal = self.spec.signals[name]
        if signal.buckets is not None:
            yield from self._buckets(name, signal.buckets, events, level)
        summed, rest = signal.numerator or _sum_of(signal), the_rest(signal)
        if rest is None and signal.all_events is not None:
            yield signal.all_events, events
        if summed is not None:
            yield summed, events * level
        if rest is not None:
            yield rest, events * (1 - level)

    def _buckets(self, name: str, buckets: Selector, events: float, time: float) -> Iterator[tuple[Selector, float]]:
        """Every observation in the bucket that ends at `time`."""
        for bound in sorted({*bounds_wanted(self.spec, name), time / 2, time}):
            yield buckets.where(le=f"{bound:.12g}"), events if bound >= time else 0
        yield buckets.where(le="+Inf"), events

    def _series(self, selector: Selector, version: str, segment: str) -> tuple[str, Labels]:
        """The name and labels of a series that the selector matches, of this version and segment."""
        matchers = (*selector.matchers, *self.spec.versions.matchers(version))
        by_name = [matcher for matcher in matchers if matcher.label == "__name__"]
        metric = next(name for name in selector.names if all(matcher.accepts(name) for matcher in by_name))
        labels = {matcher.label: matching(matcher) for matcher in matchers if matcher not in by_name}
        if self.spec.segments.named:
            labels.setdefault(self.spec.segments.label, segment)
            partner = self.spec.segments.named[segment].partner_label
            labels |= {partner: PARTNER} if partner else {}
        job = next((name for name, s in self.spec.services.items() if s.version == version), "app")
        return metric, tuple(({"job": job, "instance": "a:1"} | labels).items())

    # ------------------------------------------------------------ levels

    def _gauges(self) -> dict[str, str]:
        return {
            _written(*self._series(signal.level, version, segment)): _flat(self.level(name, version, segment))
            for name, signal in self.spec.signals.items()
            if signal.level is not None
            for version in self.spec.versions.both
            for segment in self.segments
        }

    def _services(self) -> dict[str, str]:
        levels: dict[str, str] = {}
        for job, metric in promql.watched(self.spec).items():
            where = f'{{job="{job}",instance="a:1"}}'
            levels[promql.UP + where] = _flat(True)
            levels[metric + where] = _flat(job not in self.down)
            if job in self.spec.services_of("redis"):
                levels |= _redis(job)
        for name, probe in self.spec.probes.items():
            if probe.kind == "https":
                series = f'probe_ssl_earliest_cert_expiry{{job="{certificate_job(name)}",instance="a:1"}}'
                levels[series] = f"{2 * probe.certificate_warning:.0f}x{STEPS}"
        return levels

    def _roles(self) -> dict[str, str]:
        shares = {segment: self.planned(segment) for segment in self.segments} | {names.TOTAL_SEGMENT: self.share}
        plan = {f'{names.PLANNED_SHARE.name}{{user_segment="{s}"}}': _flat(share) for s, share in shares.items()}
        alarms = {f'{names.SIGNAL_ALARM.name}{{signal="{s}",user_segment="all"}}': _flat(0) for s in self.spec.signals}
        return {
            **plan,
            **alarms,
            **(retention(self.spec, 0.5, 0.52) if self.spec.logs.sources else {}),
            names.PHASE_STARTED.name: _flat(0),
            names.JUDGE_TICK.name: f"0+{STEP_SECONDS}x{STEPS}",
        }


def retention(spec: Spec, old: float, new: float) -> dict[str, str]:
    """What the logs role says of users who came back to each version."""
    levels = zip(spec.versions.both, (old, new), strict=True)
    where = f'window="{RETENTION_WINDOW}"'
    return {f'{names.LOG_RETENTION.name}{{version="{version}",{where}}}': _flat(level) for version, level in levels}


def _redis(job: str) -> dict[str, str]:
    return {
        f'redis_keyspace_hits_total{{job="{job}",instance="a:1"}}': _rising(95),
        f'redis_keyspace_misses_total{{job="{job}",instance="a:1"}}': _rising(5),
        f'redis_uptime_in_seconds{{job="{job}",instance="a:1"}}': f"10000+{STEP_SECONDS}x{STEPS}",
    }


def healthy(signal: Signal, candidate: bool) -> float:
    """A level with which nothing is wrong: few errors, quick answers, and the gain that was hoped for."""
    if signal.is_share:
        return 0.0002 if signal.better == "lower" else 0.955 if candidate else 0.82
    if signal.buckets is not None:
        return signal.measured_in.of_base(0.02 if candidate else 0.03)
    gain = 1.2 if signal.better == "higher" else 1 / 1.2
    return (signal.level_target or 100.0) * (gain if candidate else 1.0)


def the_rest(signal: Signal) -> Selector | None:
    """Where a signal's numerator is part of all events' own series: the other part, so that the two add up."""
    part, whole = signal.numerator, signal.all_events
    if part is None or whole is None or part.metric != whole.metric:
        return None
    telling = next(m for m in part.matchers if m not in whole.matchers)
    return whole.where(Matcher(telling.label, "=", other_than(telling)))


def _sum_of(signal: Signal) -> Selector | None:
    """The counter of a distribution's values."""
    return signal.buckets and signal.buckets.named(signal.buckets.metric.removesuffix("_bucket") + "_sum")


def _written(metric: str, labels: Labels) -> str:
    return str(Selector(metric, tuple(Matcher(label, "=", value) for label, value in labels)))


def _rising(step: float) -> str:
    return f"0+{step:.10g}x{STEPS}"


def _flat(value: float) -> str:
    return f"{float(value):g}x{STEPS}"
