"""Every item of a phase, checked: one that cannot be asked is told, and keeps none of the others from being checked."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.checklist.item import ChecklistPhase, Item, ItemOutcome, ItemState, cannot
from bascule.checklist.items import items_of
from bascule.checklist.looked import Looked
from bascule.checklist.signing import SignOff, signatures
from bascule.errors import BasculeError


@dataclass(frozen=True)
class Checked:
    """An item, what came of it, and who signed it last."""

    item: Item
    outcome: ItemOutcome
    signature: SignOff | None

    @property
    def is_failed(self) -> bool:
        return self.outcome.state is ItemState.FAILED

    @property
    def waits(self) -> bool:
        """Whether a person has yet to sign."""
        return bool(self.item.to_sign) and (self.signature is None or bool(self.signature.stale))


def check(looked: Looked, phase: ChecklistPhase) -> list[Checked]:
    """The items of a phase in the order of the source document."""
    signed = signatures(looked)
    return [Checked(item, _outcome(item, looked), signed.get(item.key)) for item in items_of(phase)]


def _outcome(item: Item, looked: Looked) -> ItemOutcome:
    try:
        return item.check(looked)
    except BasculeError as error:
        return cannot(str(error.what))
