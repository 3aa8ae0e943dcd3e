"""What an expression reads: its vector selectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import promql_parser

from bascule.spec import Matcher, Selector

_MAKES_LABEL = ("label_replace", "label_join")  # the label is their second argument
_CONDITIONS = ("and", "unless")  # their right side lets values through, and gives none


def vector_selectors(expression: str) -> Iterator[promql_parser.VectorSelector]:
    """The parser's nodes of every selector, in the expression's order. Raises ValueError for what is not PromQL."""
    yield from _within(promql_parser.parse(expression))


def read_by(expression: str) -> list[Selector]:
    """The selectors of an expression, without offsets. Raises ValueError for what is not PromQL."""
    return [Selector.of_node(node) for node in vector_selectors(expression)]


def valued_by(expression: str, *result: Matcher) -> list[Selector]:
    """The selectors whose values the results with these labels are made of, each narrowed to what they rest on.

    Without those that are only a condition (`and`, `unless`, `absent`). Raises ValueError for what is not PromQL.
    """
    found = _valued(promql_parser.parse(expression), result)
    return [_narrowed(Selector.of_node(node), kept) for node, kept in found]


def _narrowed(selector: Selector, kept: tuple[Matcher, ...]) -> Selector:
    """By what it does not say itself already."""
    return selector.where(*(matcher for matcher in kept if matcher not in selector.matchers))


def _valued(
    node: Any, result: tuple[Matcher, ...]
) -> Iterator[tuple[promql_parser.VectorSelector, tuple[Matcher, ...]]]:
    if isinstance(node, promql_parser.VectorSelector):
        yield node, result
        return
    name = node.func.name if isinstance(node, promql_parser.Call) else ""
    if name.startswith("absent"):
        return
    if name in _MAKES_LABEL:
        result = tuple(matcher for matcher in result if matcher.label != node.args[1].val)
    is_condition = isinstance(node, promql_parser.BinaryExpr) and str(node.op) in _CONDITIONS
    for inner in [node.lhs] if is_condition else _parts(node):
        yield from _valued(inner, result)


def _within(node: Any) -> Iterator[promql_parser.VectorSelector]:
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for inner in _parts(node):
        yield from _within(inner)


def _parts(node: Any) -> list[Any]:
    named = (getattr(node, name, None) for name in ("vector_selector", "expr", "param", "lhs", "rhs"))
    return [inner for inner in (*named, *(getattr(node, "args", None) or [])) if inner is not None]
