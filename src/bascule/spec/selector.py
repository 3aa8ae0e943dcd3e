"""PromQL vector selectors a spec names its signals with, and what the rest of the house makes of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Annotated, Any

import promql_parser
from pydantic import AfterValidator, BeforeValidator, PlainSerializer

from bascule.patterns import fits
from bascule.spec.re2 import refusal

LONGEST = 10_000  # characters of a selector
MOST_NAMES, LONGEST_NAME = 1000, 1000  # that a pattern may spell; characters of it
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_DOTTED = re.compile(r"\s*[a-zA-Z_][\w:]*[./-][\w:./-]*(?=\s*(\{|$))")
# Names that are words of PromQL where they are alone: in braces they are names.
_NO_NAMES = {"on", "ignoring", "group_left", "group_right", "bool", "inf", "nan", "and", "or", "unless", "atan2"}
_SPECIAL = re.compile(r'["\\\x00-\x1f\x7f]')
_BYTE = re.compile(r"(?:[^\\]|^)(?:\\\\)*(\\(?:x[89a-fA-F][0-9a-fA-F]|[23][0-7]{2}))")
_STRING = re.compile(r"""(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)|#[^\n]*""", re.DOTALL)
_CHOICE = re.compile(r"\(([^()]*)\)|\[([^\]^-]*)\]")
_OPERATORS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}


def _escaped(found: re.Match[str]) -> str:
    return {"\n": "\\n", '"': '\\"', "\\": "\\\\"}.get(found[0]) or f"\\x{ord(found[0]):02x}"


def is_name(text: str) -> bool:
    """Whether it is the name of a metric that every PromQL takes without quotes."""
    return _NAME.fullmatch(text) is not None


def _quoted_name(text: str) -> NotSelector:
    if is_name(name := text[1:-1]):
        return NotSelector(f"{text} is quoted, but a name is expected here; remove the quotes")
    return needs_quotes(name)


def needs_quotes(name: str) -> NotSelector:
    """The refusal of a name in other letters, which Prometheus 3 takes in quotes."""
    return NotSelector(
        f"{name!r} needs quotes in PromQL, and Bascule reads plain names only; store it with underscores: write "
        "`metric_name_escaping_scheme: underscores` into Prometheus' scrape job"
    )


class NotSelector(ValueError):
    """Text that is no selector, and why."""


@dataclass(frozen=True)
class Matcher:
    """One condition on a label: `status=~"5.."`."""

    label: str
    operator: str
    value: str

    def accepts(self, value: str) -> bool:
        """Whether a label of this value, or an absent one (empty), is wanted."""
        if self.operator in ("=", "!="):
            return (value == self.value) is (self.operator == "=")
        return fits(self.value, value) is (self.operator == "=~")

    def __str__(self) -> str:
        return f'{self.label}{self.operator}"{_SPECIAL.sub(_escaped, self.value)}"'


@dataclass(frozen=True)
class Selector:
    """An instant vector selector, such as `http_requests_total{status=~"5.."}`.

    Where a version is in the metric's name, `metric` is a pattern such as `shop_(v1|v2)_requests_total`.
    """

    metric: str
    matchers: tuple[Matcher, ...] = ()

    @classmethod
    def parse(cls, text: Any) -> Selector:
        if isinstance(text, cls):
            return text
        if not isinstance(text, str):
            raise NotSelector(f'{text!r} is not a selector; write it like name{{label="value"}}')
        _check_length(text)
        try:
            tree = promql_parser.parse(text)
        except ValueError as error:
            if dotted := _DOTTED.match(text):
                raise needs_quotes(dotted[0]) from error
            raise NotSelector(f'{text!r} is not PromQL: {error}; write it like name{{label="value"}}') from error
        if not isinstance(tree, promql_parser.VectorSelector) or tree.offset is not None or tree.at is not None:
            raise NotSelector(f'{text!r} is not a plain selector; write it like name{{label="value"}}')
        _refuse_strings(text)
        return cls(*_parts(tree))

    @classmethod
    def of_node(cls, tree: promql_parser.VectorSelector) -> Selector:
        """A selector within a parsed expression. Raises NotSelector."""
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

    @property
    def is_plain(self) -> bool:
        """One metric by its name, not a pattern of names."""
        return _NAME.fullmatch(self.metric) is not None

    def is_of(self, name: str) -> bool:
        """Whether a metric of this name is wanted."""
        return name == self.metric if self.is_plain else fits(self.metric, name)

    @property
    def names(self) -> list[str]:
        """The metric's name; of a pattern, every name that its alternatives spell."""
        return list(_spelled(self.metric))

    def __str__(self) -> str:
        if not self.is_plain or self.metric.lower() in _NO_NAMES:
            operator = "=" if self.is_plain else "=~"
            return "{" + ",".join(map(str, (Matcher("__name__", operator, self.metric), *self.matchers))) + "}"
        inside = ",".join(map(str, self.matchers))
        return f"{self.metric}{{{inside}}}" if inside else self.metric


def _check_length(text: str) -> None:
    """A pattern of a megabyte takes the parser gigabytes."""
    if len(text) > LONGEST:
        raise NotSelector(f"{text[:40]!r}... is longer than {LONGEST} characters; write a shorter pattern")


def _spelled(pattern: str) -> Iterator[str]:
    choice = _CHOICE.search(pattern)
    if choice is None:
        yield pattern
        return
    parts = choice[1].split("|") if choice[1] is not None else list(choice[2])
    for part in parts:
        yield from _spelled(pattern[: choice.start()] + part + pattern[choice.end() :])


def _parts(tree: promql_parser.VectorSelector) -> tuple[str, tuple[Matcher, ...]]:
    matchers = _matchers(tree)
    if tree.name:
        return tree.name, matchers
    named = next((m for m in matchers if m.label == "__name__" and m.operator in ("=", "=~")), None)
    if named is None or not named.value:
        raise NotSelector('a selector needs a metric name; write it like name{label="value"}')
    if named.operator == "=" and not _NAME.fullmatch(named.value):
        raise needs_quotes(named.value)
    if len(named.value) > LONGEST_NAME or len(list(islice(_spelled(named.value), MOST_NAMES + 1))) > MOST_NAMES:
        raise NotSelector(f"the pattern spells more than {MOST_NAMES} names of metrics; write a narrower one")
    return named.value, tuple(m for m in matchers if m is not named)


def _matchers(tree: promql_parser.VectorSelector) -> tuple[Matcher, ...]:
    """Every matcher. Raises NotSelector for what the parser takes, and Prometheus does not or takes otherwise."""
    if tree.matchers.or_matchers:
        raise NotSelector("'or' between matchers is not PromQL; write one pattern, such as status=~\"5..|429\"")
    return tuple(_matcher(m.name, _OPERATORS[str(m.op).rsplit(".", 1)[-1]], m.value) for m in tree.matchers.matchers)


def _matcher(label: str, operator: str, value: str) -> Matcher:
    if not _LABEL.fullmatch(label):
        raise needs_quotes(label)
    if operator in ("=~", "!~") and (why := refusal(value)):
        raise NotSelector(f"{label}{operator}{value!r}: {why}")
    return Matcher(label, operator, value)


def _refuse_strings(text: str) -> None:
    """Strings that the parser takes and Prometheus 2 does not, or not as the same letters."""
    for found in _STRING.finditer(text):
        if found["string"] and text[: found.start()].rstrip()[-1:] not in ("=", "~"):
            raise _quoted_name(found[0])
        if found["string"] and (byte := _BYTE.search(found[0])):
            raise NotSelector(f"{byte[1]!r} is an incomplete character; write the character itself")


def parse_matchers(text: Any) -> tuple[Matcher, ...]:
    """The matchers of `job="a",env="prod"`, or of `__name__=~".*_v2_.*"`."""
    if isinstance(text, tuple):
        return text
    _check_length(str(text))
    try:
        tree = promql_parser.parse(f"{{{text}\n}}")  # on a line of its own, so that no comment hides the end
    except ValueError as error:
        raise NotSelector(f'{text!r} are not label matchers: {error}; write them like job="shop-v2"') from error
    if not isinstance(tree, promql_parser.VectorSelector) or tree.offset is not None or tree.at is not None:
        raise NotSelector(f'{text!r} are not label matchers; write them like job="shop-v2"')
    _refuse_strings(str(text))
    return _matchers(tree)


SelectorField = Annotated[Selector, BeforeValidator(Selector.parse), PlainSerializer(str, return_type=str)]


def _histogram(selector: Selector) -> Selector:
    """A histogram by its own name; each of its series has a suffix, and `le` names one of its buckets."""
    name = selector.metric
    if name.endswith("_bucket"):
        whole = name.removesuffix("_bucket")
        raise ValueError(f"{name} is one of the histogram's series, not its name; write {whole}, without _bucket")
    if any(matcher.label == "le" for matcher in selector.matchers):
        raise ValueError(f"le selects some buckets of {name}, and all are needed; remove le")
    return selector


HistogramField = Annotated[SelectorField, AfterValidator(_histogram)]  # `metric` of a signal that is a histogram
MatchersField = Annotated[
    tuple[Matcher, ...],
    BeforeValidator(parse_matchers),
    PlainSerializer(lambda matchers: ",".join(map(str, matchers)), return_type=str),
]
