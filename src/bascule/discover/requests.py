"""Which family counts the users' requests, and which histogram holds their times."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from bascule.discover.inventory import Family
from bascule.prometheus import Prometheus
from bascule.spec import Matcher, Selector
from bascule.spec.presets import NO_USERS, Preset
from bascule.spec.selector import parse_matchers
from bascule.units import Dimension, unit_in_name

_STATUS = (
    "status",
    "status_code",
    "code",
    "http_status",
    "http_status_code",
    "http_response_status_code",
    "response_code",
    "grpc_code",
    "grpc_status",
    "rpc_grpc_status_code",
)
_STATUS_NAME = re.compile(r".*(status|code|class).*", re.IGNORECASE)
ROUTES = (
    "http_route",
    "route",
    "endpoint",
    "handler",
    "path",
    "view",
    "http_target",
    "uri",
    "url",
    "url_path",
    "path_template",
    "operation",
    "resource",
    "action",
)
# Counters and histograms of something else than requests of users.
_OTHERS = re.compile(
    r".*(size|bytes|body|admin|exception|in_progress|in_flight|active|refused|limit|created|summary"
    r"|(^|_)(client|db|sql|gc|cache|queue|eventloop|connections?)(_|$)).*"
)
_TIMES = re.compile(
    r".*(duration|latency|response_time|request_time|rq_time|_seconds|_milliseconds|_microseconds|_nanoseconds).*"
)
_OF_REQUESTS = re.compile(r".*(http|request|response|rq|rpc|api|handler|match|call|latency).*")
_FAILURES = re.compile(r"(.*_)?(failed|failures?|errors?)((?:_requests)?_total)")
_NO_USERS = re.compile(NO_USERS)
COVERS = 0.9  # of the events of the busiest candidate: one that counts fewer counts only some requests
_CLASSES = ((r"\d\d\d", "5.."), (r"\dxx", "5xx"), (r"\dXX", "5XX"), (r"[1-5]", "5"))
# Of gRPC, by word and by number: what the server, not the caller, is to blame for.
_GRPC = (
    (r"OK|[A-Z][a-z]+[A-Za-z]*", "Unknown|DeadlineExceeded|Unimplemented|Internal|Unavailable|DataLoss"),
    (r"\d\d?", "2|4|12|13|14|15"),
)
MILLISECONDS_FROM = 1000.0  # no request takes so many seconds


@dataclass(frozen=True)
class FoundRequests:
    """Requests that `family` counts, `without` those that no user made."""

    family: Family
    without: tuple[Matcher, ...]

    def of(self, metric: str, *wanted: Matcher) -> Selector:
        return Selector(metric).where(*wanted, *self.without)


@dataclass(frozen=True)
class CountedRequests(FoundRequests):
    """`bad` picks the failed requests among `family`'s; `total`, where another family counts all of them."""

    bad: Matcher
    total: str

    @property
    def all_requests(self) -> Selector:
        return self.of(self.total)

    @property
    def failed(self) -> Selector:
        return self.of(self.family.name, self.bad)


@dataclass(frozen=True)
class TimeHistogram(FoundRequests):
    """`family`: of its `_count`. `doubt`: why its buckets are not enough; empty where they are."""

    unit: str
    doubt: str = ""

    @property
    def metric(self) -> Selector:
        return self.of(self.family.name.removesuffix("_count"))


# ---------------------------------------------------------------- requests


def requests_of(there: Sequence[Family], preset: Preset | None = None) -> CountedRequests | None:
    """The counter of the users' requests by their status; the preset's own where there is one."""
    by_name = {each.name: each for each in there}
    if preset is not None and preset.requests in by_name:
        return _counter(by_name[preset.requests], preset.status, preset)
    candidates = [each for each in there if _status_of(each) and not _OTHERS.fullmatch(each.name)]
    candidates = [each for each in candidates if each.name.endswith(("_total", "_count"))]
    busiest = max((each.total for each in candidates), default=0.0)
    covering = [each for each in candidates if each.total >= COVERS * busiest]
    best = min(covering, key=_rank, default=None)
    return _counter(best, _status_of(best) or "status", None) if best else None


def failures_of(there: Sequence[Family]) -> tuple[Family, Family] | None:
    """A counter of failures alone, with the one of all: `requests_failed_total` with `requests_total`."""
    by_name = {each.name: each for each in there}
    for name in sorted(by_name, key=lambda each: (len(each), each)):
        failures = _FAILURES.fullmatch(name)
        if failures and not _OTHERS.fullmatch(name):
            before, after = failures[1] or "", failures[3]
            for whole in (f"{before}{after}".replace("__", "_"), f"{before}requests{after}", f"{before}requests_total"):
                if whole != name and whole in by_name:
                    return by_name[name], by_name[whole]
    return None


def _counter(family: Family, status: str, preset: Preset | None) -> CountedRequests:
    total = preset.total if preset is not None and preset.total else family.name
    without = _without(family, preset) if total == family.name else ()
    return CountedRequests(family, without, _bad(family, status, preset), total)


def _bad(family: Family, status: str, preset: Preset | None) -> Matcher:
    """Every form in which this family writes a status: 500, 5xx or 5."""
    values = family.labels.get(status, frozenset())
    forms = _GRPC if "grpc" in status else _CLASSES
    seen = [bad for form, bad in forms if any(re.fullmatch(form, value) for value in values)]
    pattern = "|".join(seen) or (preset.bad if preset is not None else "5..")
    return Matcher(status, "=~" if re.search(r"[.|]", pattern) else "=", pattern)


def _status_of(family: Family) -> str | None:
    """A label of a usual name that has a status among its values, else one of a like name that has nothing else."""
    usual = (each for each in _STATUS if any(_is_status(each, value) for value in family.labels.get(each, ())))
    alike = (
        label
        for label, values in sorted(family.labels.items())
        if _STATUS_NAME.fullmatch(label) and values and all(_is_status(label, value) for value in values)
    )
    return next(itertools.chain(usual, alike), None)


def _is_status(label: str, value: str) -> bool:
    forms = [form for form, _ in _GRPC] if "grpc" in label else [r"[1-5](\d\d|xx|XX)"]
    return any(re.fullmatch(form, value) for form in forms)


def _rank(family: Family) -> tuple[bool, bool, bool, int, str]:
    """HTTP requests before others, counters before parts of a histogram, short names before long ones."""
    name = family.name
    return "http" not in name, "request" not in name, not name.endswith("_total"), len(name), name


def _route(family: Family, preset: Preset | None) -> str:
    wanted = (preset.route,) if preset is not None and preset.route else ROUTES
    return next((each for each in wanted if len(family.labels.get(each, ())) > 1), "")


def _without(family: Family, preset: Preset | None) -> tuple[Matcher, ...]:
    """Leaves out health checks and scrapes, which no user asks for, where any were seen; and what the preset does."""
    route = _route(family, preset)
    seen = sorted(value for value in family.labels.get(route, ()) if value and _NO_USERS.fullmatch(value))
    users = (Matcher(route, "!~", "|".join(map(re.escape, seen))),) if seen else ()
    return (*parse_matchers(preset.only), *users) if preset is not None and preset.only else users


# ---------------------------------------------------------------- times


def times_of(
    prometheus: Prometheus, there: Sequence[Family], histograms: Collection[str], preset: Preset | None = None
) -> TimeHistogram | None:
    """The histogram of the times to answer. `histograms`: the names, without suffix, that have buckets."""
    by_base = {each.name.removesuffix("_count"): each for each in there if each.name.endswith("_count")}
    bases = {base: family for base, family in by_base.items() if _has_buckets(base, histograms)}
    if preset is not None and preset.latency in bases:
        return TimeHistogram(bases[preset.latency], _without(bases[preset.latency], preset), preset.unit)
    fitting = [family for base, family in bases.items() if is_of_times(base)]
    found = [_looked_at(prometheus, family) for family in sorted(fitting, key=_rank)]
    return min(found, key=lambda each: bool(each.doubt), default=None)


def is_of_times(base: str) -> bool:
    """Whether a histogram, by its name, is of the times that requests take."""
    return bool(_TIMES.fullmatch(base) and _OF_REQUESTS.fullmatch(base) and not _OTHERS.fullmatch(base))


def without_buckets(there: Sequence[Family], histograms: Collection[str]) -> str:
    """Times to answer with a sum and a count, and no buckets: a summary, or a timer; empty where there are none."""
    bases = (each.name.removesuffix("_count") for each in there if each.name.endswith("_count"))
    return next((base for base in sorted(bases) if is_of_times(base) and not _has_buckets(base, histograms)), "")


def _has_buckets(base: str, histograms: Collection[str]) -> bool:
    """`base` is a pattern where the version is in the name."""
    return base in histograms or ("(" in base and any(re.fullmatch(base, name) for name in histograms))


def _looked_at(prometheus: Prometheus, family: Family) -> TimeHistogram:
    base = family.name.removesuffix("_count")
    buckets = Selector(f"{base}_bucket")
    bounds = sorted(_numbers(prometheus.label_values("le", str(buckets))))
    unit = unit_in_name(base) or (
        "milliseconds" if bounds and bounds[-1] >= MILLISECONDS_FROM else str(Dimension.TIME.value)
    )
    return TimeHistogram(family, _without(family, None), unit, _doubt(prometheus, buckets, bounds))


def _numbers(texts: Sequence[str]) -> Iterator[float]:
    for text in texts:
        try:
            bound = float(text)
        except ValueError:
            continue
        if math.isfinite(bound):
            yield bound


def _doubt(prometheus: Prometheus, buckets: Selector, bounds: Sequence[float]) -> str:
    """Whether its buckets are around what it measured in the last hour."""
    if not bounds:
        return "it has no buckets"
    middle, high = (
        prometheus.scalar(f"histogram_quantile({q}, sum by (le) (increase({buckets}[1h])))") for q in (0.5, 0.95)
    )
    if isinstance(middle, float) and middle < bounds[0]:
        return f"half of the requests are below its first bucket, {bounds[0]:g}: differences there cannot be seen"
    if isinstance(high, float) and high >= bounds[-1]:
        return f"one request in twenty is above its last bucket, {bounds[-1]:g}: differences there cannot be seen"
    return ""
