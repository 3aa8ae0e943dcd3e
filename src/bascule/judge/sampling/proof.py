"""Which signals have a selector that cannot count what it names, on the series of the versions that serve."""

from __future__ import annotations

import math
from collections.abc import Iterable

from bascule.prometheus import Prometheus
from bascule.promql import Unproven, unproven
from bascule.spec import Spec
from bascule.states import Cause, Missing

AGAIN_SECONDS = 60.0  # a proven one is looked at again: a deployment may take a label away


class Proof:
    """Looks at each signal of each version until it is proven, and then again from time to time."""

    def __init__(self, spec: Spec, prometheus: Prometheus) -> None:
        self._spec, self._prometheus = spec, prometheus
        self._found: dict[tuple[str, str], tuple[Unproven, ...]] = {}
        self._proven: dict[tuple[str, str], float] = {}

    def check(self, now: float, versions: Iterable[str]) -> None:
        """At `now`, Unix seconds, for the versions that are to serve. Raises what Prometheus raises."""
        cells = [(signal, version) for version in versions for signal in self._spec.signals]
        self._found = {cell: found for cell, found in self._found.items() if cell in cells}
        for cell in cells:
            if now - self._proven.get(cell, -math.inf) >= AGAIN_SECONDS:
                self._found[cell] = unproven(self._spec, *cell, self._prometheus, now)
                if not self._found[cell]:
                    self._proven[cell] = now

    @property
    def problems(self) -> dict[str, Missing]:
        """By signal."""
        every = [each for found in self._found.values() for each in found]
        return {each.signal: Missing(Cause.UNPROVEN, str(each), each.version) for each in reversed(every)}
