"""What a spec makes use of: partners and their quotas, Bascule's own instrumentation."""

from __future__ import annotations

from bascule.conventions import OWN_METRICS
from bascule.spec.model import Spec

_SUFFIXES = ("_bucket", "_sum", "_count")


def partner_label(spec: Spec) -> str | None:
    """The label that names partners; None where no segment is told apart by partner."""
    return next((s.partner_label for s in spec.segments.named.values() if s.partner_label), None)


def quotas(spec: Spec) -> dict[str, float]:
    """Requests an hour that each partner may make; `default` is everybody else's."""
    found = {name: rate * 3600 for s in spec.segments.named.values() for name, rate in s.quotas.items()}
    return dict(sorted(found.items()))


def uses_instrument(spec: Spec) -> bool:
    """Whether the services export what only `bascule.instrument` does, and not mapped metrics alone."""
    return any(_family(name) in OWN_METRICS for name in _metrics(spec))


def _metrics(spec: Spec) -> list[str]:
    return [name for signal in spec.signals.values() for each in signal.selectors.values() for name in each.names]


def _family(metric: str) -> str:
    """A histogram's name without the suffix of the series."""
    return next((metric.removesuffix(end) for end in _SUFFIXES if metric.endswith(end)), metric)
