"""A spec proposed from what a running Prometheus holds, saying what was found there and what is guessed.

Versions are looked for in labels, job names and metric names; signals in counters with a status, histograms of time,
counters of success, ratings and values. What cannot be known (phases, targets, margins) is given a usual value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bascule.conventions import TOTAL_SEGMENT
from bascule.discover.inventory import Family, Found, families, of_both, versions_of
from bascule.prometheus import NO_DATA, Prometheus, Sample
from bascule.spec import Matcher, Selector
from bascule.spec.clashes import OWN_JOBS
from bascule.spec.selector import parse_matchers
from bascule.units import Dimension, unit_in_name, unit_of

_STATUS = (
    "status",
    "status_code",
    "code",
    "http_status",
    "http_status_code",
    "http_response_status_code",
    "response_code",
)
_SEGMENTS = ("user_segment", "segment", "customer_segment", "tier", "plan", "customer_tier", "user_type", "group")
_PARTNERS = ("partner", "customer", "tenant", "client", "api_client", "organization")
_ROUTES = ("http_route", "route", "endpoint", "handler")
_SUCCESS = ("True", "true", "success", "ok", "succeeded")
_NOT_A_VALUE = {"", "unknown", "none", "other"}
MOST_SEGMENTS = 12
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_ADDRESS = re.compile(r"[^\s:]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}")
_KINDS = {
    "redis_up": "redis",
    "nginx_up": "nginx",
    "node_uname_info": "node",
    "container_cpu_usage_seconds_total": "container",
}
Lines = Iterator[str]


def propose(prometheus: Prometheus) -> str:
    """The YAML of a spec that `bascule check` accepts. Raises Unreachable when Prometheus does not answer."""
    found = families(prometheus)
    versions = versions_of(found)
    there = of_both(found, versions) if versions else found
    parts = (
        _head(prometheus, versions),
        _versions(versions),
        _services(prometheus, versions),
        _signals(prometheus, there, versions),
        _segments(there),
        _plan(prometheus, there, versions),
    )
    return "\n".join("\n".join(part) for part in parts) + "\n"


def quoted(text: object) -> str:
    return "'" + str(text).replace("'", "''") + "'"


def _key(name: str) -> str:
    """A name as a key of YAML, which reads some words as truth values."""
    return quoted(name) if name.lower() in ("true", "false", "yes", "no", "on", "off", "null", "y", "n") else name


def _head(prometheus: Prometheus, versions: Found | None) -> Lines:
    yield f"# Proposed by `bascule init --from-prometheus {prometheus.url}`."
    yield "# 'found' was seen there; 'guessed' is a usual value: correct each guess. Then: bascule check"
    yield "apiVersion: bascule/v1"
    yield "kind: Migration"
    yield "metadata: {name: migration}  # guessed"
    yield f"stack: {{external: {{prometheus: {quoted(prometheus.url)}}}}}"
    yield ""


def _versions(versions: Found | None) -> Lines:
    if versions is None:
        yield "# guessed: no label, job or metric name tells two versions apart"
        yield "versions: {label: version, baseline: v1, candidate: v2}"
    else:
        yield f"# found: {versions.how}" + (f"; also {', '.join(versions.others)}" if versions.others else "")
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


# ---------------------------------------------------------------- services


def _services(prometheus: Prometheus, versions: Found | None) -> Lines:
    jobs: dict[str, list[str]] = {}
    for sample in prometheus.instant("up"):
        jobs.setdefault(sample.labels.get("job", ""), []).append(sample.labels.get("instance", ""))
    kinds = {job: kind for metric, kind in _KINDS.items() for job in _jobs_of(prometheus.instant(metric))}
    probes = _jobs_of(prometheus.instant('{__name__=~"probe_success|probe_ssl_earliest_cert_expiry"}'))
    of_version = _versions_of_jobs(prometheus, versions)
    own = {*probes, *OWN_JOBS, ""}
    lines = [
        _service(job, sorted(instances), kinds.get(job, "application"), of_version.get(job))
        for job, instances in sorted(jobs.items())
        if job not in own and not job.startswith("bascule-")
    ]
    yield "# found: what is scraped; guessed: its kind"
    yield "services:" if any(not line.startswith("  #") for line in lines) else "services: {}"
    yield from lines
    yield ""
    yield from _probes(prometheus)


def _service(job: str, instances: list[str], kind: str, version: str | None) -> str:
    targets = [each for each in instances if _ADDRESS.fullmatch(each) and 0 < int(each.rpartition(":")[2]) < 65536]
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
        selected = {text: version for version, text in (versions.select or {}).items()}
        return {text[5:-1]: version for text, version in selected.items() if text.startswith('job="')}
    told: dict[str, set[str]] = {}
    both = f'{{{versions.label}=~"{versions.baseline}|{versions.candidate}"}}'
    for sample in prometheus.instant(f"count by (job, {versions.label}) ({both})"):
        told.setdefault(sample.labels.get("job", ""), set()).add(sample.labels[versions.label])
    return {job: values.pop() for job, values in told.items() if len(values) == 1}


def _probes(prometheus: Prometheus) -> Lines:
    probes = {sample.labels.get("instance", ""): sample.labels for sample in prometheus.instant("probe_success")}
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


def _signals(prometheus: Prometheus, there: list[Family], versions: Found | None) -> Lines:
    proposed = _proposed(there)
    yield "signals:"
    if not proposed:
        yield "  # guessed: no counter with a status and no histogram was found for both versions"
        proposed = [_errors(Family("http_requests_total", {"status": frozenset()}))]
    for signal in proposed:
        yield f"  {signal.name}:  # {signal.why}"
        yield from (f"    {line}" for line in signal.lines)
    yield ""


def _proposed(there: list[Family]) -> list[Proposed]:
    requests, matches = requests_of(there), _successes_of(there)
    found: list[Proposed] = []
    if requests:
        found.append(_errors(requests))
    if latency := latency_of(there):
        found.append(_latency(latency))
    if matches:
        found.append(_success(matches))
    if requests and (fallback := _best(there, lambda name: "fallback" in name and name.endswith("_total"))):
        found.append(_fallback(fallback, requests))
    found += [_mean(each) for each in _rated(there)]
    value = _best(there, lambda name: bool(re.search(r"(value|revenue|amount)_total$", name)))
    if value and matches:
        found.append(_revenue(value, matches, there))
    return list({signal.name: signal for signal in reversed(found)}.values())[::-1]


def requests_of(there: list[Family]) -> Family | None:
    """The counter of requests: one with a status in a label."""
    return _best([each for each in there if _status_of(each)], lambda name: name.endswith(("_total", "_count")))


def latency_of(there: list[Family]) -> Family | None:
    """The histogram (by its `_count`) of times to answer."""
    times = re.compile(
        r"(duration|latency|response_time|request_time|_seconds|_milliseconds|_microseconds|_nanoseconds)"
    )
    return _best(there, lambda name: name.endswith("_count") and bool(times.search(name)))


def _best(there: list[Family], fits: Callable[[str], bool]) -> Family | None:
    fitting = [each for each in there if fits(each.name)]
    return min(fitting, key=lambda each: _rank(each.name), default=None)


def _rank(name: str) -> tuple[bool, bool, bool, int, str]:
    """HTTP requests before others, what is served before what is asked of others, short names before long ones."""
    return "client" in name, "http" not in name, "request" not in name, len(name), name


def _status_of(family: Family) -> str | None:
    def is_status(value: str) -> bool:
        return re.fullmatch(r"[1-5](\d\d|xx)", value) is not None

    return next((each for each in _STATUS if any(map(is_status, family.labels.get(each, ())))), None)


def _errors(family: Family) -> Proposed:
    label = _status_of(family) or "status"
    five = Matcher(label, "=", "5xx") if any(v.endswith("xx") for v in family.labels.get(label, ())) else None
    bad = Selector(family.name).where(five or Matcher(label, "=~", "5.."))
    return _ratio("errors", f"found: {family.name} by {label}", "bad", bad, family, "lower")


def _ratio(name: str, why: str, side: str, events: Selector, total: Family, better: str) -> Proposed:
    lines = (
        "kind: ratio",
        f"{side}: {quoted(events)}",
        f"total: {quoted(Selector(total.name))}",
        f"better: {better}",
        "harmful_increase: 1pt  # guessed",
        *_strata(total),
    )
    return Proposed(name, why, lines)


def _latency(family: Family) -> Proposed:
    base = family.name.removesuffix("_count")
    lines = ("kind: histogram", f"metric: {quoted(Selector(base))}", f"unit: {_unit(family)}", *_strata(family))
    return Proposed("latency", f"found: {family.name}", lines)


def _strata(family: Family) -> Iterator[str]:
    """Within what the versions are compared, where no segment is known: the route, if there are few."""
    if segment_label([family]):
        return
    route = next((each for each in _ROUTES if 1 < len(family.labels.get(each, ())) <= MOST_SEGMENTS), None)
    yield f"strata: [{route}]  # found: within each route" if route else "strata: []"


def _successes_of(there: list[Family]) -> Family | None:
    told = [each for each in there if each.name.endswith("_total") and _success_of(each)]
    return min(told, key=lambda each: ("match" not in each.name, _rank(each.name)), default=None)


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
    return _ratio(name, f"found: {family.name} by {good.matchers[0].label}", "good", good, family, "higher")


def _fallback(family: Family, requests: Family) -> Proposed:
    return _ratio("fallback", f"found: {family.name}", "bad", Selector(family.name), requests, "lower")


def _rated(there: list[Family]) -> list[Family]:
    return [each for each in there if re.search(r"(rating|stars|score)_count$", each.name)]


def _mean(family: Family) -> Proposed:
    base = family.name.removesuffix("_count")
    lines = (
        "kind: mean",
        f"sum: {quoted(Selector(base + '_sum'))}",
        f"count: {quoted(Selector(family.name))}",
        "better: higher  # guessed",
        *_strata(family),
    )
    return Proposed("satisfaction" if re.search(r"(rating|stars)$", base) else "score", f"found: {family.name}", lines)


def _revenue(family: Family, matches: Family, there: list[Family]) -> Proposed:
    squares = family.name.removesuffix("_total") + "_squared_total"
    known = any(each.name == squares for each in there)
    lines = (
        "kind: mean",
        f"sum: {quoted(Selector(family.name))}",
        f"count: {quoted(Selector(matches.name))}  # guessed: what the value is of",
        *([f"sum_of_squares: {quoted(Selector(squares))}"] if known else []),
        "better: higher",
        *_strata(family),
    )
    return Proposed("revenue", f"found: {family.name}", lines)


# ---------------------------------------------------------------- segments and the plan


def segment_label(there: list[Family]) -> str | None:
    requests = requests_of(there) or next(iter(there), None)
    if requests is None:
        return None
    return next((label for label in _SEGMENTS if 1 < len(_values(requests, label)) <= MOST_SEGMENTS), None)


def _values(family: Family, label: str) -> list[str]:
    return sorted(value for value in family.labels.get(label, ()) if value not in _NOT_A_VALUE)


def _segments(there: list[Family]) -> Lines:
    requests, label = requests_of(there), segment_label(there)
    if requests is None or label is None:
        return
    yield f"segments:  # found: the values of {label}; guessed: that each follows the global share"
    yield f"  label: {label}"
    for value in _values(requests, label):
        known = _NAME.fullmatch(value) and value not in ("label", "named", TOTAL_SEGMENT)
        yield f"  {_key(value)}: {{}}" if known else f"  # {value!r} is no name that a segment can have"
    partner = next((each for each in _PARTNERS if len(_values(requests, each)) > 1), None)
    if partner:
        yield f"  # found: {partner} has {len(_values(requests, partner))} values. For promises to partners, give their"
        yield f"  # segment `partner_label: {partner}` and `quotas: {{default: 10000/h}}`"
    yield ""


def _plan(prometheus: Prometheus, there: list[Family], versions: Found | None) -> Lines:
    gates = ['errors: "<1%"'] if requests_of(there) or not _proposed(there) else []
    latency = latency_of(there)
    bound = _bound(prometheus, latency, versions) if latency and versions else None
    if bound:
        gates.append(f'latency.p95: "<{bound}"')
    yield "# guessed: the steps, how long each is held, and the gates"
    if bound:
        yield "# (the bound of latency.p95 is 1.5 times what the old version takes now)"
    yield "phases:"
    for share in (10, 25, 50, 75, 100):
        yield f"  - {{share: {share}%, hold: 24h, gates: {{{', '.join(gates)}}}}}"
    yield ""
    if gates and gates[0].startswith("errors"):
        yield "# guessed"
        yield "rollback:"
        yield '  - {when: "errors > 5%", for: 2m, action: immediate}'
        yield "slas:"
        yield "  availability: {objective: 99.9%, window: 30d}"
        yield '  error_rate: {objective: "< 1%", window: 24h}'


def _bound(prometheus: Prometheus, latency: Family, versions: Found) -> str | None:
    """One and a half times the old version's p95 of the last five minutes, in whole milliseconds of two digits."""
    matchers: tuple[Matcher, ...] = ()
    if versions.select:
        matchers = parse_matchers(versions.select[versions.baseline])
    elif versions.label:
        matchers = (Matcher(versions.label, "=", versions.baseline),)
    buckets = Selector(latency.name.removesuffix("_count") + "_bucket").where(*matchers)
    found = prometheus.scalar(f"histogram_quantile(0.95, sum by (le) (rate({buckets}[5m])))")
    if found is NO_DATA or not isinstance(found, float) or not math.isfinite(found) or found <= 0:
        return None
    milliseconds = 1500 * unit_of(_unit(latency)).to_base(found)
    step = 10 ** (math.floor(math.log10(milliseconds)) - 1)
    return f"{math.ceil(milliseconds / step) * step:.12g}ms"


def _unit(latency: Family) -> str:
    """Of its name; seconds, as Prometheus' own conventions have it, where the name tells none."""
    return unit_in_name(latency.name.removesuffix("_count")) or Dimension.TIME
