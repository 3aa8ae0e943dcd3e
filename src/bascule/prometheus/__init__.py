"""Clients of Prometheus and Alertmanager."""

from bascule.prometheus.alertmanager import Alertmanager, PostedAlert
from bascule.prometheus.client import (
    NO_DATA,
    ActiveAlert,
    NoData,
    Prometheus,
    Sample,
    Series,
    Target,
)

__all__ = [
    "NO_DATA",
    "ActiveAlert",
    "Alertmanager",
    "NoData",
    "PostedAlert",
    "Prometheus",
    "Sample",
    "Series",
    "Target",
]
