"""Clients of Prometheus and Alertmanager."""

from bascule.prometheus.alertmanager import Alertmanager, HeldSilence, PostedAlert
from bascule.prometheus.client import (
    NO_DATA,
    ActiveAlert,
    NoData,
    Prometheus,
    Sample,
    Series,
    Target,
)
from bascule.prometheus.matrix import Matrix, labels_of

__all__ = [
    "NO_DATA",
    "ActiveAlert",
    "Alertmanager",
    "HeldSilence",
    "Matrix",
    "NoData",
    "PostedAlert",
    "Prometheus",
    "Sample",
    "Series",
    "Target",
    "labels_of",
]
