"""How the service is used: by endpoint and partner, quotas, formats, refusals, the cache; levels of gauge signals.

These can have many series (a thousand partners, two hundred endpoints), so their groups are evaluated less often; what
panels alone show, once a minute.
"""

from __future__ import annotations

from collections.abc import Iterator

from bascule import conventions as names
from bascule import promql
from bascule.conventions import Metric, Recorded
from bascule.generate.prometheus.rules import Recording
from bascule.spec import Selector, Spec
from bascule.spec.uses import partner_label, quotas, uses_instrument

INTERVAL_SECONDS = 15.0
MINUTE_SECONDS = 60.0
RETENTION_WINDOW = "30d"  # of the source document's customer retention
_BY_ENDPOINT = f"{names.VERSION}, {names.ENDPOINT}"
_BY_PARTNER = f"{names.VERSION}, {names.PARTNER}"


def usage_interval(spec: Spec) -> float:
    return max(INTERVAL_SECONDS, spec.stack.scrape.evaluation)


def minute_interval(spec: Spec) -> float:
    return max(MINUTE_SECONDS, spec.stack.scrape.evaluation)


def usage_rules(spec: Spec) -> Iterator[Recording]:
    if partner_label(spec):
        yield from _by_partner(spec)
    yield from _levels(spec)
    if uses_instrument(spec):
        yield from _instrument(spec)
    if spec.logs.sources:
        kept = names.LOG_RETENTION.name
        yield Recording(Recorded.RETENTION, f'max by ({names.VERSION}) ({kept}{{window="{RETENTION_WINDOW}"}})')


def breakdown_rules(spec: Spec) -> Iterator[Recording]:
    """What panels alone show, but for the share of each algorithm, whose alert looks back over an hour."""
    yield Recording(Recorded.SERVICE_AVAILABILITY, promql.availability_by_service())
    yield from _by_endpoint(spec)
    if in_flight := promql.in_flight(spec):
        yield Recording(Recorded.IN_FLIGHT, in_flight)
    if uses_instrument(spec):
        yield Recording(Recorded.ALGORITHM_SHARE, promql.algorithm_share(spec))


def target_rules(spec: Spec) -> Iterator[Recording]:
    """Events of every target that few events can miss, over the windows that longer alerts look at."""
    counts = promql.target_counts(promql.windowed_targets(spec), minute_interval(spec))
    yield from (Recording(*rule) for rule in counts)


def _by_endpoint(spec: Spec) -> Iterator[Recording]:
    rate = promql.rates(spec)
    yield Recording(Recorded.REQUESTS_BY_ENDPOINT, f"sum by ({_BY_ENDPOINT}) ({rate(promql.traffic(spec))})")
    if spec.errors:
        yield Recording(Recorded.ERRORS_BY_ENDPOINT, promql.bad_share(rate, spec.errors.signal, _BY_ENDPOINT))
    if spec.latency:
        yield Recording(Recorded.LATENCY_BY_ENDPOINT, promql.seconds(rate, spec.latency.signal, 0.95, _BY_ENDPOINT))


def _by_partner(spec: Spec) -> Iterator[Recording]:
    rate = promql.partner_rates(spec)
    yield Recording(Recorded.REQUESTS_BY_PARTNER, f"sum by ({_BY_PARTNER}) ({rate(promql.traffic(spec))})")
    if spec.errors:
        yield Recording(Recorded.ERRORS_BY_PARTNER, promql.bad_share(rate, spec.errors.signal, _BY_PARTNER))
    yield Recording(Recorded.CONSUMERS, promql.consumers())
    yield Recording(Recorded.PARTNER_REQUESTS, promql.partner_requests(usage_interval(spec)))
    if quotas(spec):
        yield Recording(Recorded.PARTNER_QUOTA, promql.quota_used(quotas(spec)))


def _levels(spec: Spec) -> Iterator[Recording]:
    for name, signal in spec.signals.items():
        if signal.level is not None:
            level = promql.canonical_level(spec, signal.level)
            yield Recording(Recorded.SIGNAL_LEVEL, f"avg by ({names.VERSION}) ({level})", {"signal": name})


def _instrument(spec: Spec) -> Iterator[Recording]:
    """What `bascule.instrument` counts beyond the signals."""
    rate, score = promql.rates(spec), names.MATCH_ACCURACY.name
    checks, limits, cache = map(_named, (names.FORMAT_CHECKS, names.RATE_LIMIT_REQUESTS, names.CACHE_REQUESTS))
    yield Recording(
        Recorded.FORMAT_COMPATIBLE, promql.share_of(rate, checks.where(compatible="True"), checks, _BY_PARTNER)
    )
    refused = promql.share_of(rate, limits.where(decision="refused"), limits, f"{names.VERSION}, {names.SEGMENT}")
    yield Recording(Recorded.REFUSED, refused)
    yield Recording(Recorded.CACHE_HITS, promql.share_of(rate, cache.where(result="hit"), cache, names.VERSION))
    by = f"{names.VERSION}, {names.SEGMENT}"
    yield Recording(Recorded.SCORE, promql.mean_of(rate, Selector(f"{score}_sum"), Selector(f"{score}_count"), by))
    users = promql.canonical_level(spec, _named(names.ACTIVE_USERS))
    yield Recording(Recorded.ACTIVE_USERS, f"sum by ({names.VERSION}) ({users})")


def _named(metric: Metric) -> Selector:
    return Selector(metric.name)
