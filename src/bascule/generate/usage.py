"""How the service is used: by endpoint and partner, quotas, formats, refusals, the cache; levels of gauge signals.

These can have many series (a thousand partners, two hundred endpoints), so their group is evaluated less often.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bascule import conventions as names
from bascule.conventions import Metric, Recorded
from bascule.generate.rules import Recording
from bascule.promql.expressions import among, canonical_level, canonical_rate, not_among, requests
from bascule.spec import Matcher, Selector, Spec
from bascule.spec.signals import GaugeSignal, HistogramSignal, RatioSignal

INTERVAL_SECONDS = 15.0
RETENTION_WINDOW = "30d"  # of the source document's customer retention
_NOBODY = Matcher(names.PARTNER, "!~", f"|{names.NONE}|{names.UNKNOWN}")


def usage_interval(spec: Spec) -> float:
    return max(INTERVAL_SECONDS, spec.stack.scrape.evaluation)


def usage_rules(spec: Spec) -> Iterator[Recording]:
    yield from _by_endpoint(spec)
    yield from _client_errors(spec)
    if partner_label(spec):
        yield from _by_partner(spec)
    yield from _gauges(spec)
    if uses_instrument(spec):
        yield from _instrument(spec)
    if spec.logs.sources:
        kept = names.LOG_RETENTION.name
        yield Recording(Recorded.RETENTION, f'max by ({names.VERSION}) ({kept}{{window="{RETENTION_WINDOW}"}})')


def partner_label(spec: Spec) -> str | None:
    return next((s.partner_label for s in spec.segments.named.values() if s.partner_label), None)


def uses_instrument(spec: Spec) -> bool:
    """Whether the services export Bascule's own metrics, and not only mapped ones."""
    return any("supersmartmatch_" in str(signal.model_dump()) for signal in spec.signals.values())


def _by_endpoint(spec: Spec) -> Iterator[Recording]:
    by = f"{names.VERSION}, {names.ENDPOINT}"
    yield Recording(Recorded.REQUESTS_BY_ENDPOINT, f"sum by ({by}) ({canonical_rate(spec, requests(spec))})")
    errors, latency = spec.signals.get("errors"), spec.signals.get("latency")
    if isinstance(errors, RatioSignal):
        yield Recording(Recorded.ERRORS_BY_ENDPOINT, _ratio(spec, errors.events, errors.total, by))
    if isinstance(latency, HistogramSignal):
        buckets = canonical_rate(spec, latency.series("bucket"))
        yield Recording(Recorded.LATENCY_BY_ENDPOINT, f"histogram_quantile(0.95, sum by ({by}, le) ({buckets})) >= 0")


def _ratio(spec: Spec, part: Selector, whole: Selector, by: str) -> str:
    """Part of whole, of the same metric: zero while the part has no series yet, absent without events."""
    some, everything = (f"sum by ({by}) ({canonical_rate(spec, selector)})" for selector in (part, whole))
    return f"({some} or 0 * {everything})\n/\n({everything} > 0)"


def _client_errors(spec: Spec) -> Iterator[Recording]:
    """4xx beside 5xx: a fast 404 on a path that the old version serves is no server error and flatters the p95."""
    errors = spec.signals.get("errors")
    if not isinstance(errors, RatioSignal):
        return
    status = next((m for m in errors.events.matchers if m.value.startswith("5")), None)
    if status is not None:
        others = tuple(replace(m, value=f"4{m.value[1:]}") if m == status else m for m in errors.events.matchers)
        refused = replace(errors.events, matchers=others)
        yield Recording(Recorded.CLIENT_ERRORS, _ratio(spec, refused, errors.total, names.VERSION))


# ---------------------------------------------------------------- partners


def _partners(spec: Spec, selector: Selector) -> Selector:
    return selector.where(replace(_NOBODY, label=partner_label(spec) or names.PARTNER))


def _partner_rate(spec: Spec, selector: Selector) -> str:
    label, inner = partner_label(spec), canonical_rate(spec, _partners(spec, selector))
    return inner if label == names.PARTNER else f'label_replace({inner}, "{names.PARTNER}", "$1", "{label}", "(.+)")'


def _by_partner(spec: Spec) -> Iterator[Recording]:
    by = f"{names.VERSION}, {names.PARTNER}"
    everything = f"sum by ({by}) ({_partner_rate(spec, requests(spec))})"
    yield Recording(Recorded.REQUESTS_BY_PARTNER, everything)
    errors = spec.signals.get("errors")
    if isinstance(errors, RatioSignal):
        bad = f"sum by ({by}) ({_partner_rate(spec, errors.events)})"
        total = f"sum by ({by}) ({_partner_rate(spec, errors.total)})"
        yield Recording(Recorded.ERRORS_BY_PARTNER, f"({bad} or 0 * {total})\n/\n({total} > 0)")
    seen = f"sum by ({by}) (sum_over_time({Recorded.REQUESTS_BY_PARTNER}[1h])) > 0"
    yield Recording(Recorded.CONSUMERS, f"count by ({names.VERSION}) ({seen})")
    counted = f"sum_over_time({Recorded.REQUESTS_BY_PARTNER}[1h])"
    yield Recording(
        Recorded.PARTNER_REQUESTS, f"sum by ({names.PARTNER}) ({counted}) * {usage_interval(spec):g}"
    )  # fmt: skip
    if quotas(spec):
        yield Recording(Recorded.PARTNER_QUOTA, _quota_used(quotas(spec)))


def quotas(spec: Spec) -> dict[str, float]:
    """Requests an hour that each partner may make; `default` is everybody else's."""
    found = {name: rate * 3600 for s in spec.segments.named.values() for name, rate in s.quotas.items()}
    return dict(sorted(found.items()))


def _quota_used(quotas: dict[str, float]) -> str:
    """One term for each size of quota: one for each partner would cost the square of their number."""
    own = {name: quota for name, quota in quotas.items() if name != "default"}
    of_size: dict[float, list[str]] = {}
    for name, quota in own.items():
        of_size.setdefault(quota, []).append(name)
    each = [f"{Recorded.PARTNER_REQUESTS}{{{among(names.PARTNER, who)}}} / {quota:g}" for quota, who in of_size.items()]
    if "default" in quotas:
        rest = "{" + not_among(names.PARTNER, list(own)) + "}" if own else ""
        each.append(f"{Recorded.PARTNER_REQUESTS}{rest} / {quotas['default']:g}")
    return "\nor\n".join(each)


# ---------------------------------------------------------------- the rest


def _gauges(spec: Spec) -> Iterator[Recording]:
    for name, signal in spec.signals.items():
        if isinstance(signal, GaugeSignal):
            level = canonical_level(spec, signal.metric)
            yield Recording(Recorded.SIGNAL_LEVEL, f"avg by ({names.VERSION}) ({level})", {"signal": name})


def _instrument(spec: Spec) -> Iterator[Recording]:
    """What `bascule.instrument` counts beyond the signals."""
    checks, limits = _named(names.FORMAT_CHECKS), _named(names.RATE_LIMIT_REQUESTS)
    cache = _named(names.CACHE_REQUESTS)
    yield Recording(
        Recorded.FORMAT_COMPATIBLE, _ratio(spec, checks.where(compatible="True"), checks, "version, partner")
    )  # fmt: skip
    yield Recording(Recorded.REFUSED, _ratio(spec, limits.where(decision="refused"), limits, "version, user_segment"))
    yield Recording(Recorded.CACHE_HITS, _ratio(spec, cache.where(result="hit"), cache, "version"))
    score = names.MATCH_ACCURACY.name
    sums, counts = (
        f"sum by (version, user_segment) ({canonical_rate(spec, Selector(series))})"
        for series in (f"{score}_sum", f"{score}_count")
    )
    yield Recording(Recorded.SCORE, f"{sums}\n/\n({counts} > 0)")
    yield Recording(Recorded.ACTIVE_USERS, f"sum by (version) ({canonical_level(spec, _named(names.ACTIVE_USERS))})")


def _named(metric: Metric) -> Selector:
    return Selector(metric.name)
