"""YAML that others wrote: of bounded size, depth and number of values, aliases counted in full.

A key is in a mapping once. Whatever else is wrong is a `DocumentError`, which names the file, the line and the fix.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bascule.errors import UsageError

__all__ = [
    "NOT_AS_TAGGED",
    "DocumentError",
    "DocumentLimits",
    "read_yaml",
    "read_yaml_as_text",
    "read_yamls",
    "text_of",
    "yaml_nodes",
]

LONGEST_NUMBER = 400  # characters; reading a longer one takes the square of its length
# Whole, hexadecimal, decimal, and `1:30:00`, which YAML 1.1 takes for a number; a line feed may end it
_NUMBER = re.compile(r"[-+]?(0x[0-9a-fA-F_]+|[0-9_.:]+([eE][-+]?[0-9]+)?)\n?")
_NUMBER_TAGS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")  # `!!int` and `!!float`
# What PyYAML raises for `!!bool maybe`, `!!int _`, `!!timestamp 1` and the like, besides its own errors
NOT_AS_TAGGED = (LookupError, AttributeError, ArithmeticError, TypeError, ValueError)


@dataclass(frozen=True)
class DocumentLimits:
    """Of one document. `size`: characters; `values`: what an alias refers to counts again each time."""

    size: int = 16 << 20
    depth: int = 100
    values: int = 1_000_000


LIMITS = DocumentLimits()


class DocumentError(UsageError):
    """A document that is not read. `problem`: what is wrong, without the place; `line` counts from 1."""

    def __init__(self, name: Path | str, line: int, problem: str, fix: str) -> None:
        super().__init__(f"{name}:{line}: {problem}", fix)
        self.line = line
        self.problem = problem


def text_of(path: Path, limits: DocumentLimits = LIMITS) -> str:
    """A file's text. Raises OSError, UnicodeDecodeError, and DocumentError for one that is too large."""
    with path.open(encoding="utf-8") as file:
        text = file.read(limits.size + 1)
    _refuse_large(text, path, limits)
    return text


def read_yaml(text: str, name: Path | str, limits: DocumentLimits = LIMITS) -> Any:
    """The value of a text with one document; None where there is none. Raises DocumentError."""
    return _only(_values(text, name, limits, _Values), name)


def read_yamls(text: str, name: Path | str, limits: DocumentLimits = LIMITS) -> list[Any]:
    """The values of all documents of a text. Raises DocumentError."""
    return list(_values(text, name, limits, _Values))


def read_yaml_as_text(text: str, name: Path | str, limits: DocumentLimits = LIMITS) -> Any:
    """The same as `read_yaml`, with every plain value as it is written: `0x60` is not a number here."""
    return _only(_values(text, name, limits, yaml.CBaseLoader), name)


def yaml_nodes(text: str, name: Path | str, limits: DocumentLimits = LIMITS) -> yaml.Node | None:
    """The nodes of a text with one document, with their places; duplicate keys are left to the caller."""
    _refuse_large(text, name, limits)
    try:
        return _Nodes(text, _Counted(name, limits)).get_single_node()
    except (yaml.YAMLError, RecursionError) as error:
        raise _unreadable(name, error) from error


def _values(text: str, name: Path | str, limits: DocumentLimits, kind: Any) -> Iterator[Any]:
    _check(text, name, limits)
    try:
        loader = kind(text)
        while loader.check_node():
            node = loader.get_node()
            _refuse_duplicates(node, name, set())
            yield loader.construct_document(node)
    except (yaml.YAMLError, RecursionError, *NOT_AS_TAGGED) as error:
        raise _unreadable(name, error) from error


class _Values(yaml.CSafeLoader):
    """Makes values of nodes, and says where one is not what its tag says."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if node.tag in _NUMBER_TAGS and not isinstance(node, yaml.ScalarNode):  # `!!int {=: 1}` is one to PyYAML
            raise _not_as_tagged(node)
        try:
            return super().construct_object(node, deep)
        except NOT_AS_TAGGED as error:
            raise _not_as_tagged(node) from error


def _not_as_tagged(node: yaml.Node) -> yaml.YAMLError:
    what = f"this is no {node.tag.rpartition(':')[2]}"
    return yaml.constructor.ConstructorError(None, None, what, node.start_mark)


def _only(values: Iterator[Any], name: Path | str) -> Any:
    found = next(values, None)
    for _ in values:
        raise DocumentError(name, 1, "more than one document", "keep one of them: `---` begins another")
    return found


def _unreadable(name: Path | str, error: Exception) -> DocumentError:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error)
    return DocumentError(name, mark.line + 1 if mark else 1, f"not YAML: {what}", "fix the YAML syntax")


# ---------------------------------------------------------------- what is refused before anything is made of it


def _refuse_large(text: str, name: Path | str, limits: DocumentLimits) -> None:
    if len(text) > limits.size:
        what = f"more than {limits.size:,} characters"
        raise DocumentError(name, 1, what, "check that this is the right file")


def _check(text: str, name: Path | str, limits: DocumentLimits) -> None:
    """Go through the events, which costs no more than the text is long, whatever its aliases refer to."""
    _refuse_large(text, name, limits)
    counted = _Counted(name, limits)
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            counted.take(event)
    except (yaml.YAMLError, ValueError) as error:
        raise _unreadable(name, error) from error


class _Counted:
    """How deep the present value is, and how many values there are so far; of each anchor, how many values it has."""

    def __init__(self, name: Path | str, limits: DocumentLimits) -> None:
        self._name = name
        self._limits = limits
        self._values = 0
        self._open: list[tuple[str | None, int]] = []  # anchor, and the values before it
        self._behind: dict[str | None, int] = {}  # anchor -> values

    def take(self, event: yaml.Event) -> None:
        match event:
            case yaml.AliasEvent():
                is_of_itself = event.anchor in [anchor for anchor, _ in self._open]
                self._add(event, self._limits.values if is_of_itself else self._behind.get(event.anchor, 0))
            case yaml.ScalarEvent():
                self._add(event, 1)
                self._refuse_long_number(event)
                self._note(event.anchor, 1)
            case yaml.CollectionStartEvent():
                self._open.append((event.anchor, self._values))
                self._add(event, 1)
            case yaml.CollectionEndEvent():
                anchor, before = self._open.pop()
                self._note(anchor, self._values - before)

    def _add(self, event: yaml.Event, values: int) -> None:
        self._values += values
        if len(self._open) > self._limits.depth or self._values > self._limits.values:
            fix = "write it without YAML aliases (&, *)"
            raise DocumentError(self._name, _line(event), "nested too deeply, or too large", fix)

    def _note(self, anchor: str | None, values: int) -> None:
        if anchor is not None:
            self._behind[anchor] = values

    def _refuse_long_number(self, event: yaml.ScalarEvent) -> None:
        is_tagged = event.tag in _NUMBER_TAGS
        is_number = is_tagged or (event.implicit[0] and _NUMBER.fullmatch(event.value))
        if len(event.value) > LONGEST_NUMBER and is_number:
            fix = f"write at most {LONGEST_NUMBER} characters"
            raise DocumentError(self._name, _line(event), "a number of too many digits", fix)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


class _Nodes(yaml.SafeLoader):
    """Makes nodes of events that are counted. It takes more than the loader in C, such as half a surrogate pair."""

    def __init__(self, text: str, counted: _Counted) -> None:
        super().__init__(text)
        self._counted = counted

    def get_event(self) -> yaml.Event:
        event: yaml.Event = super().get_event()  # type: ignore[no-untyped-call]
        self._counted.take(event)
        return event


def _refuse_duplicates(node: yaml.Node, name: Path | str, seen: set[int]) -> None:
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        keys = set[str]()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in keys:
                    what = f"duplicate key {key.value!r}"
                    raise DocumentError(name, key.start_mark.line + 1, what, "keep one of the two")
                keys.add(key.value)
            _refuse_duplicates(value, name, seen)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicates(item, name, seen)
