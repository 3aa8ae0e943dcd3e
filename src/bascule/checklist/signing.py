"""Sign-offs: what a person vouches for, kept in the journal with who and when."""

from __future__ import annotations

from dataclasses import dataclass

from bascule import times
from bascule.checklist.item import Item
from bascule.checklist.looked import Looked
from bascule.errors import BasculeError, UsageError

KIND = "sign_off"


@dataclass(frozen=True)
class SignOff:
    """Who signed an item, when (Unix seconds), and what for."""

    who: str
    at: float
    note: str

    def __str__(self) -> str:
        return f"signed by {self.who}, {times.dated(self.at)}{f': {self.note}' if self.note else ''}"


def sign(looked: Looked, item: Item, who: str, note: str = "") -> SignOff:
    """Keep a sign-off. Raises UsageError for an item that nobody has to sign."""
    if not item.to_sign:
        raise UsageError(f"{item.key} needs no sign-off: its check decides", "run `bascule checklist` to see it")
    kept = looked.journal.annotate(f"{item.key}: {note}", who, KIND)
    return SignOff(who, kept.at.timestamp(), note)


def signatures(looked: Looked) -> dict[str, SignOff]:
    """The last sign-off of each item by its key; none while the journal does not answer."""
    try:
        entries = looked.journal.timeline()
    except BasculeError:
        return {}
    found = {}
    for entry in entries:
        if entry.kind == KIND:
            key, _, note = entry.text.partition(": ")
            found[key.rstrip(":")] = SignOff(entry.who, entry.at.timestamp(), note)
    return found
