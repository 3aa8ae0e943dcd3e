"""The kinds of signals that are compared, and what each means: events, bad events, parts, unit, statistics.

Whoever works with signals asks these methods; nothing outside `spec` and `promql` switches on a signal's kind.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from bascule.conventions import SEGMENT
from bascule.spec.addresses import Label
from bascule.spec.part import Part
from bascule.spec.quantities import GainField, Quantity
from bascule.spec.selector import Selector, SelectorField

Better = Literal["lower", "higher"]
TIME_UNITS = {"seconds": 1.0, "milliseconds": 1e-3, "microseconds": 1e-6, "nanoseconds": 1e-9}  # in seconds


class Role(StrEnum):
    """What a signal stands for; `other` has no part of its own in the source document's rules."""

    ERRORS = "errors"
    LATENCY = "latency"
    ACCURACY = "accuracy"
    SATISFACTION = "satisfaction"
    REVENUE = "revenue"
    RETENTION = "retention"
    OTHER = "other"


class SignalPart(Part):
    """What all kinds share. `role`: what the signal stands for, inferred from its name and kind when absent."""

    role: Role | None = None
    if TYPE_CHECKING:  # each kind declares it where it stands in the YAML
        unit: str
    strata: list[Label] = Field(default_factory=lambda: [SEGMENT])

    @property
    def is_time(self) -> bool:
        return self.unit in TIME_UNITS

    @property
    def seconds_per_unit(self) -> float:
        """How many seconds one of the signal's own unit is; 1 for what is no time."""
        return TIME_UNITS.get(self.unit, 1.0)

    @property
    def looks_like_errors(self) -> bool:
        """Whether it counts bad events of which fewer are better."""
        return False


class RatioSignal(SignalPart):
    """Bad (or good) events among all events, each a counter."""

    kind: Literal["ratio"]
    total: SelectorField
    bad: SelectorField | None = None
    good: SelectorField | None = None
    better: Better
    unit: str = "ratio"
    harmful_increase: Quantity = 0.0  # a worsening below this is nobody's concern
    target_gain: GainField | None = None
    alert_below_gain: GainField | None = None

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.bad is None) == (self.good is None):
            raise ValueError("give either 'bad' or 'good', not both and not neither")
        return self

    @property
    def events(self) -> Selector:
        """The counter of the declared side, `bad` or `good`."""
        side = self.bad if self.bad is not None else self.good
        assert side is not None
        return side

    @property
    def looks_like_errors(self) -> bool:
        return self.bad is not None and self.better == "lower"


class HistogramSignal(SignalPart):
    """A distribution in a classic histogram; `metric` without `_bucket`."""

    kind: Literal["histogram"]
    metric: SelectorField
    better: Better = "lower"
    unit: str = "seconds"
    targets: dict[Annotated[str, Field(pattern=r"^p\d{2,3}$")], Quantity] = Field(default_factory=dict)

    def series(self, suffix: Literal["bucket", "sum", "count"]) -> Selector:
        return self.metric.named(f"{self.metric.metric}_{suffix}")


class MeanSignal(SignalPart):
    """A mean per event, from counters of the sum and of the events."""

    kind: Literal["mean"]
    sum: SelectorField
    count: SelectorField
    sum_of_squares: SelectorField | None = None
    better: Better
    unit: str = ""
    target: Quantity | None = None
    target_gain: GainField | None = None


class GaugeSignal(SignalPart):
    """A level that is read as it is."""

    kind: Literal["gauge"]
    metric: SelectorField
    better: Better
    unit: str = ""
    target: Quantity | None = None
    strata: list[Label] = Field(default_factory=list)


Signal = Annotated[RatioSignal | HistogramSignal | MeanSignal | GaugeSignal, Field(discriminator="kind")]
