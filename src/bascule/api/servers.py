"""The clients of the Prometheus and the Alertmanager that a spec names, with the credentials that it gives them."""

from __future__ import annotations

from typing import Any

from bascule.prometheus import Alertmanager, Prometheus
from bascule.spec import Spec


def prometheus_of(spec: Spec, timeout: float = 10.0, url: str | None = None, **options: Any) -> Prometheus:
    """`timeout` in seconds, of a request; `url`: of another server, entered in the same way; `options` as Prometheus
    takes them.
    """
    by_spec = {"credentials": spec.stack.credentials("prometheus"), "replica_label": spec.prometheus.replica_label}
    return Prometheus(url or spec.stack.url("prometheus"), timeout, **by_spec | options)


def alertmanager_of(spec: Spec, timeout: float = 5.0, **options: Any) -> Alertmanager:
    """`timeout` in seconds, of a request; `options` as Alertmanager takes them."""
    credentials = spec.stack.credentials("alertmanager")
    return Alertmanager(spec.stack.url("alertmanager"), timeout, credentials=credentials, **options)
