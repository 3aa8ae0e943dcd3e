"""What may be said of an SLA: kept, missed or no data, and how much of its window is known. Asked by reports, mails,
pages and commands alike, so that none of them says more than the data do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bascule.conventions import State
from bascule.slo.goal import EXACT
from bascule.slo.slo import Slo
from bascule.states import Cause, Caused, no_data

ENOUGH: Final = 0.9  # of a window must be known before its outcome is the last word
SO_FAR: Final[Mapping[str, str]] = {
    "en": "{outcome} so far ({covered} of {wanted})",
    "fr": "{outcome} jusqu’ici ({covered} sur {wanted})",
}


@dataclass(frozen=True)
class Headline(Caused):
    """`spent`: the share of the budget of what is known that is used up, where that is known.

    `covered`: seconds of the window with data; `wanted`: seconds that should have them. `cause`: why there is no data.
    """

    state: State
    covered: float
    wanted: float
    spent: float | None = None
    cause: Cause | None = None

    @property
    def coverage(self) -> float:
        """The share of the window that is known."""
        return min(1.0, self.covered / self.wanted) if self.wanted > 0 else 0.0

    @property
    def is_so_far(self) -> bool:
        """Whether the outcome is not the last word; a budget that is spent whatever else comes is."""
        if self.state not in (State.OK, State.BAD) or self.coverage >= ENOUGH:
            return False
        return self.state is State.OK or self.spent is None or self.spent * self.coverage <= 1

    def told(self, outcome: str, lasting: Callable[[float], str], language: str = "en") -> str:
        """`PASS`, `PASS so far (17 min of 30 d)`, `no data: no series`. `lasting` writes seconds."""
        if self.state is State.NO_DATA:
            return no_data(self.cause, language, outcome)
        if not self.is_so_far:
            return outcome
        return SO_FAR[language].format(outcome=outcome, covered=lasting(self.covered), wanted=lasting(self.wanted))


def headline(each: Slo, spent: float | None, covered: float, events: float | None) -> Headline:
    """Of an SLA's window: `spent` of its budget, seconds `covered` by data, and its events; None where not known."""
    cause = _cause(each, spent, events)
    if cause is not None:
        return unknown(each, cause, covered)
    is_spent = spent is not None and spent > 1 + EXACT
    return Headline(State.BAD if is_spent else State.OK, covered, each.window, spent)


def unknown(each: Slo, cause: Cause, covered: float = 0.0) -> Headline:
    """Of an SLA of which nothing can be said."""
    return Headline(State.NO_DATA, covered, each.window, cause=cause)


def _cause(each: Slo, spent: float | None, events: float | None) -> Cause | None:
    if events is None:
        return Cause.NO_SERIES
    if events <= 0:
        return Cause.NO_TRAFFIC
    if events < each.least_events:
        return Cause.TOO_FEW
    return each.untold if spent is None else None
