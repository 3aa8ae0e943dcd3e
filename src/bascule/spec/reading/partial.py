"""A wrong spec as far as it can be read, so that what is right in it is checked as well."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from bascule.spec.part import Contradiction, Part
from bascule.spec.reading.document import Document, Key
from bascule.spec.reading.shape import NAMED, inside, keys_of, part_of
from bascule.spec.reading.unreadable import UNREADABLE, readable
from bascule.spec.reading.values import Wrong

__all__ = ["read_part"]


def read_part(document: Document, kind: type[Part], wrong: Wrong) -> Any:
    """The part that a document holds, with `UNREADABLE` for every value that is wrong or missing.

    Contradictions are reported here: a part whose other keys are wrong can have one too.
    """
    return _Reader(document, wrong).read(kind, document.content, ())


_validator = cache(TypeAdapter)


@dataclass(frozen=True)
class _Reader:
    document: Document
    wrong: Wrong

    def read(self, kind: Any, value: Any, at: Key) -> Any:
        if at in self.wrong.values or self._has_wrong_key(value, at):
            return UNREADABLE
        if at not in self.wrong.around:
            return _validator(kind).validate_python(value)
        found = {step: self.read(inner, each, (*at, step)) for step, inner, each in inside(kind, value)}
        part = part_of(kind, value)
        if part is not None:
            return self._part(part, found, at)
        return list(found.values()) if isinstance(value, list) else found

    def _has_wrong_key(self, value: Any, at: Key) -> bool:
        """Whether a mapping of plain values, such as targets by their quantiles, has a key that cannot be one."""
        if not isinstance(value, dict):
            return False
        plain = {(*at, key) for key, each in value.items() if not isinstance(each, dict | list)}
        return bool((plain & self.wrong.around) - self.wrong.values)

    def _part(self, part: type[Part], found: dict[Any, Any], at: Key) -> Part:
        fields = dict(_fields(part, found))
        for contradiction in _contradictions(part.model_construct(**fields)):
            self.document.report(at, str(contradiction))
            fields |= dict.fromkeys(contradiction.keys, UNREADABLE)
        return part.model_construct(**fields)


def _fields(part: type[Part], found: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    """The fields that are given, or must be; the rest has defaults."""
    for name, field in part.model_fields.items():
        key = field.alias if field.alias in found else name
        if name == NAMED and NAMED not in found:
            yield name, {each: value for each, value in found.items() if each not in keys_of(part)}
        elif key in found or field.is_required():
            yield name, found.get(key, UNREADABLE)


@readable
def _contradictions(part: Part) -> Iterator[Contradiction]:
    yield from part.contradictions()
