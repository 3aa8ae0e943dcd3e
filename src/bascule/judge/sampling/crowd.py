"""Who is behind the recent requests: partners by their label, users by the logs. It changes slowly."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from bascule.conventions import LOG_CONSUMERS, NONE, OTHER, TOTAL_SEGMENT, UNKNOWN
from bascule.judge.layout import Floats
from bascule.judge.sampling.plan import PlanStep
from bascule.prometheus import Prometheus, Sample
from bascule.promql import traffic
from bascule.spec import Matcher, Spec
from bascule.spec.quantities import format_duration
from bascule.spec.uses import partner_label

ASK_SECONDS, WINDOW_SECONDS, LEAST_SECONDS = 15.0, 300.0, 15.0
NOBODY = f"|{NONE}|{UNKNOWN}"


class Crowd:
    """Partners' requests by segment and version, (2, n) each, and the number of users; empty and None while unknown."""

    def __init__(self, spec: Spec, prometheus: Prometheus, plan: PlanStep) -> None:
        self._spec, self._prometheus, self._plan = spec, prometheus, plan
        self._label = partner_label(spec)
        self._asked = -math.inf
        self.partners: Mapping[str, Floats] = {}
        self.users: float | None = None

    def look(self, now: float) -> None:
        """Ask again, when it is time. Raises what Prometheus raises."""
        if now - self._asked < ASK_SECONDS:
            return
        self._asked = now
        lasted = min(WINDOW_SECONDS, now - self._plan.started)
        if self._label is not None and lasted >= LEAST_SECONDS:
            self.partners = self._partners(now, lasted)
        if self._spec.logs.sources:
            known = self._prometheus.scalar(f'sum({LOG_CONSUMERS.name}{{window="1h"}})', now)
            self.users = known if isinstance(known, float) and known > 0 else None

    def _partners(self, now: float, lasted: float) -> dict[str, Floats]:
        found: dict[str, dict[str, list[float]]] = {}
        for version, name in enumerate(self._spec.versions.both):
            for sample in self._requests(name, now, lasted):
                segment = sample.labels.get(self._spec.segments.label, "") or OTHER
                partner = found.setdefault(segment, {}).setdefault(sample.labels.get(self._label or "", ""), [0.0, 0.0])
                partner[version] += sample.value if math.isfinite(sample.value) else 0.0
        named = self._spec.segments.named
        return {
            segment if named else TOTAL_SEGMENT: np.array(list(partners.values())).T
            for segment, partners in found.items()
        }

    def _requests(self, version: str, now: float, lasted: float) -> list[Sample]:
        label = self._label or ""
        selector = traffic(self._spec).where(*self._spec.versions.matchers(version), Matcher(label, "!~", NOBODY))
        by = f"{self._spec.segments.label}, {label}"
        return self._prometheus.instant(f"sum by ({by}) (increase({selector.over(format_duration(lasted))}))", now)
