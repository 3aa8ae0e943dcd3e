"""Which escalation an alert belongs to, and which alerts are no incidents."""

from __future__ import annotations

from collections.abc import Mapping

from bascule.alerts import entries_of
from bascule.conventions import PARTNER, Alert, AlertKind
from bascule.spec import Role
from bascule.spec.roles import BUSINESS

SWITCH = Alert.DEAD_MANS_SWITCH  # it always fires: the journal notes when it last came
_STAND_IN = Alert.ALERTS_UNHEARD  # Alertmanager tells it because the journal cannot; the journal has what it is about
_ROLES = {role.value: role for role in Role}


def is_no_incident(labels: Mapping[str, str]) -> bool:
    return labels.get("alertname", "").endswith((SWITCH, _STAND_IN))


def kind_of(labels: Mapping[str, str], roles: Mapping[str, Role] = _ROLES, prefix: str = "") -> str:
    """The alert's own `kind` label, else customer for one partner, business for business signals, else the catalogue's.

    `roles`: what each signal represents. `prefix` is what the spec puts before the names of its alerts. An alert that
    is not in the catalogue (of somebody else's rule) is technical.
    """
    if labels.get("kind"):
        return labels["kind"]
    if labels.get(PARTNER):
        return AlertKind.CUSTOMER
    signal = labels.get("signal", "")
    if roles.get(signal, _ROLES.get(signal)) in BUSINESS:
        return AlertKind.BUSINESS
    name = labels.get("alertname", "").removeprefix(prefix)
    return next((entry.kind for entry in entries_of(name)), AlertKind.TECHNICAL)
