"""A spec proposed from what a running Prometheus holds, saying what was found there and what is guessed.

Versions are looked for in labels, names of jobs and services, and metric names; signals by what well-known libraries
and proxies expose (presets/), else in counters with a status, histograms of time, counters of success, ratings and
values. Each proposed signal is tried, and the server's answer is beside it. What cannot be known (phases, targets,
margins) is given a usual value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from bascule.conventions import TOTAL_SEGMENT
from bascule.discover.inventory import Family, Found, Metrics, candidates, metrics, of_both, series_of, versions_of
from bascule.discover.requests import (
    ROUTES,
    CountedRequests,
    TimeHistogram,
    failures_of,
    requests_of,
    times_of,
    without_buckets,
)
from bascule.discover.server import clock_off, clock_text, recent, retention, retention_text
from bascule.discover.unread import unread
from bascule.errors import QueryRejected, UsageError
from bascule.prometheus import Prometheus, Sample, Target
from bascule.spec import Matcher, Selector
from bascule.spec.addresses import is_target
from bascule.spec.clashes import OWN_JOBS
from bascule.spec.counters import bound_of
from bascule.spec.presets import Preset, preset_of
from bascule.spec.proposal import ERRORS_GATE, USUAL, WARNING, Beginning, usual_phases, usual_slas
from bascule.spec.quantities import format_duration, parse_duration
from bascule.spec.selector import parse_matchers
from bascule.units import unit_of

_SEGMENTS = ("user_segment", "segment", "customer_segment", "tier", "plan", "customer_tier", "user_type", "group")
_PARTNERS = ("partner", "customer", "tenant", "client", "api_client", "organization")
_SUCCESS = ("True", "true", "success", "ok", "succeeded")
_NOT_A_VALUE = {"", "unknown", "none", "other"}
MOST_SEGMENTS = 12
LONGEST_WINDOW = 30 * 86400.0  # of the SLA that is proposed
MARGIN = 1.5  # of a proposed bound over what the old version takes now
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")
_KINDS = {
    "redis_up": "redis",
    "nginx_up": "nginx",
    "node_uname_info": "node",
    "container_cpu_usage_seconds_total": "container",
    "pg_up": "postgres",
}
Lines = Iterator[str]


@dataclass(frozen=True)
class Seen:
    """What was found: the versions, the families that both have, and what serves the requests, where it is known."""

    prometheus: Prometheus
    targets: Sequence[Target]
    versions: Found | None
    families: list[Family]
    histograms: frozenset[str]
    preset: Preset | None
    others: Sequence[str]  # labels that have more than two versions
    unread: Sequence[str]  # what no spec can name

    @cached_property
    def requests(self) -> CountedRequests | None:
        return requests_of(self.families, self.preset)

    @cached_property
    def latency(self) -> TimeHistogram | None:
        return times_of(self.prometheus, self.families, self.histograms, self.preset)


def propose(prometheus: Prometheus, jobs: Sequence[str] = (), beginning: Beginning = USUAL) -> str:
    """The YAML of a spec that `bascule check` accepts, from series of these jobs alone where any are named.

    Raises Unreachable when Prometheus does not answer, UsageError where it does not scrape such a job.
    """
    _refuse_unknown(jobs, prometheus)
    seen = _seen(prometheus, (Matcher("job", "=~", "|".join(map(re.escape, jobs))),) if jobs else ())
    proposed = list(_proposed(seen))
    parts = (
        _head(seen, beginning),
        _versions(seen),
        _services(seen),
        _signals(seen, proposed),
        _segments(seen),
        _plan(seen, proposed),
    )
    return "\n".join("\n".join(part) for part in parts) + "\n"


def _refuse_unknown(jobs: Sequence[str], prometheus: Prometheus) -> None:
    there = sorted({target.job for target in prometheus.targets()}) if jobs else []
    if lacking := [job for job in jobs if job not in there]:
        raise UsageError(f"{prometheus.url} does not scrape the job {lacking[0]!r}", f"its jobs are {', '.join(there)}")


def _seen(prometheus: Prometheus, where: tuple[Matcher, ...]) -> Seen:
    found = _of_services(metrics(prometheus, where))
    up = Family.of(prometheus, Selector("up").where(*where))
    versions = versions_of([*found.families, up], found.preset.version if found.preset is not None else "")
    there = _of_services(metrics(prometheus, (*where, *series_of(versions)))) if versions else found
    families = of_both(there.families, versions) if versions else there.families
    others = [] if versions else candidates([*found.families, up])
    more = list(unread(prometheus, where))
    return Seen(prometheus, prometheus.targets(), versions, families, there.histograms, there.preset, others, more)


def _of_services(found: Metrics) -> Metrics:
    """Without what Bascule itself counts in logs, where the services count their requests."""
    own = [family for family in found.families if not family.name.startswith("bascule_")]
    preset = preset_of({family.name: family.labels for family in own})
    return found if requests_of(own, preset) is None else replace(found, families=own, preset=preset)


def quoted(text: object) -> str:
    return "'" + str(text).replace("'", "''") + "'"


def _key(name: str) -> str:
    """A name as a key of YAML, which reads some words as truth values."""
    return quoted(name) if name.lower() in ("true", "false", "yes", "no", "on", "off", "null", "y", "n") else name


def _head(seen: Seen, beginning: Beginning) -> Lines:
    url = seen.prometheus.url
    yield f"# Proposed by `bascule init --from-prometheus {url}`."
    yield "# 'found' was seen there; 'guessed' is a usual value: correct each guess. Then: bascule check"
    if off := clock_off(seen.prometheus):
        yield f"{WARNING}{clock_text(off)}: samples of other times are no data; set both by a time server"
    if (kept := _kept(seen.prometheus)) < LONGEST_WINDOW:
        told = retention_text(kept, LONGEST_WINDOW)
        yield f"{WARNING}{told} for a month; --storage.tsdb.retention.time=30d keeps them"
    sent = _alertmanager(seen.prometheus)
    more = [f"external: {{prometheus: {quoted(url)}{f', alertmanager: {quoted(sent)}' if sent else ''}}}"]
    more += [f"access: {line}" for line in [beginning.access] if line]
    if times := _scrape_times(seen.targets):
        more.append(f"scrape: {{interval: {times[0]}, timeout: {times[1]}}}  # found: how this Prometheus scrapes them")
    yield from beginning.lines(*more)


def _alertmanager(prometheus: Prometheus) -> str:
    """The one that it sends its alerts to; empty where there is none, or several."""
    try:
        found = prometheus.alertmanagers()
    except QueryRejected:  # a managed server has its own way
        return ""
    return found[0] if len(found) == 1 else ""


def _scrape_times(targets: Sequence[Target]) -> tuple[str, str] | None:
    """The slowest interval of the services, and its timeout."""
    told = [(each.scrape_interval, each.scrape_timeout) for each in targets if _is_service(each.job)]
    known = [times for times in told if all(times)]
    return max(known, key=lambda times: parse_duration(times[0]), default=None)


def _is_service(job: str) -> bool:
    return job not in (*OWN_JOBS, "") and not job.startswith("bascule-")


def _versions(seen: Seen) -> Lines:
    versions = seen.versions
    if versions is None:
        yield f"{WARNING}the versions are guessed: no label, job or metric name tells two apart"
        for candidate in seen.others:
            yield f"# found, but with more than two versions: {candidate}"
        yield from _pairs(seen.targets)
        yield "versions: {label: version, baseline: v1, candidate: v2}"
    else:
        yield f"# found: {versions.how}"
        yield "# guessed: which of the two is the new one"
        yield "versions:"
        yield f"  baseline: {quoted(versions.baseline)}"
        yield f"  candidate: {quoted(versions.candidate)}"
        if versions.label:
            yield f"  label: {versions.label}"
        for version, matchers in (versions.select or {}).items():
            if version == versions.baseline:
                yield "  select:"
            yield f"    {quoted(version)}: {quoted(matchers)}"
    yield ""


def _pairs(targets: Sequence[Target]) -> Lines:
    """How to compare the two instances of a job: whether they are versions, nobody but the user knows."""
    jobs: dict[str, set[str]] = {}
    for target in targets:
        if _is_service(target.job):
            jobs.setdefault(target.job, set()).add(target.instance)
    for job, instances in jobs.items():
        if len(instances) == 2:
            old, new = (quoted(Matcher("instance", "=", instance)) for instance in sorted(instances))
            yield f"# found: the job {_one_line(job)} has two instances. If each of them is a version, write instead:"
            yield f"# versions: {{baseline: v1, candidate: v2, select: {{v1: {old}, v2: {new}}}}}"


# ---------------------------------------------------------------- services


def _services(seen: Seen) -> Lines:
    prometheus = seen.prometheus
    jobs: dict[str, list[str]] = {}
    for sample in prometheus.instant("up"):
        jobs.setdefault(sample.labels.get("job", ""), []).append(sample.labels.get("instance", ""))
    kinds = {job: kind for metric, kind in _KINDS.items() for job in _jobs_of(prometheus.instant(recent(metric)))}
    looked_at = recent('{__name__=~"probe_success|probe_ssl_earliest_cert_expiry"}')
    probes = _jobs_of(prometheus.instant(looked_at))
    of_version = _versions_of_jobs(prometheus, seen.versions)
    lines = [
        _service(job, sorted(instances), kinds.get(job, "application"), of_version.get(job))
        for job, instances in sorted(jobs.items())
        if job not in probes and _is_service(job)
    ]
    yield "# found: what is scraped; guessed: its kind"
    for target in seen.targets:
        if target.health == "down":
            yield f"{WARNING}not scraped: {_one_line(f'{target.job} {target.instance}: {target.last_error}')}"
    yield "services:" if any(not line.startswith("  #") for line in lines) else "services: {}"
    yield from lines
    yield ""
    yield from _probes(prometheus)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _service(job: str, instances: list[str], kind: str, version: str | None) -> str:
    targets = list(filter(is_target, instances))
    if not _NAME.fullmatch(job) or not targets:
        return f"  # {job!r}: {instances} gives no name or address that a spec can hold"
    more = f", kind: {kind}" if kind != "application" else ""
    more += f", version: {quoted(version)}" if version and kind == "application" else ""
    return f"  {_key(job)}: {{targets: [{', '.join(map(quoted, targets))}]{more}}}"


def _jobs_of(samples: list[Sample]) -> set[str]:
    return {sample.labels.get("job", "") for sample in samples}


def _versions_of_jobs(prometheus: Prometheus, versions: Found | None) -> dict[str, str]:
    """The jobs that serve one version alone."""
    if versions is None:
        return {}
    if versions.label is None:
        picked = {version: parse_matchers(text) for version, text in (versions.select or {}).items()}
        return {m.value: version for version, matchers in picked.items() for m in matchers if m.label == "job"}
    told: dict[str, set[str]] = {}
    (both,) = series_of(versions)
    for sample in prometheus.instant(f"count by (job, {versions.label}) ({recent(f'{{{both}}}')})"):
        told.setdefault(sample.labels.get("job", ""), set()).add(sample.labels[versions.label])
    return {job: values.pop() for job, values in told.items() if len(values) == 1}


def _probes(prometheus: Prometheus) -> Lines:
    probes = {sample.labels.get("instance", "") for sample in prometheus.instant(recent("probe_success"))}
    urls = [url for url in sorted(probes) if url.startswith(("http://", "https://"))]
    if urls:
        yield "probes:  # found: what the blackbox exporter looks at"
        for number, url in enumerate(urls, 1):
            yield f"  probe-{number}: {{kind: {url.partition(':')[0]}, url: {quoted(url)}}}"
        yield ""


# ---------------------------------------------------------------- signals


@dataclass(frozen=True)
class Proposed:
    """A signal as the lines of its YAML."""

    name: str
    why: str
    lines: tuple[str, ...]
    some: Selector | None = None
    all: Selector | None = None


def _signals(seen: Seen, proposed: Sequence[Proposed]) -> Lines:
    if seen.preset is not None:
        yield f"# found: {seen.preset.title}"
        yield from (f"# note: {caveat}" for caveat in seen.preset.caveats)
    yield from (f"{WARNING}not read: {_one_line(each)}" for each in seen.unread)
    if all(signal.name != "errors" for signal in proposed):
        yield f"{WARNING}no counter of requests by their status was found for both versions. Three ways to have one:"
        yield "# bascule.instrument in the services, their access log, or a probe (docs/no-metrics.md)."
    yield from _no_buckets(seen)
    yield from _no_scatter(seen)
    yield "signals:" if proposed else "signals: {}"
    for signal in proposed:
        yield f"  {signal.name}:  # {signal.why}{_tried(seen, signal)}"
        yield from (f"    {line}" for line in signal.lines)
    yield ""


def _no_buckets(seen: Seen) -> Lines:
    """Times that are there without a distribution: nothing can be said of a percentile."""
    if seen.latency is None and (base := without_buckets(seen.families, seen.histograms)):
        step = seen.preset.buckets if seen.preset is not None else ""
        yield f"{WARNING}no latency: {base} has no buckets; {step or 'let its library keep a histogram'}"


def _no_scatter(seen: Seen) -> Lines:
    """Means that would never be compared: nothing says whether a difference is chance."""
    for mean in _means(seen.families):
        if _squares(mean, seen) is None:
            base = _base(mean.family)
            yield (
                f"{WARNING}no {mean.name}: how much the values of {base} scatter is unknown; export them as a "
                f"histogram, or the sum of their squares as {base}_squared_total"
            )


def _tried(seen: Seen, signal: Proposed) -> str:
    """What the server answers to the signal's own selectors."""
    if signal.some is None or signal.all is None:
        return ""
    some, everything = (_events(seen, selector) for selector in (signal.some, signal.all))
    return f"; matches {some:,.0f} of {everything:,.0f} events in the last hour" if everything else ""


def _events(seen: Seen, selector: Selector) -> float:
    """Growth over the last hour; what was counted so far by series that are younger."""
    narrowed = selector.where(*(series_of(seen.versions) if seen.versions else ()))
    grown = seen.prometheus.scalar(f"sum(({narrowed} unless {narrowed} offset 1h) or increase({narrowed}[1h]))")
    return grown if isinstance(grown, float) and math.isfinite(grown) else 0.0


def _proposed(seen: Seen) -> Iterator[Proposed]:
    """At most one of each name; the first counts."""
    names: set[str] = set()
    for signal in _found(seen):
        if signal.name not in names:
            names.add(signal.name)
            yield signal


def _found(seen: Seen) -> Iterator[Proposed]:
    there, requests = seen.families, seen.requests
    matches = _successes_of(there)
    if requests is not None:
        yield _errors(requests)
    elif failures := failures_of(there):
        bad, total = (Selector(each.name) for each in failures)
        yield _ratio("errors", f"found: {bad} of {total}", "bad", bad, total, "lower", failures[1])
    if seen.latency is not None:
        yield _latency(seen.latency)
    if matches:
        yield _success(matches)
    if requests and (fallback := _best(there, lambda name: "fallback" in name and name.endswith("_total"))):
        yield _fallback(fallback, requests)
    for mean in _means(there):
        if (squares := _squares(mean, seen)) is not None:
            yield _mean(mean, squares)


def _best(there: list[Family], fits: Callable[[str], bool]) -> Family | None:
    return min((each for each in there if fits(each.name)), key=lambda each: (len(each.name), each.name), default=None)


def _errors(requests: CountedRequests) -> Proposed:
    why = f"found: {requests.family.name} by {requests.bad.label}"
    return _ratio("errors", why, "bad", requests.failed, requests.all_requests, "lower", requests.family)


def _ratio(name: str, why: str, side: str, events: Selector, total: Selector, better: str, family: Family) -> Proposed:
    lines = (
        "kind: ratio",
        f"{side}: {quoted(events)}",
        f"total: {quoted(total)}",
        f"better: {better}",
        "harmful_increase: 1pt  # guessed",
        *_strata(family),
    )
    return Proposed(name, why, lines, events, total)


def _latency(latency: TimeHistogram) -> Proposed:
    lines = (
        "kind: histogram",
        f"metric: {quoted(latency.metric)}",
        f"unit: {latency.unit}",
        *_strata(latency.family),
    )
    why = f"found: {latency.family.name}" + (f"; {latency.doubt}" if latency.doubt else "")
    return Proposed("latency", why, lines)


def _strata(family: Family) -> Iterator[str]:
    """Within what the versions are compared, where no segment is known: the route, if there are few."""
    if _segment_label(family):
        return
    route = next((each for each in ROUTES if 1 < len(family.labels.get(each, ())) <= MOST_SEGMENTS), None)
    yield f"strata: [{route}]  # found: within each route" if route else "strata: []"


def _successes_of(there: list[Family]) -> Family | None:
    told = [each for each in there if each.name.endswith("_total") and _success_of(each)]
    return min(told, key=lambda each: ("match" not in each.name, len(each.name), each.name), default=None)


def _success_of(family: Family) -> Matcher | None:
    for label in ("success", "result", "outcome"):
        good = [value for value in _SUCCESS if value in family.labels.get(label, ())]
        if good:
            return Matcher(label, "=", good[0])
    return None


def _success(family: Family) -> Proposed:
    matcher = _success_of(family)
    good = Selector(family.name).where(*([matcher] if matcher else []))
    name = "accuracy" if "match" in family.name else "success"
    why = f"found: {family.name} by {good.matchers[0].label}"
    return _ratio(name, why, "good", good, Selector(family.name), "higher", family)


def _fallback(family: Family, requests: CountedRequests) -> Proposed:
    bad, total = Selector(family.name), requests.all_requests
    return _ratio("fallback", f"found: {family.name}", "bad", bad, total, "lower", requests.family)


def _rated(there: list[Family]) -> list[Family]:
    return [each for each in there if re.search(r"(rating|stars|score)_count$", each.name)]


@dataclass(frozen=True)
class Mean:
    """What may be a mean: the names of its sum and of its count; `family`: what it was found by."""

    name: str
    family: Family
    sum: str
    count: str
    guess: str = ""


def _means(there: list[Family]) -> Iterator[Mean]:
    for each in _rated(there):
        name = "satisfaction" if re.search(r"(rating|stars)_count$", each.name) else "score"
        yield Mean(name, each, f"{_base(each)}_sum", each.name)
    value = _best(there, lambda name: bool(re.search(r"(value|revenue|amount)_total$", name)))
    matches = _successes_of(there)
    if value and matches:
        yield Mean("revenue", value, value.name, matches.name, "  # guessed: what the value is of")


def _squares(mean: Mean, seen: Seen) -> tuple[str, ...] | None:
    """The line that says how much its values differ; none where its buckets do; None where nothing does."""
    squares = f"{_base(mean.family)}_squared_total"
    if any(each.name == squares for each in seen.families):
        return (f"sum_of_squares: {quoted(Selector(squares))}",)
    return () if mean.sum.endswith("_sum") and _base(mean.family) in seen.histograms else None


def _base(family: Family) -> str:
    return re.sub(r"_(total|count)$", "", family.name)


def _mean(mean: Mean, squares: tuple[str, ...]) -> Proposed:
    lines = (
        "kind: mean",
        f"sum: {quoted(Selector(mean.sum))}",
        f"count: {quoted(Selector(mean.count))}{mean.guess}",
        *squares,
        "better: higher  # guessed",
        *_strata(mean.family),
    )
    return Proposed(mean.name, f"found: {mean.family.name}", lines)


# ---------------------------------------------------------------- segments and the plan


def _segment_label(family: Family) -> str | None:
    return next((label for label in _SEGMENTS if 1 < len(_values(family, label)) <= MOST_SEGMENTS), None)


def _values(family: Family, label: str) -> list[str]:
    return sorted(value for value in family.labels.get(label, ()) if value not in _NOT_A_VALUE)


def _segments(seen: Seen) -> Lines:
    requests = seen.requests.family if seen.requests is not None else None
    label = _segment_label(requests) if requests is not None else None
    if requests is None or label is None:
        return
    yield f"segments:  # found: the values of {label}; guessed: that each follows the global share"
    yield f"  label: {label}"
    for value in _values(requests, label):
        known = _NAME.fullmatch(value) and value not in ("label", "named", TOTAL_SEGMENT)
        yield f"  {_key(value)}: {{}}" if known else f"  # {value!r} cannot be the name of a segment"
    partner = next((each for each in _PARTNERS if len(_values(requests, each)) > 1), None)
    if partner:
        yield f"  # found: {partner} has {len(_values(requests, partner))} values. For targets of partners, give their"
        yield f"  # segment `partner_label: {partner}` and `quotas: {{default: 10000/h}}`"
    yield ""


def _plan(seen: Seen, proposed: Sequence[Proposed]) -> Lines:
    names = {signal.name for signal in proposed}
    gates = [ERRORS_GATE] if "errors" in names else []
    bound = _bound(seen.prometheus, seen.latency, seen.versions) if seen.latency and seen.versions else None
    if bound:
        gates.append(f'latency.p95: "<{bound}"')
    yield "# guessed: the steps, how long each is held, and the gates"
    if bound:
        yield "# (the bound of latency.p95 is the first bucket from 1.5 times what the old version takes now)"
    yield from usual_phases(*gates)
    yield ""
    if "errors" in names:
        yield from usual_slas(format_duration(_kept(seen.prometheus)))


def _kept(prometheus: Prometheus) -> float:
    """A month, or what the server keeps where that is less: seconds."""
    kept = retention(prometheus)
    return LONGEST_WINDOW if kept is None else min(kept, LONGEST_WINDOW)


def _bound(prometheus: Prometheus, latency: TimeHistogram, versions: Found) -> str | None:
    """The first bucket from one and a half times the old version's p95 of the last five minutes."""
    matchers: tuple[Matcher, ...] = ()
    if versions.select:
        matchers = parse_matchers(versions.select[versions.baseline])
    elif versions.label:
        matchers = (Matcher(versions.label, "=", versions.baseline),)
    buckets = latency.metric.named(f"{latency.metric.metric}_bucket").where(*matchers)
    found = prometheus.scalar(f"histogram_quantile(0.95, sum by (le) (rate({buckets}[5m])))")
    if not isinstance(found, float) or not math.isfinite(found) or found <= 0:
        return None
    bounds = (bound_of(text) for text in prometheus.label_values("le", str(buckets)))
    bound = min((each for each in bounds if MARGIN * found <= each < math.inf), default=None)
    return None if bound is None else f"{1000 * unit_of(latency.unit).to_base(bound):.12g}ms"
