"""More entries in the lists of a YAML file that people keep: everything else in it stays as they wrote it.

What is put in is between two comments, so that doing it again replaces what was put in before.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from bascule.documents import DocumentError, read_yaml, yaml_nodes
from bascule.errors import UsageError
from bascule.generate.render import plain_yaml

_BLOCK = "write it in block style, one key a line, and try again"


class Inserted:
    """A YAML file, with entries of `owner` in its lists. Raises UsageError for text that is not a YAML mapping."""

    def __init__(self, text: str, owner: str) -> None:
        self._begin, self._end = f"# Bascule's part for {owner}", f"# end of Bascule's part for {owner}"
        own = re.compile(rf"^ *{re.escape(self._begin)}\n.*?^ *{re.escape(self._end)}\n", re.MULTILINE | re.DOTALL)
        self.text = own.sub("", text if text.endswith("\n") or not text else f"{text}\n")

    @property
    def data(self) -> dict[str, Any]:
        """What the file holds now."""
        try:
            data = read_yaml(self.text, "the file")
        except DocumentError as error:
            raise UsageError(f"the file is not YAML: {error.problem}, line {error.line}", error.fix) from error
        if data is not None and not isinstance(data, dict):
            raise UsageError("the file is not a mapping of keys", "check that this is the right file")
        return data or {}

    def put_first(self, path: Sequence[str], items: Sequence[Any]) -> None:
        """Put items before the others of the list at `path`, which is made where it is missing."""
        if items:
            self._put(path, items)

    def put_keys(self, content: Mapping[str, Any]) -> None:
        """Put keys at the end of the file, which has none of them."""
        self.text += self._marked(dict(content), 0)

    def put_last(self, path: Sequence[str], items: Sequence[Any]) -> None:
        """Put items behind the others of the list at `path`, which is there and not empty."""
        node, _ = self._deepest(path)
        assert node is not None
        _must_be_block(node, path)
        lines, line = self.text.splitlines(), node.end_mark.line
        if self._is_written_before(node.end_mark):
            line += 1
        while not lines[line - 1].strip() or lines[line - 1].lstrip().startswith("#"):
            line -= 1
        self._insert_line(line, node.start_mark.column, items)

    def _is_written_before(self, mark: yaml.Mark) -> bool:
        """Whether something is on the mark's line before it."""
        return bool(self.text[mark.index - mark.column : mark.index].strip())

    def _put(self, path: Sequence[str], items: Sequence[Any]) -> None:
        node, rest = self._deepest(path)
        if rest and len(rest) == len(path):
            self.text += self._marked(_nested(rest, items), 0)
        elif node is not None and rest:
            _must_be_block(node, path)
            self._insert_line(self._line_of(node), node.start_mark.column, _nested(rest, items))
        elif isinstance(node, yaml.SequenceNode) and node.value:
            _must_be_block(node, path)
            self._insert_line(self._line_of(node), node.start_mark.column, items)
        elif node is not None:  # there, and empty
            block = self._marked(items, 2 * len(path))
            self.text = self.text[: node.start_mark.index].rstrip(" ") + "\n" + block + self._after(node)

    def _deepest(self, path: Sequence[str]) -> tuple[yaml.Node | None, Sequence[str]]:
        """The node that is there nearest to the path's end, and what is left of the path."""
        node = yaml_nodes(self.text, "the file") if self.data else None
        for depth, key in enumerate(path):
            if not isinstance(node, yaml.MappingNode):
                return node, path[depth:]
            found = next((value for name, value in node.value if name.value == key), None)
            if found is None:
                return node, path[depth:]
            node = found
        return node, ()

    def _after(self, node: yaml.Node) -> str:
        """The lines below an empty value."""
        return self.text[node.end_mark.index :].partition("\n")[2]

    def _line_of(self, node: yaml.Node) -> int:
        """Where a node begins, with the comments that are on it."""
        lines, line = self.text.splitlines(), node.start_mark.line
        while line and lines[line - 1].lstrip().startswith("#"):
            line -= 1
        return int(line)

    def _insert_line(self, line: int, column: int, content: Any) -> None:
        lines = self.text.splitlines(keepends=True)
        self.text = "".join([*lines[:line], self._marked(content, column), *lines[line:]])

    def _marked(self, content: Any, column: int) -> str:
        block = f"{self._begin}\n{plain_yaml(content)}{self._end}\n"
        return textwrap.indent(block, " " * column)


def _nested(path: Sequence[str], items: Sequence[Any]) -> Any:
    """`{a: {b: items}}` of the path a, b."""
    return items if not path else {path[0]: _nested(path[1:], items)}


def _must_be_block(node: yaml.Node, path: Sequence[str]) -> None:
    if getattr(node, "flow_style", False) or not isinstance(node, yaml.CollectionNode):
        raise UsageError(f"{'.'.join(path)} is written in a style that cannot be extended", _BLOCK)
