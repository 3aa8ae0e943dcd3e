"""Sign-offs: what a person vouches for, kept in the journal with who, when, and a digest of what was signed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bascule import times
from bascule.checklist.item import DIGEST_LENGTH, Item
from bascule.checklist.items import items
from bascule.checklist.looked import Looked
from bascule.errors import BasculeError, UsageError

KIND = "sign_off"
CHANGED = "what was signed has changed since"
UNKNOWN = "it does not say what was signed"
_ENTRY = re.compile(rf"(?P<key>[\w-]+)(?: \[(?P<digest>[0-9a-f]{{{DIGEST_LENGTH}}})\])?: ?(?P<note>.*)", re.DOTALL)


@dataclass(frozen=True)
class SignOff:
    """Who signed an item, when (Unix seconds), and what for. `stale`: why it no longer counts; empty while it does."""

    who: str
    at: float
    note: str
    stale: str = ""

    def __str__(self) -> str:
        told = f"signed by {self.who}, {times.dated(self.at)}{f': {self.note}' if self.note else ''}"
        return f"{told} (stale: {self.stale}; sign it again)" if self.stale else told


def sign(looked: Looked, item: Item, who: str, note: str = "") -> SignOff:
    """Keep a sign-off. Raises UsageError for an item that nobody has to sign."""
    if not item.to_sign:
        raise UsageError(f"{item.key} needs no sign-off: its check decides", "run `bascule checklist` to see it")
    kept = looked.journal.annotate(f"{item.key} [{_digest(looked, item)}]: {note}", who, KIND)
    return SignOff(who, kept.at.timestamp(), note)


def signatures(looked: Looked) -> dict[str, SignOff]:
    """The last sign-off of each item by its key; none while the journal does not answer."""
    try:
        entries = looked.journal.timeline()
    except BasculeError:
        return {}
    known, found = {item.key: item for item in items()}, {}
    for entry in entries:
        written = _ENTRY.fullmatch(entry.text) if entry.kind == KIND else None
        if written is not None and written["key"] in known:
            item = known[written["key"]]
            found[item.key] = SignOff(entry.who, entry.at.timestamp(), written["note"], _stale(looked, item, written))
    return found


def _stale(looked: Looked, item: Item, written: re.Match[str]) -> str:
    if written["digest"] is None:
        return UNKNOWN
    return "" if written["digest"] == _digest(looked, item) else CHANGED


def _digest(looked: Looked, item: Item) -> str:
    if item.key not in looked.digests:
        looked.digests[item.key] = item.digest(looked.spec)
    return looked.digests[item.key]
