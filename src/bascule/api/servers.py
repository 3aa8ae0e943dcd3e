"""The clients of the Prometheus and the Alertmanagers that a spec names, with the credentials that it gives them."""

from __future__ import annotations

from typing import Any

from bascule.prometheus import Alertmanager, Alertmanagers, Prometheus
from bascule.spec import Spec
from bascule.transport import Credentials


def prometheus_of(
    spec: Spec, timeout: float = 10.0, url: str | None = None, credentials: Credentials | None = None, **options: Any
) -> Prometheus:
    """`timeout` in seconds, of a request; `url`, `credentials`: of another server, by default entered in the same way;
    `options` as Prometheus takes them.
    """
    return Prometheus(
        spec.stack.url("prometheus") if url is None else url,
        timeout,
        credentials=credentials or spec.stack.credentials("prometheus"),
        replica_label=spec.prometheus.replica_label,
        **options,
    )


def alertmanager_of(spec: Spec, timeout: float = 5.0, **options: Any) -> Alertmanagers:
    """`timeout` in seconds, of a request; `options` as Alertmanager takes them."""
    credentials = spec.stack.credentials("alertmanager")
    urls = spec.stack.urls("alertmanager")
    return Alertmanagers([Alertmanager(url, timeout, credentials=credentials, **options) for url in urls])
