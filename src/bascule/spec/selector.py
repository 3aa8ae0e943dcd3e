"""PromQL vector selectors a spec names its signals with, and what the rest of the house makes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any

import promql_parser
from pydantic import BeforeValidator, PlainSerializer

_OPERATORS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}


@dataclass(frozen=True)
class Matcher:
    """One condition on a label: `status=~"5.."`."""

    label: str
    operator: str
    value: str

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.label}{self.operator}"{escaped}"'


@dataclass(frozen=True)
class Selector:
    """An instant vector selector, such as `http_requests_total{status=~"5.."}`."""

    metric: str
    matchers: tuple[Matcher, ...] = ()

    @classmethod
    def parse(cls, text: Any) -> Selector:
        if isinstance(text, cls):
            return text
        try:
            tree = promql_parser.parse(str(text))
        except ValueError as error:
            raise ValueError(f"{text!r} is not PromQL: {error}") from error
        if not isinstance(tree, promql_parser.VectorSelector) or tree.offset or tree.at:
            raise ValueError(f'{text!r} is not a plain selector; write it like name{{label="value"}}')
        return cls(*_parts(tree))

    def where(self, *matchers: Matcher, **labels: str) -> Selector:
        """The same selector, narrowed by further matchers or equalities."""
        more = tuple(Matcher(label, "=", value) for label, value in labels.items())
        return replace(self, matchers=self.matchers + matchers + more)

    def named(self, metric: str) -> Selector:
        """The same matchers on another metric, such as a histogram's `_bucket`."""
        return replace(self, metric=metric)

    def over(self, window: str) -> str:
        return f"{self}[{window}]"

    def __str__(self) -> str:
        inside = ",".join(map(str, self.matchers))
        return f"{self.metric}{{{inside}}}" if inside else self.metric


def _parts(tree: promql_parser.VectorSelector) -> tuple[str, tuple[Matcher, ...]]:
    matchers = tuple(Matcher(m.name, _OPERATORS[str(m.op).rsplit(".", 1)[-1]], m.value) for m in tree.matchers.matchers)
    if tree.name:
        return tree.name, matchers
    name = next((m.value for m in matchers if m.label == "__name__" and m.operator == "="), "")
    if not name:
        raise ValueError("a selector needs a metric name")
    return name, tuple(m for m in matchers if m.label != "__name__")


def parse_matchers(text: Any) -> tuple[Matcher, ...]:
    """The matchers of `job="a",env="prod"`."""
    if isinstance(text, tuple):
        return text
    return Selector.parse(f"x{{{text}}}").matchers


SelectorField = Annotated[Selector, BeforeValidator(Selector.parse), PlainSerializer(str, return_type=str)]
MatchersField = Annotated[
    tuple[Matcher, ...],
    BeforeValidator(parse_matchers),
    PlainSerializer(lambda matchers: ",".join(map(str, matchers)), return_type=str),
]
