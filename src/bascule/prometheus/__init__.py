"""Clients of Prometheus and Alertmanager."""

from bascule.prometheus.alertmanager import Alertmanager, Alertmanagers, HeldSilence, PostedAlert
from bascule.prometheus.client import (
    MAX_POINTS,
    NO_DATA,
    ActiveAlert,
    NoData,
    Prometheus,
    Sample,
    Series,
    Target,
    target_of,
)
from bascule.prometheus.grid import RangeGrid
from bascule.prometheus.matrix import Matrix, labels_of, nameless
from bascule.prometheus.replicas import merged_expression
from bascule.prometheus.rows import NOBODY, SeriesRows

__all__ = [
    "MAX_POINTS",
    "NOBODY",
    "NO_DATA",
    "ActiveAlert",
    "Alertmanager",
    "Alertmanagers",
    "HeldSilence",
    "Matrix",
    "NoData",
    "PostedAlert",
    "Prometheus",
    "RangeGrid",
    "Sample",
    "Series",
    "SeriesRows",
    "Target",
    "labels_of",
    "merged_expression",
    "nameless",
    "target_of",
]
