"""Failures that name no segment, because they come before it is known (a gateway's, a failed sign-in).

All of them lie in one stratum that holds hardly anything else, in both versions: it is bad in both, and a comparison
segment by segment sees no difference, however many more of them one version has.
"""

from __future__ import annotations

import numpy as np

from bascule.conventions import OTHER
from bascule.judge.layout import BASELINE, CANDIDATE, Flags, Floats
from bascule.judge.sampling.schema import Schema
from bascule.states import Cause, Missing

LEAST = 20.0  # such failures: fewer may be chance
MOSTLY = 0.5  # of all failures, from which on the named segments do not tell
NOTHING_ELSE = 0.9  # of what names no segment fails


class Unattributed:
    """Of every ratio that is split by segments."""

    def __init__(self, schema: Schema) -> None:
        self._versions, self._label = schema.spec.versions.both, schema.spec.segments.label
        self._tables = {}
        for name, signal in schema.spec.signals.items():
            strata = schema.strata[name]
            if OTHER in strata.segments and any(bad.bound is None for bad in signal.bad_events(())):
                whole, nameless = strata.leaves, set(strata.leaves_of(OTHER))
                table = schema.bad_table(name, None, whole)
                self._tables[name] = table, np.array([leaf in nameless for leaf in whole])

    def problems(self, sums: Floats) -> dict[str, Missing]:
        """By signal, of what the phase has counted, (2, columns)."""
        found = {}
        for name, (table, nameless) in self._tables.items():
            events, bad = table.of(sums)
            for version in (BASELINE, CANDIDATE):
                if failures := _hidden(events[version], bad[version], nameless):
                    found[name] = self._problem(version, failures)
        return found

    def _problem(self, version: int, failures: float) -> Missing:
        name = self._versions[version]
        what = (
            f"{failures:,.0f} failures of {name} name no {self._label}, and hardly anything else of it does: "
            "a comparison by segments does not see them"
        )
        return Missing(Cause.UNPROVEN, what, name)


def _hidden(events: Floats, bad: Floats, nameless: Flags) -> float:
    """The failures that a comparison does not see, of one version's strata, (S,) each; 0 where it sees enough."""
    failures = float(bad[nameless].sum())
    enough = max(LEAST, MOSTLY * bad.sum(), NOTHING_ELSE * events[nameless].sum())
    return failures if failures >= enough else 0.0
