"""The kinds of signals that are compared, and what each means: events, bad events, parts, unit, statistics.

Callers ask these methods; nothing outside `spec` and `promql` switches on a signal's kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from bascule.conventions import SEGMENT
from bascule.spec.addresses import Label
from bascule.spec.counters import (
    EVENTS,
    QUANTILE_NAME,
    BadEvents,
    CounterPart,
    Counting,
    SignalCounter,
    Statistic,
    is_quantile,
    quantile_name,
    quantile_of,
)
from bascule.spec.harm import Harm, HarmField, harm_text
from bascule.spec.part import Contradiction
from bascule.spec.quantities import Amount, AmountField, Gain, GainField, Quantity
from bascule.spec.selector import HistogramField, Selector, SelectorField
from bascule.units import Dimension, Unit, canonical, unit_of

Better = Literal["lower", "higher"]
QuantileName = Annotated[str, BeforeValidator(quantile_name), Field(pattern=QUANTILE_NAME)]
UnitName = Annotated[str, BeforeValidator(canonical)]  # `ms` is read as `milliseconds`


class Role(StrEnum):
    """What a signal represents; `other` has no part of its own in the source document's rules."""

    ERRORS = "errors"
    LATENCY = "latency"
    ACCURACY = "accuracy"
    SATISFACTION = "satisfaction"
    REVENUE = "revenue"
    RETENTION = "retention"
    OTHER = "other"


class SignalPart(Counting):
    """What all kinds share. `role`: what the signal represents, inferred from its name and kind when absent.

    The properties say what a signal means, whatever its kind: None or empty where it has no such thing.
    """

    role: Role | None = None
    if TYPE_CHECKING:  # each kind declares it where it is in the YAML
        kind: str
        unit: str
        better: Better
    strata: list[Label] = Field(default_factory=lambda: [SEGMENT])

    # ------------------------------------------------------------ series

    @property
    def squares(self) -> SignalCounter | None:
        """What tells how much the values behind a mean differ from each other; None where nothing does."""
        return None

    @property
    def lacks_squares(self) -> bool:
        """Whether it is a mean of which no difference can be told from chance."""
        return self.statistic is Statistic.MEAN and self.squares is None

    @property
    def numerator(self) -> Selector | None:
        """What is divided by `all_events`: the bad (or good) events of a ratio, the sum of a mean."""
        return None

    @property
    def buckets(self) -> Selector | None:
        """The cumulative buckets of a distribution."""
        return None

    @property
    def level(self) -> Selector | None:
        """The series of a signal that is read as it is."""
        return None

    @property
    def growing(self) -> dict[str, Selector]:
        """The counters whose growth is recorded, by their part there; the one that any event moves comes first."""
        return {}

    @property
    def selectors(self) -> dict[str, Selector]:
        """Every declared selector by its key in the spec, as Prometheus keeps its series."""
        fields = ((key, getattr(self, key)) for key in type(self).model_fields)
        return {key: value for key, value in fields if isinstance(value, Selector)}

    # ------------------------------------------------------------ values

    @property
    def measured_in(self) -> Unit:
        """The unit of the signal's series, figures and bounds."""
        return unit_of(self.unit)

    @property
    def is_time(self) -> bool:
        return self.measured_in.dimension is Dimension.TIME

    @property
    def is_share(self) -> bool:
        """Whether the value is a ratio of events, from 0 to 1: differences are points."""
        return self.statistic is Statistic.SHARE

    @property
    def counts_bad(self) -> bool:
        """Whether the numerator counts bad events, of which none may have happened yet."""
        return False

    @property
    def looks_like_errors(self) -> bool:
        """Whether it counts bad events of which fewer are better."""
        return self.counts_bad and self.better == "lower"

    def has_statistic(self, name: str) -> bool:
        """Whether `signal.name` is a measure that can be decided on: `p95`, `gain`, or nothing for the value itself."""
        return name in ("", "gain")

    # ------------------------------------------------------------ what is wanted

    @property
    def harmful(self) -> Harm:
        """The worsening that is anybody's concern: as declared, else what is beyond a declared target, else any."""
        return Harm()

    @property
    def harm_text(self) -> str:
        """Which worsening is an alarm, in words; empty for what is not compared."""
        limits = self.quantile_targets or ({} if self.level_target is None else {"target": self.level_target})
        return harm_text(self.harmful, self.measured_in, limits) if self.counters else ""

    @property
    def quantile_targets(self) -> Mapping[str, float]:
        """The longest that each quantile may be, such as `p95`, in the signal's unit."""
        return {}

    @property
    def level_target(self) -> float | None:
        """The value that the candidate is to reach, in the signal's unit."""
        return None

    @property
    def gain_target(self) -> Gain | None:
        """The gain over the baseline that the candidate is to reach."""
        return None


class CountedShare(SignalPart):
    """A ratio of events: some of them among all. Each kind says which counters they are, `events` and `all_events`."""

    if TYPE_CHECKING:  # as in SignalPart
        harmful_increase: float
        target_gain: Gain | None
        alert_below_gain: Gain | None

    def contradictions(self) -> Iterator[Contradiction]:
        if self.unit != Dimension.SHARE:
            yield Contradiction("a ratio has no unit; remove it", "unit")

    @property
    def events(self) -> Selector:
        """The counter of the events whose share it is."""
        raise NotImplementedError

    @property
    def all_events(self) -> Selector:
        raise NotImplementedError

    @property
    def numerator(self) -> Selector:
        return self.events

    @property
    def growing(self) -> dict[str, Selector]:
        return {"total": self.all_events, "events": self.events}

    @property
    def counts_bad(self) -> bool:
        return not self.counts_good

    @property
    def gain_target(self) -> Gain | None:
        return self.target_gain and self.target_gain.within(self.measured_in)

    # ------------------------------------------------------------ what is counted

    statistic: ClassVar[Statistic] = Statistic.SHARE
    has_bad_events: ClassVar[bool] = True

    @property
    def counters(self) -> tuple[SignalCounter, ...]:
        return SignalCounter(self.all_events, EVENTS), SignalCounter(self.events, self.amount)

    @property
    def amount(self) -> CounterPart:
        return "good" if self.counts_good else "bad"

    @property
    def harm(self) -> float:
        return self.harmful_increase

    @property
    def harmful(self) -> Harm:
        return Harm(least=Amount(self.harmful_increase, Dimension.SHARE))

    def parts(self, bounds: Sequence[float]) -> tuple[CounterPart, ...]:
        return EVENTS, self.amount

    def bad_events(self, bounds: Sequence[float]) -> tuple[BadEvents, ...]:
        return (BadEvents(self.amount, others=self.counts_good),)


class RatioSignal(CountedShare):
    """Bad (or good) events among all events, each a counter."""

    kind: Literal["ratio"]
    total: SelectorField
    bad: SelectorField | None = None
    good: SelectorField | None = None
    better: Better
    unit: UnitName = "ratio"
    harmful_increase: Quantity = 0.0  # a worsening below this is nobody's concern
    target_gain: GainField | None = None
    alert_below_gain: GainField | None = None

    def contradictions(self) -> Iterator[Contradiction]:
        yield from super().contradictions()
        if (self.bad is None) == (self.good is None):
            yield Contradiction("a ratio needs exactly one of 'bad' and 'good'; add or keep one", "bad", "good")

    @property
    def events(self) -> Selector:
        """The counter of the declared side, `bad` or `good`."""
        side = self.bad if self.bad is not None else self.good
        assert side is not None
        return side

    @property
    def all_events(self) -> Selector:
        return self.total

    @property
    def counts_good(self) -> bool:
        return self.good is not None


class HistogramSignal(SignalPart):
    """A distribution in a classic histogram; `metric` without `_bucket`."""

    kind: Literal["histogram"]
    metric: HistogramField
    better: Better = "lower"
    unit: UnitName = "seconds"
    targets: dict[QuantileName, AmountField] = Field(default_factory=dict)
    harmful_increase: HarmField | None = None

    def contradictions(self) -> Iterator[Contradiction]:
        yield from _needs_target(self.harmful_increase, bool(self.targets))

    @property
    def harmful(self) -> Harm:
        return self.harmful_increase or Harm(above_target=bool(self.targets))

    def series(self, suffix: Literal["bucket", "sum", "count"]) -> Selector:
        return self.metric.named(f"{self.metric.metric}_{suffix}")

    @property
    def all_events(self) -> Selector:
        return self.series("count")

    @property
    def buckets(self) -> Selector:
        return self.series("bucket")

    @property
    def growing(self) -> dict[str, Selector]:
        return {"bucket": self.buckets}

    @property
    def selectors(self) -> dict[str, Selector]:
        return {"metric": self.buckets}

    def has_statistic(self, name: str) -> bool:
        return is_quantile(name)

    @property
    def quantile_targets(self) -> Mapping[str, float]:
        return {quantile: limit.within(self.measured_in) for quantile, limit in self.targets.items()}

    # ------------------------------------------------------------ what is counted

    statistic: ClassVar[Statistic] = Statistic.QUANTILE
    has_bad_events: ClassVar[bool] = True

    @property
    def counters(self) -> tuple[SignalCounter, ...]:
        return (SignalCounter(self.series("bucket"), EVENTS, buckets=True),)

    @property
    def shown(self) -> str:
        """p95 where it is a target or none is, else the highest target."""
        return "p95" if "p95" in self.targets else max(self.targets, key=quantile_of, default="p95")

    def parts(self, bounds: Sequence[float]) -> tuple[CounterPart, ...]:
        return EVENTS, *bounds

    def bad_events(self, bounds: Sequence[float]) -> tuple[BadEvents, ...]:
        return tuple(BadEvents(bound, others=True, bound=bound) for bound in bounds)


class MeanSignal(SignalPart):
    """A mean per event, from counters of the sum and of the events."""

    kind: Literal["mean"]
    sum: SelectorField
    count: SelectorField
    sum_of_squares: SelectorField | None = None
    better: Better
    unit: UnitName = ""
    target: AmountField | None = None
    target_gain: GainField | None = None
    harmful_increase: HarmField | None = None  # a decrease, where higher is better

    def contradictions(self) -> Iterator[Contradiction]:
        yield from _needs_target(self.harmful_increase, self.target is not None)

    @property
    def harmful(self) -> Harm:
        return self.harmful_increase or Harm(above_target=self.target is not None)

    @property
    def all_events(self) -> Selector:
        return self.count

    @property
    def numerator(self) -> Selector:
        return self.sum

    @property
    def growing(self) -> dict[str, Selector]:
        return {"count": self.count, "sum": self.sum}

    @property
    def level_target(self) -> float | None:
        return None if self.target is None else self.target.within(self.measured_in)

    @property
    def gain_target(self) -> Gain | None:
        return self.target_gain and self.target_gain.within(self.measured_in)

    # ------------------------------------------------------------ what is counted

    statistic: ClassVar[Statistic] = Statistic.MEAN

    @property
    def counters(self) -> tuple[SignalCounter, ...]:
        both = SignalCounter(self.sum, "sum"), SignalCounter(self.count, EVENTS)
        return both if self.squares is None else (*both, self.squares)

    @property
    def squares(self) -> SignalCounter | None:
        """They have a counter of their own, or are read off the buckets of the histogram that has the sum."""
        if self.sum_of_squares is not None:
            return SignalCounter(self.sum_of_squares, "squares")
        name = self.sum.metric.removesuffix("_sum")
        if name == self.sum.metric:
            return None
        return SignalCounter(self.sum.named(f"{name}_bucket"), None, buckets=True)

    @property
    def amount(self) -> CounterPart:
        return "sum"

    def parts(self, bounds: Sequence[float]) -> tuple[CounterPart, ...]:
        return EVENTS, "sum", "squares", *bounds


class GaugeSignal(SignalPart):
    """A level that is read as it is."""

    kind: Literal["gauge"]
    metric: SelectorField
    better: Better
    unit: UnitName = ""
    target: AmountField | None = None
    strata: list[Label] = Field(default_factory=list)

    @property
    def level(self) -> Selector:
        return self.metric

    def has_statistic(self, name: str) -> bool:
        return False

    @property
    def level_target(self) -> float | None:
        return None if self.target is None else self.target.within(self.measured_in)


def _needs_target(harm: Harm | None, has_target: bool) -> Iterator[Contradiction]:
    if harm is not None and harm.above_target and not has_target:
        yield Contradiction(f"{harm.written!r} needs a target; declare targets for the signal", "harmful_increase")
