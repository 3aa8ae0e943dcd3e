"""What a rule of a group has recorded is read by the rules after it, where they would compute the same again.

In one evaluation of a group a recorded series is what its expression is, so that nothing else changes. vmalert writes
what it records without waiting: there each rule computes its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import replace

import promql_parser

from bascule.generate.prometheus.rules import Group, Recording


def shared(groups: Iterable[Group]) -> list[Group]:
    """The same groups, in which nothing is computed again that the group recorded; each name is recorded here alone."""
    groups = list(groups)
    names = Counter(rule.name for group in groups for rule in group.recordings)
    once = {name for name, number in names.items() if number == 1}
    return [_shared(group, once) for group in groups]


def _shared(group: Group, once: Set[str]) -> Group:
    """`once`: the names that a single rule records, which needs no labels of its own to be told apart."""
    known: dict[str, str] = {}  # how it is read, by what is recorded as an operand is written
    rules = []
    for rule in group.rules:
        expr = rule.expr
        for computed in sorted(known, key=len, reverse=True):
            expr = expr.replace(computed, known[computed])
        rules.append(replace(rule, expr=expr))
        if isinstance(rule, Recording) and (rule.labels or rule.name in once) and (operand := _operand(rule.expr)):
            known.setdefault(operand, _read(rule))
    return replace(group, rules=tuple(rules))


def _operand(expr: str) -> str:
    """As it is written within another expression; empty for a constant."""
    match promql_parser.parse(expr):
        case promql_parser.Call(args=[promql_parser.NumberLiteral()]):
            return ""
        case promql_parser.Call() | promql_parser.AggregateExpr():
            return expr
        case _:
            return f"({expr})"


def _read(rule: Recording) -> str:
    """The recorded series, without what its rule adds to the labels."""
    if not rule.labels:
        return rule.name
    where = ",".join(f'{label}="{value}"' for label, value in sorted(rule.labels.items()))
    return f"max without ({', '.join(sorted(rule.labels))}) ({rule.name}{{{where}}})"
