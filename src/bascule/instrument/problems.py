"""What a service's calls got wrong: counted each time, logged once per reason, never raised."""

from __future__ import annotations

import logging
from typing import Any

logger = logging.getLogger("bascule.instrument")


class Problems:
    def __init__(self, counter: Any) -> None:
        self._counter = counter
        self._logged: set[str] = set()

    def note(self, reason: str, detail: object) -> None:
        """Count one refused or repaired observation. `reason` is a short fixed word: it becomes a label."""
        self._counter.labels(reason).inc()
        if reason not in self._logged:
            self._logged.add(reason)
            logger.warning(
                "instrumentation: %s: %.200r (logged once; see bascule_instrument_problems_total)", reason, detail
            )
