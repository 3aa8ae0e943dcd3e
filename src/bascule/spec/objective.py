"""An SLA's objective as it is written, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bascule.spec.quantities import Amount, Comparison, Threshold, parse_share

_SHARE_UNDER = re.compile(r"^([\d.]+%)\s*(<.*)$")


@dataclass(frozen=True)
class Objective:
    """`share` of events must be good (`95%`); `bound` is what makes a request good (`< 100ms`), if any.

    A ceiling such as `< 1%` is kept as `share` 0.99 with `ceiling` 0.01, so that budgets add up the same way.
    """

    share: float
    bound: Amount | None = None
    ceiling: float | None = None
    written: str = ""

    @classmethod
    def parse(cls, text: str) -> Objective:
        text = text.strip()
        if text.startswith(("<", ">")):
            return cls._of_threshold(Threshold.parse(text))
        match = _SHARE_UNDER.match(text)
        if match:
            return cls(parse_share(match[1]), bound=Threshold.parse(match[2]).amount, written=text)
        return cls(parse_share(text), written=text)

    @classmethod
    def _of_threshold(cls, threshold: Threshold) -> Objective:
        if threshold.comparison in ("<", "<="):
            return cls(1 - threshold.value, ceiling=threshold.value, written=threshold.written)
        return cls(threshold.value, written=threshold.written)

    @property
    def budget(self) -> float:
        """The ratio of events that may be bad."""
        return self.ceiling if self.ceiling is not None else 1 - self.share


__all__ = ["Comparison", "Objective"]
