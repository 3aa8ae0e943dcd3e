"""A change of the plan and the verdict that it was made on: the journal writes two entries, people read one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from bascule.api.models.journal import TimelineAnswer
from bascule.conventions import MOVES, EntryKind

APART = timedelta(seconds=10)  # at most, between a move and the verdict that is kept for it


@dataclass(frozen=True)
class Made:
    """An entry of the timeline; `verdict`: what it was made on, where it is a move."""

    entry: TimelineAnswer
    verdict: str = ""


def made(entries: Iterable[TimelineAnswer]) -> list[Made]:
    """The entries in order of time, each verdict with its move."""
    found: list[Made] = []
    for entry in sorted(entries, key=lambda each: each.at):
        place = _move_before(entry, found)
        if place is None:
            found.append(Made(entry))
        else:
            found[place] = replace(found[place], verdict=entry.text.partition(": ")[2])
    return found


def _move_before(entry: TimelineAnswer, found: list[Made]) -> int | None:
    """Where the move is that a verdict was kept for; None for what is no verdict, or has no move."""
    if entry.kind != EntryKind.VERDICT:
        return None
    for place in reversed(range(len(found))):
        move = found[place].entry
        if entry.at - move.at > APART:
            return None
        if move.kind in MOVES and move.who == entry.who and not found[place].verdict:
            return place
    return None
