"""The alerts against the candidate that Prometheus' own rules hold: a verdict must not contradict them unsaid."""

from __future__ import annotations

from collections.abc import Mapping

from bascule.conventions import VERSION, Alert
from bascule.prometheus import Prometheus
from bascule.spec import Spec

AGAINST = (Alert.CANDIDATE_WORSE, Alert.V2_ERROR_SPIKE, Alert.ROLLBACK_TRIGGERED)


def firing_against(spec: Spec, prometheus: Prometheus, now: float) -> tuple[str, ...]:
    """`RollbackTriggered (errors > 5%)`. Raises what Prometheus raises."""
    names = "|".join(spec.alert_prefix + name for name in AGAINST)
    held = prometheus.instant(f'ALERTS{{alertname=~"{names}",alertstate="firing"}}', now)
    return tuple(sorted({_text(sample.labels) for sample in held if "alertname" in sample.labels}))


def _text(labels: Mapping[str, str]) -> str:
    about = labels.get("trigger") or labels.get("signal") or labels.get(VERSION, "")
    return f"{labels['alertname']} ({about})" if about else labels["alertname"]
