"""What a message about a fault says before everything else: the verdict with its reasons, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bascule import times
from bascule.api.models.verdict import VerdictAnswer
from bascule.conventions import Verdict
from bascule.errors import StoreError
from bascule.incidents.store import Store
from bascule.spec import Spec

_REASONS = 2  # of a verdict, in one message


@dataclass(frozen=True)
class Guidance:
    """`verdict`: the judge's fresh answer, None while it has none."""

    spec: Spec
    store: Store
    verdict: Callable[[], VerdictAnswer | None]

    def lines(self) -> list[str]:
        """The way back before the reasons: a preview of a message shows its first lines."""
        answer = self.verdict()
        if answer is None:
            return ["verdict: no data. The judge does not answer.", *self._way_back()]
        since = f", since {times.clock(answer.since.timestamp())}" if answer.since is not None else ""
        head = f"verdict: {Verdict(answer.verdict).words}{since}"
        return [head, *self._way_back(), *_reasons(answer)]

    def _way_back(self) -> list[str]:
        """Nothing, where all traffic is on the baseline already."""
        try:
            is_back = self.store.phase().share == 0
        except StoreError:
            is_back = False
        return [] if is_back else [f"to roll back: {self.spec.rollback_command}"]


def _reasons(answer: VerdictAnswer) -> list[str]:
    told = answer.reasons[:_REASONS]
    some = f" ({len(told)} of {len(answer.reasons)})" if len(told) < len(answer.reasons) else ""
    return [f"reasons{some}:", *(f"- {reason}" for reason in told)] if told else []
