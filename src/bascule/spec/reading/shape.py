"""What may be where in a spec, read off the model: which keys a mapping has, and of which kind their values are.

A *kind* is a type annotation of the model: a part, a list or dictionary of them, a union, or a plain value.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from bascule.spec.part import Part

__all__ = ["NAMED", "inside", "keys_of", "part_of", "tags_of"]

Step = str | int
NAMED = "named"  # where a part keeps entries whose names are the user's; most files write them beside its own keys


def part_of(kind: Any, value: Any) -> type[Part] | None:
    """The part that a mapping is; of several, the one that its `kind` names. None where it is not one."""
    parts = [each for each in _alternatives(kind) if isinstance(each, type) and issubclass(each, Part)]
    if not parts or not isinstance(value, dict):
        return None
    return parts[0] if len(parts) == 1 else _tagged(parts).get(str(value.get("kind")))


def tags_of(kind: Any) -> list[str]:
    """What `kind` can be in a mapping that is one of several parts."""
    parts = [each for each in _alternatives(kind) if isinstance(each, type) and issubclass(each, Part)]
    return list(_tagged(parts)) if len(parts) > 1 else []


def _tagged(parts: list[type[Part]]) -> dict[Any, type[Part]]:
    return {get_args(part.model_fields["kind"].annotation)[0]: part for part in parts}


def keys_of(part: type[Part]) -> list[str]:
    """The keys that a part declares, as they are written."""
    return [field.alias or name for name, field in part.model_fields.items() if name != NAMED]


def inside(kind: Any, value: Any) -> Iterator[tuple[Step, Any, Any]]:
    """Each step into a value, with the kind and the value found there."""
    part = part_of(kind, value)
    if part is not None:
        yield from ((key, found, value[key]) for key in value if (found := _kind_at(part, key)) is not None)
        return
    for each in _alternatives(kind):
        if get_origin(each) is list and isinstance(value, list):
            yield from ((index, get_args(each)[0], item) for index, item in enumerate(value))
        elif get_origin(each) is dict and isinstance(value, dict):
            yield from ((key, get_args(each)[1], item) for key, item in value.items())


def _alternatives(kind: Any) -> Iterator[Any]:
    origin = get_origin(kind)
    if origin is Annotated:
        yield from _alternatives(get_args(kind)[0])
    elif origin in (Union, UnionType):
        for each in get_args(kind):
            yield from _alternatives(each)
    else:
        yield kind


def _kind_at(part: type[Part], key: str) -> Any:
    for name, field in part.model_fields.items():
        if key in (field.alias or name, name):
            return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    named = part.model_fields.get(NAMED)
    return get_args(named.annotation)[1] if named else None
