"""How the service is used: by partner and its quota, and which requests it refused."""

from __future__ import annotations

from bascule import conventions as names
from bascule.conventions import Recorded
from bascule.promql.counts import Amount, rates, share_of
from bascule.promql.expressions import WINDOW, among, canonical_rate, not_among, relabelled
from bascule.promql.statuses import Statuses
from bascule.spec import Matcher, Selector, Spec
from bascule.spec.uses import partner_label

_NOBODY = f"|{names.NONE}|{names.UNKNOWN}"
_LAST_HOUR = f"sum_over_time({Recorded.REQUESTS_BY_PARTNER}[1h])"


def client_errors(spec: Spec) -> str | None:
    """The share of 4xx by version, where errors are told by a status.

    A fast 404 on a path that the old version serves is no server error and flatters the p95.
    """
    statuses = Statuses.of(spec)
    refused = statuses.of_class(4) if statuses else None
    return share_of(rates(spec), refused, statuses.requests, names.VERSION) if statuses and refused else None


def unsuccessful(spec: Spec) -> str | None:
    """The share of answers that are neither 2xx nor 3xx, by version and segment; None without a status."""
    statuses = Statuses.of(spec)
    if statuses is None:
        return None
    by = f"{names.VERSION}, {names.SEGMENT}"
    return share_of(rates(spec), statuses.outside("23"), statuses.requests, by)


def in_flight(spec: Spec) -> str | None:
    """How many requests are answered at once, by version: their time per second (Little's law); None without times."""
    signal = spec.latency.signal if spec.latency else None
    if signal is None or signal.measured_in.name != "seconds":
        return None
    buckets = signal.buckets
    total = buckets.named(f"{buckets.metric.removesuffix('_bucket')}_sum")
    return f"sum by ({names.VERSION}) ({rates(spec)(total)})"


def algorithm_share(spec: Spec) -> str:
    """Each algorithm's share of its version's matches."""
    matches = canonical_rate(spec, Selector(names.MATCHES_TOTAL.name), WINDOW)
    each = f"sum by ({names.VERSION}, {names.ALGORITHM}) ({matches})"
    return f"{each}\n/ on ({names.VERSION}) group_left ()\n(sum by ({names.VERSION}) ({matches}) > 0)"


def partner_rates(spec: Spec) -> Amount:
    """Rates of what partners asked, under the canonical label `partner`."""
    label = partner_label(spec) or names.PARTNER

    def rate(selector: Selector) -> str:
        inner = rates(spec)(selector.where(Matcher(label, "!~", _NOBODY)))
        return relabelled(inner, label, names.PARTNER)

    return rate


def consumers() -> str:
    """How many partners asked each version within the last hour."""
    return f"count by ({names.VERSION}) (sum by ({names.VERSION}, {names.PARTNER}) ({_LAST_HOUR}) > 0)"


def partner_requests(interval: float) -> str:
    """Each partner's requests of the last hour, from rates recorded every `interval` seconds."""
    return f"sum by ({names.PARTNER}) ({_LAST_HOUR}) * {interval:g}"


def quota_used(quotas: dict[str, float]) -> str:
    """Each partner's share of its hourly quota, by partner's name or `default`.

    One term for each size of quota: one for each partner would cost the square of their number.
    """
    own = {name: quota for name, quota in quotas.items() if name != "default"}
    of_size: dict[float, list[str]] = {}
    for name, quota in own.items():
        of_size.setdefault(quota, []).append(name)
    each = [f"{Recorded.PARTNER_REQUESTS}{{{among(names.PARTNER, who)}}} / {quota:g}" for quota, who in of_size.items()]
    if "default" in quotas:
        rest = "{" + not_among(names.PARTNER, list(own)) + "}" if own else ""
        each.append(f"{Recorded.PARTNER_REQUESTS}{rest} / {quotas['default']:g}")
    return "\nor\n".join(each)
