"""What an expression reads: its vector selectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import promql_parser

from bascule.spec import Selector


def vector_selectors(expression: str) -> Iterator[promql_parser.VectorSelector]:
    """The parser's nodes of every selector, in the expression's order. Raises ValueError for what is not PromQL."""
    yield from _within(promql_parser.parse(expression))


def read_by(expression: str) -> list[Selector]:
    """The selectors of an expression, without offsets. Raises ValueError for what is not PromQL."""
    return [Selector.of_node(node) for node in vector_selectors(expression)]


def _within(node: Any) -> Iterator[promql_parser.VectorSelector]:
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("vector_selector", "expr", "param", "lhs", "rhs"):
        if (inner := getattr(node, name, None)) is not None:
            yield from _within(inner)
    for argument in getattr(node, "args", None) or []:
        yield from _within(argument)
