"""The clients of the Prometheus and the Alertmanagers that a spec names, with the credentials that it gives them."""

from __future__ import annotations

from typing import Any

from bascule.prometheus import Alertmanager, Alertmanagers, Prometheus
from bascule.spec import Spec


def prometheus_of(spec: Spec, timeout: float = 10.0, **options: Any) -> Prometheus:
    """`timeout` in seconds, of a request; `options` as Prometheus takes them."""
    credentials = spec.stack.credentials("prometheus")
    label = spec.prometheus.replica_label
    return Prometheus(spec.stack.url("prometheus"), timeout, credentials=credentials, replica_label=label, **options)


def alertmanager_of(spec: Spec, timeout: float = 5.0, **options: Any) -> Alertmanagers:
    """`timeout` in seconds, of a request; `options` as Alertmanager takes them."""
    credentials = spec.stack.credentials("alertmanager")
    urls = spec.stack.urls("alertmanager")
    return Alertmanagers([Alertmanager(url, timeout, credentials=credentials, **options) for url in urls])
