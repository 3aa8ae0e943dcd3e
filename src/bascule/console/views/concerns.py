"""What an alert is about: the candidate and its plan before everything else, the monitoring's own parts last."""

from __future__ import annotations

from enum import IntEnum

from bascule.api.models.journal import MIGRATION, MONITORING, IncidentAnswer
from bascule.conventions import VERSION
from bascule.spec import Spec

OF_THE_MIGRATION = ("signal", "gate", "trigger")  # labels that only alerts of the migration have


class Concern(IntEnum):
    """In the order in which people look."""

    MIGRATION = 0
    SERVICE = 1
    MONITORING = 2


def concern_of(spec: Spec, incident: IncidentAnswer) -> Concern:
    """By the cause that the journal gives it; an alert that names the candidate is the migration's, whatever it is."""
    if incident.cause == MONITORING:
        return Concern.MONITORING
    labels = incident.labels
    is_named = any(labels.get(label) for label in OF_THE_MIGRATION) or labels.get(VERSION) == spec.versions.candidate
    return Concern.MIGRATION if is_named or incident.cause == MIGRATION else Concern.SERVICE
