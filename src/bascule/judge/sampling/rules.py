"""The alerts against the candidate that Prometheus' own rules hold: a verdict must not contradict them unsaid."""

from __future__ import annotations

from collections.abc import Mapping

from bascule.conventions import VERSION, Alert
from bascule.prometheus import Prometheus
from bascule.spec import Spec

STARTED = 'max(process_start_time_seconds{job="prometheus"})'
AGAINST = (Alert.CANDIDATE_WORSE, Alert.V2_ERROR_SPIKE, Alert.ROLLBACK_TRIGGERED)


def firing_against(spec: Spec, prometheus: Prometheus, now: float) -> tuple[str, ...]:
    """`RollbackTriggered (errors > 5%)`. Raises what Prometheus raises.

    What Prometheus held before it was started again is visible for five minutes, and is no word of now.
    """
    names = "|".join(spec.alert_prefix + name for name in AGAINST)
    firing = f'ALERTS{{alertname=~"{names}",alertstate="firing"}}'
    held = prometheus.instant(f"{firing} unless (timestamp({firing}) < on () group_left () {STARTED})", now)
    return tuple(sorted({_text(sample.labels) for sample in held if "alertname" in sample.labels}))


def _text(labels: Mapping[str, str]) -> str:
    about = labels.get("trigger") or labels.get("signal") or labels.get(VERSION, "")
    return f"{labels['alertname']} ({about})" if about else labels["alertname"]
