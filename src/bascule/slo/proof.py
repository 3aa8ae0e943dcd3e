"""Which SLAs count with a selector that cannot count what it names, on the series that a version has now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from bascule.conventions import State
from bascule.promql import Unproven, unproven
from bascule.promql.proof import Queried
from bascule.slo.headline import Headline
from bascule.slo.resolve import all_of
from bascule.slo.slo import EventSlo
from bascule.spec import Spec
from bascule.states import Cause


def unproven_slas(spec: Spec, prometheus: Queried) -> Mapping[str, tuple[Unproven, ...]]:
    """What was found, by SLA; those alone of which something was. Raises what Prometheus raises."""
    ask = cache(lambda signal, version: unproven(spec, signal, version, prometheus))
    counted = [each for each in all_of(spec) if isinstance(each, EventSlo)]
    found = {each.name: tuple(one for v in each.versions for one in ask(each.counted.name, v)) for each in counted}
    return {name: some for name, some in found.items() if some}


def mistrusted(told: Headline, found: Iterable[Unproven]) -> Headline:
    """What may be said where something was found: not that it is kept, for what is counted as good may not be."""
    if told.state is not State.OK or not any(found):
        return told
    return Headline(State.NO_DATA, told.covered, told.wanted, cause=Cause.UNPROVEN)
