"""Values that do not fit their keys, in words: what pydantic found, where it is in the file, and the fix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from bascule.spec.model import NAME
from bascule.spec.part import Contradiction
from bascule.spec.reading.document import Document, Key
from bascule.spec.reading.shape import NAMED
from bascule.spec.selector import NotSelector

__all__ = ["Wrong", "report_values"]

KEY = "[key]"  # pydantic's last step to a key of a dictionary, rather than to its value
MAPPING = ("not a mapping of keys", "write `key: value` lines")
NUMBER = ("{input!r} is not a whole number", "write it like 100")
SWITCH = ("{input!r} is neither true nor false", "write true or false")
TEXT = ("not text", "write one value, in quotes if it is a number")
PLAIN = {  # what is wrong and the fix, by pydantic's type of the error
    "missing": ("missing", "add {key!r}"),
    "literal_error": ("{input!r} is not allowed here", "give one of {expected}"),
    "union_tag_invalid": ("{tag!r} is not a kind of signal", "the kinds are {expected_tags}"),
    "union_tag_not_found": ("its kind is missing", "add `kind`, such as `kind: ratio`"),
    "greater_than_equal": ("is too small", "give at least {ge}"),
    "less_than_equal": ("is too large", "give at most {le}"),
    "too_short": ("has too few entries", "give at least {min_length}"),
    "string_too_long": ("is too long", "give at most {max_length} characters"),
    "model_type": MAPPING,
    "model_attributes_type": MAPPING,
    "dict_type": MAPPING,
    "list_type": ("not a list", "write [first, second]"),
    "int_type": NUMBER,
    "int_parsing": NUMBER,
    "int_from_float": NUMBER,
    "bool_type": SWITCH,
    "bool_parsing": SWITCH,
    "string_type": TEXT,
    "path_type": TEXT,
}


@dataclass
class Wrong:
    """Where a document is wrong: `values` cannot be read, and `around` is every key with something wrong inside."""

    values: set[Key] = field(default_factory=set)
    around: set[Key] = field(default_factory=set)

    def mark(self, key: Key) -> None:
        self.around |= {key[:depth] for depth in range(len(key) + 1)}


def report_values(document: Document, found: ValidationError) -> Wrong:
    """Report each error that is not a contradiction: those are found when the part is read."""
    wrong = Wrong()
    for error in found.errors():
        key = _in_file(error["loc"], document.content)
        wrong.mark(key)
        cause = error.get("ctx", {}).get("error")
        if isinstance(cause, Contradiction):
            continue
        if error["loc"][-1] != KEY:
            wrong.values.add(key)
        column = document.column(key) if isinstance(cause, NotSelector) else 0
        document.report(key, *_words(dict(error), key), column)
    return wrong


def _words(error: Mapping[str, Any], key: Key) -> tuple[str, str]:
    """What is wrong, and the fix."""
    told = {"input": error["input"], "key": key[-1] if key else "", **error.get("ctx", {})}
    if told.get("pattern") == NAME:
        return f"{error['input']!r} is not a name", "write letters, digits, '_', '.' and '-', a letter first"
    what, fix = PLAIN.get(error["type"], ("", ""))
    return what.format_map(told) or error["msg"].removeprefix("Value error, "), fix.format_map(told)


def _in_file(location: tuple[str | int, ...], document: Any) -> Key:
    """Drop the steps pydantic adds that a file does not have: `named`, a union's tag, `[key]`."""
    key: list[str | int] = []
    here = document
    for index, step in enumerate(location):
        if _has(here, step):
            here = here[step]
        elif index < len(location) - 1 or step in (NAMED, KEY):
            continue
        key.append(step)
    return tuple(key)


def _has(container: Any, step: str | int) -> bool:
    if isinstance(container, list):
        return isinstance(step, int) and step < len(container)
    return isinstance(container, dict) and step in container
