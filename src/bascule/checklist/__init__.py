"""The checklist of the source document, checked on a running stack: each item with its evidence.

item.py     what an item is and what comes of it
looked.py   what the items look at
items/      a function each, in a file of its own; being there is enough
signing.py  who signed what, kept in the journal
shown.py    the record of a change: Markdown and JSON
"""

from bascule.checklist.item import ChecklistPhase, Item, ItemEvidence, ItemOutcome, ItemState
from bascule.checklist.items import item_named, items_of
from bascule.checklist.looked import Looked
from bascule.checklist.run import Checked, check
from bascule.checklist.shown import as_json, as_markdown
from bascule.checklist.signing import SignOff, sign, signatures

__all__ = [
    "Checked",
    "ItemEvidence",
    "Item",
    "ItemState",
    "Looked",
    "ItemOutcome",
    "ChecklistPhase",
    "SignOff",
    "as_json",
    "as_markdown",
    "check",
    "item_named",
    "items_of",
    "sign",
    "signatures",
]
