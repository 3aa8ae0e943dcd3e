"""Every signal over one span: readings, the candidate's own values, and its gains over the baseline."""

from __future__ import annotations

from bascule.conventions import TOTAL_SEGMENT
from bascule.judge.evidence.figures import FIGURES, Bounded, Figures, SignalCounts, SignalReading
from bascule.judge.layout import Floats
from bascule.judge.sampling.schema import Schema
from bascule.spec.gains import gain_sign, is_relative
from bascule.spec.quantities import Threshold


class Measures:
    """From increments summed over a span, `sums` (2, columns); `phi` (K,) per pair."""

    def __init__(self, schema: Schema, sums: Floats, phi: Floats) -> None:
        self._schema, self._sums, self._phi = schema, sums, phi
        self._figures: dict[str, Figures] = {}

    def reading(self, name: str, line: str) -> SignalReading:
        """Both versions of a signal in a segment, in a value within one, or over all (mix-adjusted)."""
        return self._of(name).reading(line)

    def candidate(self, name: str, statistic: str) -> Bounded:
        """The candidate's own value; `statistic` is asked of a histogram, such as `p95`. No data for other names."""
        return self._of(name).candidate(statistic) if name in self._schema.spec.signals else Bounded()

    def value(self, name: str, statistic: str) -> float:
        """The same without an interval; NaN where there is none."""
        return self._of(name).value(statistic)

    def events(self, name: str) -> tuple[float, float]:
        """Events of the baseline and of the candidate, over all segments."""
        return self._of(name).counts.events

    def gain_for(self, name: str, threshold: Threshold) -> Bounded:
        """The gain as a bound means it (`bascule.spec.gains`)."""
        relative = is_relative(self._schema.spec.signals[name], threshold)
        return self._relative_gain(name) if relative else self._gain(name)

    def _of(self, name: str) -> Figures:
        if name not in self._figures:
            counts = SignalCounts(self._schema, self._sums, self._phi, name)
            self._figures[name] = FIGURES[counts.signal.statistic](counts)
        return self._figures[name]

    def _gain(self, name: str) -> Bounded:
        """The total's difference, counted as a gain in the better direction."""
        reading = self.reading(name, TOTAL_SEGMENT)
        sign = gain_sign(self._schema.spec.signals[name])
        low, high = sorted((sign * reading.low, sign * reading.high))
        return Bounded(sign * reading.effect, low, high, reading.events_candidate, reading.unknown)

    def _relative_gain(self, name: str) -> Bounded:
        """The same, as a share of the baseline's value."""
        gain, base = self._gain(name), abs(self.reading(name, TOTAL_SEGMENT).baseline)
        if not base > 0:
            return Bounded(events=gain.events)
        return Bounded(gain.value / base, gain.low / base, gain.high / base, gain.events, gain.unknown)
