"""What a rule of a group has recorded is read by the rules after it, where they would compute the same again.

In one evaluation of a group a recorded series is what its expression is, so that nothing else changes. vmalert writes
what it records without waiting: there each rule computes its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import replace
from itertools import combinations

import promql_parser

from bascule.generate.prometheus.rules import Group, Recording

_SUM = re.compile(r"sum by \((?P<by>[\w, ]+)\) \(")


def shared(groups: Iterable[Group], given: Set[str] = frozenset()) -> list[Group]:
    """The same groups, in which nothing is computed again that the group recorded; each name is recorded here alone.

    `given`: the names of series that tests of alerts are given; of those none is computed from another.
    """
    groups = list(groups)
    names = Counter(rule.name for group in groups for rule in group.recordings)
    once = {name for name, number in names.items() if number == 1}
    return [_shared(group, once, given) for group in groups]


def _shared(group: Group, once: Set[str], given: Set[str]) -> Group:
    """`once`: the names that a single rule records, which needs no labels of its own to be told apart."""
    known: dict[str, tuple[str, str]] = {}  # how it is read, and its name, by what is recorded as an operand is written
    rules = []
    for rule in group.rules:
        expr = rule.expr
        for computed in sorted(known, key=len, reverse=True):
            reads, name = known[computed]
            if not (rule.name in given and name in given):
                expr = expr.replace(computed, reads)
        rules.append(replace(rule, expr=expr))
        if isinstance(rule, Recording) and (rule.labels or rule.name in once) and (operand := _operand(rule.expr)):
            for computed, reads in {**_coarser(rule), operand: _read(rule)}.items():
                known.setdefault(computed, (reads, rule.name))
    return replace(group, rules=tuple(rules))


def _coarser(rule: Recording) -> dict[str, str]:
    """What sums the same by fewer labels, where a rule is a sum by some: how each is read."""
    found = _SUM.match(rule.expr)
    if found is None or not isinstance(promql_parser.parse(rule.expr), promql_parser.AggregateExpr):
        return {}
    labels, inner = found["by"].split(", "), rule.expr[found.end() :]
    fewer = (", ".join(chosen) for size in range(1, len(labels)) for chosen in combinations(labels, size))
    return {f"sum by ({by}) ({inner}": f"sum by ({by}) ({_read(rule)})" for by in fewer}


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
