"""A spec's YAML with the line of every key, so that every problem names its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bascule.documents import NOT_AS_TAGGED, DocumentError, DocumentLimits, yaml_nodes
from bascule.errors import Problem, SpecError

__all__ = ["Document", "Key"]

Key = tuple[str | int, ...]
LIMITS = DocumentLimits(size=4 << 20, depth=50, values=100_000)


@dataclass
class Document:
    """A YAML document, and what is wrong with it so far. Lines and columns count from 1."""

    path: Path | str
    content: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    lines: dict[Key, int] = field(default_factory=dict)
    columns: dict[Key, int] = field(default_factory=dict)  # of the values
    written: dict[Key, str] = field(default_factory=dict)  # how the file spells a key that was corrected

    @classmethod
    def read(cls, text: str, path: Path | str) -> Document:
        """Raises SpecError for a text in which no key can be told."""
        document = cls(path)
        node = document._composed(text)
        if not isinstance(node, yaml.MappingNode):
            fix = "start with apiVersion: bascule/v1; `bascule init` writes a starter"
            raise SpecError(path, [Problem("", "the file is not a mapping of keys", fix, 1)])
        document.content = document._mapping(node, ())
        return document

    def report(self, key: Key, what: str, fix: str = "", column: int = 0) -> None:
        """Note a problem at the line of a key, or of the closest enclosing key that is in the file.

        Without `fix`, what follows the last semicolon of `what` is the fix.
        """
        if not fix:
            what, _, fix = what.rpartition("; ") if "; " in what else (what, "", "")
        spelled = self._spelled(key)
        self.problems.append(Problem(".".join(map(str, spelled)), what, fix, self._line(spelled), column))

    def column(self, key: Key) -> int:
        """Where the value of a key begins."""
        return self.columns.get(self._spelled(key), 0)

    def _spelled(self, key: Key) -> Key:
        return tuple(self.written.get(key[: depth + 1], step) for depth, step in enumerate(key))

    def _line(self, key: Key) -> int:
        while key and key not in self.lines:
            key = key[:-1]
        return self.lines.get(key, 1)

    def _composed(self, text: str) -> yaml.Node | None:
        try:
            return yaml_nodes(text, self.path, LIMITS)
        except DocumentError as error:
            raise SpecError(self.path, [Problem("", error.problem, error.fix, error.line)]) from error

    def _value(self, node: yaml.Node, key: Key) -> Any:
        self.lines.setdefault(key, node.start_mark.line + 1)
        self.columns[key] = node.start_mark.column + 1
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, key)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*key, index)) for index, item in enumerate(node.value)]
        value = _scalar(node)
        if isinstance(value, str) and not _is_text(value):
            self._refuse(self.lines[key], key, "half of a surrogate pair is no character", "write the character itself")
            return value.encode("utf-8", "replace").decode()
        return value

    def _mapping(self, node: yaml.MappingNode, key: Key) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for name_node, value_node in node.value:
            line = name_node.start_mark.line + 1
            if not isinstance(name_node, yaml.ScalarNode):
                self._refuse(line, key, "a key is a list or a mapping", "write plain text")
                continue
            name = str(name_node.value).encode("utf-8", "backslashreplace").decode()
            if name in result:
                self._refuse(line, (*key, name), "duplicate key", "keep one of the two")
                continue
            self.lines[(*key, name)] = line
            result[name] = self._value(value_node, (*key, name))
        return result

    def _refuse(self, line: int, key: Key, what: str, fix: str) -> None:
        self.problems.append(Problem(".".join(map(str, key)), what, fix, line))


def _is_text(value: str) -> bool:
    """Whether it can be written; YAML's escapes can say what no file can hold."""
    try:
        value.encode()
        return True
    except UnicodeEncodeError:
        return False


def _scalar(node: yaml.Node) -> Any:
    """A value of YAML; times stay as they are written (`18:30` is not a number here, and every date is valid)."""
    is_time = node.tag.endswith(":timestamp") or ":" in node.value
    try:
        return node.value if is_time else yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, *NOT_AS_TAGGED):
        # `!!int seven` is reported where the value is used, as text that does not fit.
        return node.value
