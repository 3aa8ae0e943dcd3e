"""Which label of a spec's requests holds the HTTP status, and the selector of one class of statuses, such as 4xx.

The errors tell it, whatever side they declare: `bad: requests{status=~"5.."}`, `good: requests{status!~"5.."}`, or
`good: requests{status=~"2.."}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bascule.spec import Matcher, Selector, Spec

_NAME = re.compile(r"status|code|class|response", re.IGNORECASE)
_LONG = tuple(
    (*map(str, range(first, first + 100)), f"{first // 100}xx", f"{first // 100}XX") for first in range(100, 600, 100)
)
_SHORT = tuple((digit,) for digit in "12345")


@dataclass(frozen=True)
class Statuses:
    """All requests, by the `label` of their status: `503` or `5xx` where it is `long`, or `5`."""

    requests: Selector
    label: str
    long: bool

    @classmethod
    def of(cls, spec: Spec) -> Statuses | None:
        """None where the errors are told by no status, or are counted apart from the requests."""
        errors = spec.errors.signal if spec.errors else None
        if errors is None or errors.events.metric != errors.all_events.metric:
            return None
        told = (
            (matcher, kind) for matcher in errors.events.matchers for kind in (_LONG, _SHORT) if _tells(matcher, kind)
        )
        found = next(told, None)
        return cls(errors.all_events, found[0].label, found[1] is _LONG) if found else None

    def of_class(self, digit: int) -> Selector | None:
        """The requests with a status of that class; None where all requests are declared without it."""
        own = [matcher for matcher in self.requests.matchers if matcher.label == self.label]
        values = (_LONG if self.long else _SHORT)[digit - 1]
        if not any(all(matcher.accepts(value) for matcher in own) for value in values):
            return None
        return self.requests.where(Matcher(self.label, "=~", f"{digit}.." if self.long else str(digit)))

    def outside(self, digits: str) -> Selector:
        """The requests with a status of none of these classes."""
        return self.requests.where(Matcher(self.label, "!~", f"[{digits}].*"))


def _tells(matcher: Matcher, classes: Iterable[Iterable[str]]) -> bool:
    """Whether it divides the statuses: those of a label named so, else whole classes."""
    accepted = [{matcher.accepts(value) for value in values} for values in classes]
    if _NAME.search(matcher.label):
        return set().union(*accepted) == {True, False}
    return {True} in accepted and {False} in accepted
