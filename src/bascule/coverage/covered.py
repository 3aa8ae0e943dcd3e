"""Each wanted metric with the places where it is used, and the places that it lacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from bascule.coverage.places import Place, Places
from bascule.coverage.wanted import Wanted, wanted
from bascule.spec import Selector, Spec


@dataclass(frozen=True)
class Covered:
    """A metric, and where it is used. One that the spec has no part for is not applicable, and lacks nothing."""

    metric: Wanted
    places: Mapping[Place, Sequence[str]]

    @property
    def applies(self) -> bool:
        return not self.metric.absent

    @property
    def missing(self) -> list[str]:
        """What it lacks: a panel; an alert or a judgement, unless there is a reason; a report, where one is wanted."""
        if not self.applies:
            return []
        watched = self.places[Place.ALERTED] or self.places[Place.JUDGED] or self.metric.unwatched
        lacks = {
            "shown": not self.places[Place.SHOWN],
            "alerted or judged": not watched,
            "reported": self.metric.is_reported and not self.places[Place.REPORTED],
        }
        return [place for place, is_missing in lacks.items() if is_missing]

    @property
    def is_covered(self) -> bool:
        return not self.missing


def coverage(spec: Spec) -> list[Covered]:
    """Every wanted metric of the spec."""
    places = Places(spec)
    return [_covered(places, metric) for metric in wanted(spec)]


def share_covered(found: Sequence[Covered]) -> float:
    """The share of the metrics that apply which lack nothing; 0 where none applies: nothing is covered then."""
    applying = [each for each in found if each.applies]
    return sum(each.is_covered for each in applying) / len(applying) if applying else 0.0


def _covered(places: Places, metric: Wanted) -> Covered:
    def of_any(uses: Callable[[Selector], list[str]]) -> list[str]:
        return list(dict.fromkeys(use for series in metric.series for use in uses(series)))

    if metric.absent:
        return Covered(metric, dict.fromkeys(Place, ()))
    measures = [metric.measure] if metric.measure else of_any(places.measures)
    told = metric.measure or metric.is_reported
    return Covered(
        metric,
        {
            Place.RECORDED: of_any(places.recorded),
            Place.ALERTED: of_any(places.alerted),
            Place.SHOWN: of_any(places.shown),
            Place.JUDGED: [way for measure in measures for way in places.judged(measure)],
            Place.REPORTED: of_any(partial(places.reported, metric.measure)) if told else [],
        },
    )
