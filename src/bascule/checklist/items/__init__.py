"""Every item of the checklist: a function in a file of this folder."""

from __future__ import annotations

from bascule.checklist.item import ChecklistPhase, Item
from bascule.errors import UsageError
from bascule.spec.found import instances_in

__all__ = ["item_named", "items", "items_of"]


def items() -> list[Item]:
    """In the order of the source document."""
    found = instances_in(__name__, __path__, Item)
    return sorted(found, key=lambda item: (list(ChecklistPhase).index(item.phase), item.number))


def items_of(phase: ChecklistPhase) -> list[Item]:
    return [item for item in items() if item.phase is phase]


def item_named(key: str) -> Item:
    """Raises UsageError for a name that no item has."""
    known = {item.key: item for item in items()}
    if key not in known:
        raise UsageError(f"{key!r} is not an item of the checklist", f"items are: {', '.join(known)}")
    return known[key]
