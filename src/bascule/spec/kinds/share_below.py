"""The ratio of events of a histogram that took no longer than a bound: "95 % under 300 ms" as a signal of its own."""

from __future__ import annotations

from typing import Literal

from bascule.spec import bucket_bounds
from bascule.spec.quantities import GainField, Quantity
from bascule.spec.selector import HistogramField, Selector
from bascule.spec.signals import Better, CountedShare, UnitName
from bascule.units import Dimension, unit_in_name, unit_of


class ShareBelow(CountedShare):
    """`bound`, a time (a bare number is in seconds), is one of the histogram's buckets."""

    kind: Literal["share_below"]
    metric: HistogramField
    bound: Quantity
    better: Better = "higher"
    unit: UnitName = "ratio"
    harmful_increase: Quantity = 0.0
    target_gain: GainField | None = None
    alert_below_gain: GainField | None = None

    @property
    def events(self) -> Selector:
        unit = unit_of(unit_in_name(self.metric.metric) or Dimension.TIME)
        return self._series("bucket").where(bucket_bounds.at(unit.of_base(self.bound)))

    @property
    def all_events(self) -> Selector:
        return self._series("count")

    @property
    def counts_good(self) -> bool:
        return True

    @property
    def selectors(self) -> dict[str, Selector]:
        return {"bound": self.events}

    def _series(self, suffix: Literal["bucket", "count"]) -> Selector:
        return self.metric.named(f"{self.metric.metric}_{suffix}")
