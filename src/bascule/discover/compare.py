"""A spec compared with a running Prometheus: which services it scrapes, how often, and what the signals match."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bascule import promql
from bascule.alerts.figures import written
from bascule.discover.engine import measure
from bascule.discover.server import clock_off, clock_text, retention, retention_text
from bascule.discover.verify import CheckedExpression, signals
from bascule.errors import Problem
from bascule.prometheus import Prometheus, Target
from bascule.spec import Spec
from bascule.spec.counters import bound_of
from bascule.spec.quantities import format_duration, parse_duration
from bascule.spec.wanted_bounds import bounds_wanted

SQUARES = "declare `sum_of_squares`, or export the values as a histogram"
SAID_ALREADY = ("clock", "samples")  # by the differences of the clock and of the services


@dataclass(frozen=True)
class Compared:
    """`differences`: what the spec says and this Prometheus does not do, with how to bring them together.

    `signals` has a finding for each selector and version.
    """

    differences: tuple[Problem, ...]
    signals: tuple[CheckedExpression, ...]

    @property
    def agrees(self) -> bool:
        return not self.differences and all(finding.state != "error" for finding in self.signals)


def compare(spec: Spec, prometheus: Prometheus) -> Compared:
    """Raises Unreachable when Prometheus does not answer, QueryRejected when something else does."""
    targets = [target for target in prometheus.targets() if target.job in spec.services]
    differences = (
        *_services(spec, targets),
        *_times(spec, targets),
        *_buckets(spec, prometheus),
        *_scatter(spec, prometheus),
        *_timestamps(spec, prometheus),
        *_clock(prometheus),
        *_retention(spec, prometheus),
        *_engine(spec, prometheus),
    )
    return Compared(differences, tuple(signals(spec, prometheus)))


def _buckets(spec: Spec, prometheus: Prometheus) -> Iterator[Problem]:
    """Bounds that something of the spec is compared with, and that a version's histogram does not have."""
    for name, signal in spec.signals.items():
        for version in spec.versions.both if signal.buckets is not None else ():
            assert signal.buckets is not None
            series = signal.buckets.where(*spec.versions.matchers(version))
            there = {bound_of(sample.labels.get("le")) for sample in prometheus.instant(f"count by (le) ({series})")}
            for bound in sorted(bounds_wanted(spec, name) - there if there else ()):
                known = ", ".join(written(each, signal.unit) for each in sorted(there) if math.isfinite(each))
                what = f"{version} has no bucket at {written(bound, signal.unit)}, only at {known}"
                fix = "add that bound to the histogram, or move the limit to one that exists"
                yield Problem(f"signals.{name}", what, fix)


def _scatter(spec: Spec, prometheus: Prometheus) -> Iterator[Problem]:
    """Means of which a version does not export how much their values differ."""
    for name, signal in spec.signals.items():
        if signal.squares is None or signal.numerator is None:
            continue
        for version in spec.versions.both:
            of_version = spec.versions.matchers(version)
            there, squares = signal.numerator.where(*of_version), signal.squares.selector.where(*of_version)
            if prometheus.instant(f"count({there})") and not prometheus.instant(f"count({squares})"):
                what = f"{version} has no {squares}: how much the values scatter is unknown, a difference may be chance"
                yield Problem(f"signals.{name}", what, SQUARES)


def _timestamps(spec: Spec, prometheus: Prometheus) -> Iterator[Problem]:
    """Services whose samples are older than their scrapes, because they tell times of their own."""
    tolerated = 2 * spec.stack.scrape.interval
    for name, signal in spec.signals.items():
        for selector in list(signal.selectors.values())[:1]:
            age = f"timestamp(up) - on (job, instance) group_right () timestamp({selector})"
            for sample in prometheus.instant(f"max by (job) ({age}) > {tolerated:g}"):
                what = (
                    f"{sample.labels.get('job', '')} exports samples with its own timestamps, {sample.value:.0f} s old"
                )
                fix = "write `honor_timestamps: false` into its scrape job, as `bascule generate` does"
                yield Problem(f"signals.{name}", what, fix)


def _clock(prometheus: Prometheus) -> Iterator[Problem]:
    if off := clock_off(prometheus):
        yield Problem("clock", clock_text(off), "set both by a time server: samples of other times are no data")


def _retention(spec: Spec, prometheus: Prometheus) -> Iterator[Problem]:
    """SLAs whose window is longer than what is kept."""
    kept = retention(prometheus)
    for name, sla in spec.slas.named.items():
        if kept is not None and sla.window > kept:
            fix = f"give it --storage.tsdb.retention.time={format_duration(sla.window)} or more, or a shorter window"
            yield Problem(f"slas.{name}.window", retention_text(kept, sla.window), fix)


def _engine(spec: Spec, prometheus: Prometheus) -> Iterator[Problem]:
    """What Bascule needs and this engine does not do."""
    for finding in measure(prometheus, spec):
        if not finding.ok and finding.subject not in SAID_ALREADY:
            yield Problem(f"engine: {finding.subject}", finding.found, finding.effect)


def _services(spec: Spec, targets: Sequence[Target]) -> Iterator[Problem]:
    """Services that are not scraped, and targets whose scrapes fail."""
    scraped = {target.job for target in targets}
    wanted = [job for job in promql.watched(spec) if job in spec.services]
    for name in (name for name in wanted if name not in scraped):
        fix = "add a job of this name; `bascule generate` writes it into prometheus/prometheus.yml"
        yield Problem(f"services.{name}", f"no scrape job {name!r}", fix)
    for target in targets:
        if target.health == "down":
            what = f"scraping {target.instance} fails: {target.last_error}"
            yield Problem(f"services.{target.job}", what, "check that the service runs and where its metrics are")


def _times(spec: Spec, targets: Sequence[Target]) -> Iterator[Problem]:
    """Where this Prometheus scrapes at other times than the spec says."""
    scrape = spec.stack.scrape
    targets = [target for target in targets if spec.services[target.job].page is not None]
    yield from _time("interval", scrape.interval, {target.job: target.scrape_interval for target in targets})
    yield from _time("timeout", scrape.timeout, {target.job: target.scrape_timeout for target in targets})


def _time(key: str, mine: float, theirs: Mapping[str, str]) -> Iterator[Problem]:
    """`theirs`: the time of each job as Prometheus writes it; empty where it is not told."""
    for text in sorted(set(theirs.values()) - {""}):
        if not _is(text, mine):
            jobs = ", ".join(job for job, time in theirs.items() if time == text)
            what = f"the spec says {format_duration(mine)}, this Prometheus has {text} for {jobs}"
            yield Problem(f"stack.scrape.{key}", what, f"write `{key}: {text}`, or change its configuration")


def _is(text: str, seconds: float) -> bool:
    try:
        return parse_duration(text) == seconds
    except ValueError:  # some other server's way to write a time: people compare it
        return False
