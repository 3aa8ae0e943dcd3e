"""Which escalation an alert belongs to, and what each severity asks for."""

from __future__ import annotations

from collections.abc import Mapping

from bascule.conventions import PARTNER, Alert
from bascule.incidents.model import Kind

_BUSINESS_SIGNALS = {"accuracy", "satisfaction", "revenue", "retention"}
SEVERITIES = ("critical", "warning", "info")
REMINDER_SECONDS = {"critical": 15 * 60.0, "warning": 30 * 60.0}  # hourly for everything else
OTHER_REMINDER_SECONDS = 3600.0


def kind_of(labels: Mapping[str, str]) -> str:
    """The alert's own `kind` label, else customer for one partner, business for business signals, else technical."""
    if labels.get("kind"):
        return labels["kind"]
    if labels.get(PARTNER):
        return Kind.CUSTOMER
    if labels.get("signal") in _BUSINESS_SIGNALS or labels.get("alertname", "").endswith(Alert.ACCURACY_DEGRADED):
        return Kind.BUSINESS
    return Kind.TECHNICAL


def reminder_seconds(severity: str) -> float:
    return REMINDER_SECONDS.get(severity, OTHER_REMINDER_SECONDS)
