"""Numbers, times and durations as people of a language write them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from bascule import figures, times
from bascule.slo import EXACT, Goal, SloKind
from bascule.units import Dimension, bytes_text

_THIN = "\u202f"  # narrow no-break space: between a number and its unit, and French thousands
_MINUS = "\u2212"
_MOST_PLACES = 6  # of a percentage
_UNITS = {"en": ("d", "h", "min", "s"), "fr": ("j", "h", "min", "s")}
_MONTHS = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "fr": ("janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."),
}
NONE = "–"


@dataclass(frozen=True)
class Numbers:
    """How a language writes them; `zone` is the spec's time zone."""

    language: str
    zone: ZoneInfo

    def number(self, value: float | None, digits: int = 0) -> str:
        if value is None or math.isnan(value):
            return NONE
        if math.isinf(value):
            return "∞"
        text = f"{abs(value):,.{digits}f}"
        if self.language == "fr":
            text = text.replace(",", _THIN).replace(".", ",")
        zero = not text.strip("0.," + _THIN)
        return f"{_MINUS}{text}" if value < 0 and not zero else text

    def percent(self, share: float | None, digits: int | None = None) -> str:
        if share is None or not math.isfinite(share):
            return NONE
        places = _places(share) if digits is None else digits
        gap = _THIN if self.language == "fr" else ""
        return f"{self.number(share * 100, places)}{gap}%"

    def multiple(self, value: float | None) -> str:
        """A burn rate: `0.85×`, `28.2×`."""
        return NONE if value is None else f"{self.number(value, _three(value))}×"

    def points(self, difference: float | None) -> str:
        if difference is None:
            return NONE
        return f"{self.signed(difference * 100, _three(difference * 100))}{_THIN}pt"

    def gain(self, amount: float, wanted: float, is_relative: bool) -> str:
        """`+13.9 pt`, or `+2.1%` of what it was; a near miss never reads like what is wanted."""
        places = _telling(amount, _three(amount * 100), lambda gain: gain >= wanted - EXACT)
        return self._gain(amount, is_relative, places)

    def declared_gain(self, amount: float, is_relative: bool) -> str:
        """`+13 pt`: as many digits as the spec has."""
        return self._gain(amount, is_relative, _written_places(amount * 100))

    def _gain(self, amount: float, is_relative: bool, places: int) -> str:
        gap, unit = (_THIN if self.language == "fr" else "", "%") if is_relative else (_THIN, "pt")
        return f"{self.signed(amount * 100, places)}{gap}{unit}"

    def signed(self, value: float, digits: int) -> str:
        text = self.number(value, digits)
        return text if text.startswith(_MINUS) or not text.strip("0.,") else f"+{text}"

    def time_taken(self, seconds: float | None) -> str:
        """A response time: `87 ms`, `1.25 s`."""
        if seconds is None or math.isnan(seconds):
            return NONE
        if math.isinf(seconds):
            return "∞"
        if seconds < 1:
            return f"{self.number(seconds * 1000, 1 if 0 < seconds < 0.1 else 0)}{_THIN}ms"
        return f"{self.number(seconds, _three(seconds))}{_THIN}s"

    def lasting(self, seconds: float | None) -> str:
        """How long: `2 d 3 h`, `12 min 30 s`; the two largest units."""
        if seconds is None:
            return NONE
        if 0 < seconds < 1:
            return f"<{_THIN}1{_THIN}s"
        return times.lasting(seconds, _UNITS[self.language], _THIN)

    def value(self, goal: Goal, value: float | None) -> str:
        """What an objective measures, in its unit; a near miss never reads like the goal itself."""
        if goal.is_time or value is None or not math.isfinite(value):
            return self.measured(value, goal.unit) if goal.is_time else self.percent(value)
        return self.percent(value, _telling(value, _places(value), goal.keeps))

    def measured(self, value: float | None, unit: str) -> str:
        """A value in a base unit (`bascule.units`), or in a unit of the user's own."""
        if unit == Dimension.TIME:
            return self.time_taken(value)
        if unit == Dimension.SHARE:
            return self.percent(value)
        if value is None or not math.isfinite(value):
            return self.number(value)
        if unit == Dimension.BYTES:
            number, short = bytes_text(value).split()
            return f"{self._decimal(number)}{_THIN}{short}"
        return figures.local(f"{self.number(value, _three(value))}{_THIN}{unit}".rstrip(_THIN), self.language)

    def signed_measure(self, difference: float, unit: str) -> str:
        """A difference of two such values, with its sign: `−5.9 ms`, `+0.37 stars`."""
        sign = _MINUS if difference < 0 else "+" if difference > 0 else ""
        return sign + self.measured(abs(difference), unit)

    def _decimal(self, number: str) -> str:
        return number.replace(".", ",") if self.language == "fr" else number

    def amount(self, goal: Goal, amount: float) -> str:
        """Bad or good: time for availability, events otherwise."""
        return self.lasting(amount) if goal.kind is SloKind.AVAILABILITY else self.number(amount)

    def target(self, goal: Goal) -> str:
        """The goal: `≥ 99.9%`, `p95 < 100 ms`, `< 1%`."""
        sign = f"p{goal.quantile * 100:g} <" if goal.is_time else "<" if goal.is_upper else "≥"
        return f"{sign}{_THIN}{self.limit(goal)}"

    def limit(self, goal: Goal) -> str:
        """The goal's number alone, as a chart's line is labelled."""
        return self.mark(goal, goal.bound)

    def mark(self, goal: Goal, value: float) -> str:
        """A round number in what an objective is measured in."""
        if not goal.is_time:
            return self.percent(value, _written_places(value * 100))
        return self._short_time(value) if goal.unit == Dimension.TIME else self.measured(value, goal.unit)

    def _short_time(self, seconds: float) -> str:
        if seconds < 1:
            return f"{self.number(seconds * 1000, _written_places(seconds * 1000))}{_THIN}ms"
        return f"{self.number(seconds, _written_places(seconds))}{_THIN}s"

    def at(self, time: float, seconds: bool = False) -> str:
        moment = datetime.fromtimestamp(time, self.zone)
        clock = f"{moment:%H:%M:%S}" if seconds else f"{moment:%H:%M}"
        return f"{self.day(time)} {clock}"

    def day(self, time: float) -> str:
        moment = datetime.fromtimestamp(time, self.zone)
        first = "1er" if self.language == "fr" and moment.day == 1 else moment.day
        return f"{first}{_THIN}{_MONTHS[self.language][moment.month - 1]}"

    def date(self, time: float) -> str:
        return f"{self.day(time)} {datetime.fromtimestamp(time, self.zone).year}"

    def clock(self, time: float, seconds: bool = False) -> str:
        moment = datetime.fromtimestamp(time, self.zone)
        return f"{moment:%H:%M:%S}" if seconds else f"{moment:%H:%M}"


def _telling(share: float, least: int, keeps: Callable[[float], bool]) -> int:
    """So many places of a percentage, at least, that what is written keeps a goal as the share does."""
    places = range(least, _MOST_PLACES)
    return next((each for each in places if keeps(round(share, each + 2)) is keeps(share)), _MOST_PLACES)


def _places(share: float) -> int:
    """Three digits; near 0 and near 100 % more of them."""
    margin = min(abs(share), abs(1 - share)) * 100
    if margin == 0:
        return 0
    if margin < 0.1:
        return 3
    return 2 if margin < 10 else 1


def _three(amount: float) -> int:
    """Decimal places for three significant digits."""
    return 2 if abs(amount) < 9.995 else 1 if abs(amount) < 99.95 else 0


def _written_places(number: float) -> int:
    """As many digits as it takes to write the number as it was declared."""
    return next((places for places in range(5) if abs(round(number, places) - number) < 1e-9), 5)
