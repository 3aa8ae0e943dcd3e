"""What one line is read as: typed fields, and the texts that could not be read as what their fields are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from bascule.logformat import COLUMNS, FIGURES, KIND_OF, TIME
from bascule.logs.parsing.values import BLANKS, NOT_A_TIME, Fields, read_number, read_value

LINE = "line"  # the field of what is wrong with a whole line
FITS_NONE, COSTLY = "fits no format", "too costly"
HOLDS_NULS = "holds NUL bytes"  # left out: UTF-16 has them between its letters
HOLDS_EVENT = "holds an event that was not read"  # behind words that are no layout: quoted by a message, as a rule
_ORDER = (TIME, *KIND_OF)


class Misread(NamedTuple):
    """A field whose text is not what the field is, and why."""

    field: str
    reason: str
    text: str


class Reading(NamedTuple):
    """A line's fields, and those that could not be read."""

    fields: Fields
    misread: tuple[Misread, ...] = ()

    def behind(self, other: Reading) -> Reading:
        """This reading and one that precedes it, whose fields it does not replace."""
        words = " ".join(str(found.fields["extra"]) for found in (other, self) if found.fields.get("extra"))
        fields = self.fields | other.fields | ({"extra": words} if words else {})
        return Reading(fields, other.misread + self.misread)

    def before(self, other: Reading) -> Reading:
        """This reading and one that precedes it, of whose fields it replaces those that it has too."""
        return Reading(other.fields | self.fields, other.misread + self.misread)

    def finished(self) -> Reading:
        """With the path alone as endpoint; its query, and texts that could not be read, are words of `extra`."""
        target = str(self.fields.get("endpoint", ""))
        path, query = split_target(target)
        kept = sorted(self.misread, key=lambda found: _ORDER.index(found.field) if found.field in _ORDER else 0)
        words = [f"{found.field}={found.text}" for found in kept if found.field != LINE]
        words += [f"query={query}"] if query else []
        fields = self.fields if path == target else self.fields | {"endpoint": path}
        return Reading(with_words(fields, words), self.misread)


TOO_COSTLY = Reading({}, (Misread(LINE, COSTLY, ""),))  # of a line that a pattern could not be matched with in time


def split_target(target: str) -> tuple[str, str]:
    """A request's target as path and query; an absolute one without scheme and host."""
    if target.startswith(("http://", "https://")):
        target = target[target.find("/", 8) :] if target.find("/", 8) >= 0 else "/"
    path, _, query = target.partition("?")
    return path, query


def with_words(fields: Fields, words: Iterable[str]) -> Fields:
    """The fields, with more `name=value` words in `extra`."""
    said = [str(fields["extra"])] if fields.get("extra") else []
    joined = " ".join([*said, *words])
    return fields | {"extra": joined} if joined else fields


def typed(texts: Mapping[str, str], kinds: Mapping[str, str]) -> Reading | None:
    """The texts as values of their declared kinds, else of the kind that their name has.

    None where a declared time, level or word is none: then the line has another layout. A number that is none is
    misread; one that is blank is absent. Only columns of numbers become numbers: the kind of another field is checked.
    """
    fields: Fields = {}
    misread: list[Misread] = []
    for name, text in texts.items():
        kind = kinds.get(name) or KIND_OF.get(name, "text")
        value, reason = read_number(text, kind) if kind in FIGURES else (read_value(text, kind), NOT_A_TIME)
        if value is not None:
            fields[name] = value if name in KIND_OF else text
        elif kind not in FIGURES and name in kinds:
            return None
        elif text not in BLANKS:
            misread.append(Misread(name, reason, text))
    return Reading(fields, tuple(misread))


def _word(value: str) -> str:
    """As one word: text with blanks in quotes. What is JSON already shows where it ends."""
    return json.dumps(value, ensure_ascii=False) if " " in value and value[0] not in "[{" else value


def fold(reading: Reading) -> Reading:
    """Fields that the store has no column for, as `name=value` words of its column `extra`."""
    others = [f"{name}={_word(str(value))}" for name, value in reading.fields.items() if name not in COLUMNS]
    if not others:
        return reading
    fields = {name: value for name, value in reading.fields.items() if name in COLUMNS}
    return Reading(with_words(fields, others), reading.misread)
