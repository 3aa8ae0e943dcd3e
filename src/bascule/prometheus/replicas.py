"""Several Prometheus that scrape the same targets, behind one address: each series is there once per replica.

Expressions are rewritten so that the replicas' label is gone where the series are read, before anything is added up: of
what the replicas say, the largest value counts, so that what one of them missed is not lost. Raw samples are those of
one replica; of another where that one is silent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bascule.prometheus.matrix import Matrix, labels_of

Floats = NDArray[np.float64]
SILENT = 2.5  # times the usual seconds between samples
SKEW_SECONDS = 5.0  # by which the clocks of replicas may differ

# ---------------------------------------------------------------- expressions

_TOKENS = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)|(?P<comment>\#[^\n]*)|(?P<number>\d[\w.]*)"""
    r"""|(?P<name>[a-zA-Z_:$][\w:]*)|(?P<space>\s+)|(?P<other>.)""",
    re.DOTALL,
)
_LABELS_FOLLOW = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_WORDS = _LABELS_FOLLOW | {"and", "or", "unless", "atan2", "bool", "offset", "inf", "nan"}
_OF_SAMPLES = {"timestamp"}  # tells of a sample what an aggregate has no more
_CLOSING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def merged_expression(expression: str, label: str) -> str:
    """The same expression, in which each series is read without `label`: `max without (label) (…)`."""
    tokens = [
        _Token(str(found.lastgroup), found[0], found.start())
        for found in _TOKENS.finditer(expression)
        if found.lastgroup not in ("space", "comment")
    ]
    written, done = [], 0
    for start, end in sorted(set(_Reader(tokens).spans())):
        if start >= done:  # a function that reads two ranges is one
            written += [expression[done:start], f"max without ({label}) (", expression[start:end], ")"]
            done = end
    return "".join([*written, expression[done:]])


@dataclass
class _Reader:
    """Where, in an expression, what reads series begins and ends."""

    tokens: list[_Token]
    at: int = 0
    calls: list[tuple[_Token | None, int]] = field(default_factory=list)  # a function's name; the index of its bracket

    def spans(self) -> Iterator[tuple[int, int]]:
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.kind == "name" and token.text.lower() in _LABELS_FOLLOW:
                self.at = self._after(self.at + 1) if self._text(self.at + 1) == "(" else self.at + 1
            elif token.text == "[":
                self.at = self._after(self.at)  # of a subquery
            elif self._is_selector():
                yield self._read()
            else:
                self._note_bracket(token)
                self.at += 1

    def _note_bracket(self, token: _Token) -> None:
        if token.text == "(":
            before = self.tokens[self.at - 1] if self.at else None
            is_call = before is not None and before.kind == "name" and before.text.lower() not in _WORDS
            self.calls.append((before if is_call else None, self.at))
        elif token.text == ")" and self.calls:
            self.calls.pop()

    def _is_selector(self) -> bool:
        token, following = self.tokens[self.at], self._text(self.at + 1)
        if token.text == "{":
            return True
        is_name = token.kind == "name" and token.text.lower() not in _WORDS and not token.text.startswith("$")
        before = self._text(self.at - 1) if self.at else ""
        return is_name and following != "(" and following not in ("by", "without") and before != "@"

    def _read(self) -> tuple[int, int]:
        """A selector, or the function that it is read by: of a range, and where its samples' times are asked for."""
        start = self.tokens[self.at].start
        end = self.at if self.tokens[self.at].text != "{" else self.at - 1
        end = self._after(end + 1) - 1 if self._text(end + 1) == "{" else end
        is_range = self._text(end + 1) == "[" and not self._is_subquery(end + 1)
        self.at = self._after(end + 1) if is_range else self._after_modifiers(end + 1)
        name, bracket = self.calls[-1] if self.calls else (None, -1)
        if name is not None and (is_range or name.text in _OF_SAMPLES):
            return name.start, self.tokens[self._after(bracket) - 1].end
        return start, self.tokens[self.at - 1].end

    def _after_modifiers(self, at: int) -> int:
        """Behind `offset 5m` and `@ …`, in any order."""
        while self._text(at) in ("offset", "@"):
            at += 2 if self._text(at + 1) != "-" else 3
            if self._text(at) == "(":
                at = self._after(at)
        return at

    def _is_subquery(self, at: int) -> bool:
        return any(":" in token.text for token in self.tokens[at : self._after(at)])

    def _after(self, at: int) -> int:
        """The index behind the bracket that closes the one at `at`."""
        opening = self._text(at)
        depth = 0
        for index in range(at, len(self.tokens)):
            text = self.tokens[index].text if self.tokens[index].kind == "other" else ""
            depth += (text == opening) - (text == _CLOSING.get(opening))
            if depth == 0:
                return index + 1
        return len(self.tokens)

    def _text(self, at: int) -> str:
        return self.tokens[at].text if 0 <= at < len(self.tokens) else ""


# ---------------------------------------------------------------- raw samples


def merged(matrix: Matrix, label: str) -> Matrix:
    """The same series without `label`: the samples of the first replica, and of others where it is silent."""
    groups: dict[tuple[tuple[str, str], ...], list[tuple[str, Floats, Floats]]] = {}
    for written, times, values in matrix.rows():
        labels = labels_of(written)
        replica = labels.pop(label, "")
        groups.setdefault(tuple(sorted(labels.items())), []).append((replica, times, values))
    return Matrix.of((dict(key), *_joined(sorted(parts, key=lambda part: part[0]))) for key, parts in groups.items())


def _joined(parts: list[tuple[str, Floats, Floats]]) -> tuple[Floats, Floats]:
    (_, times, values), *others = parts
    for _, more_times, more_values in others:
        times, values = _filled(times, values, more_times, more_values)
    return times, values


def _filled(times: Floats, values: Floats, others: Floats, other_values: Floats) -> tuple[Floats, Floats]:
    """A replica's samples, and in its gaps those of another."""
    usual = max((float(np.median(np.diff(each))) for each in (times, others) if len(each) > 1), default=np.inf)
    if not len(times) or not len(others) or np.isinf(usual):
        return (times, values) if len(times) else (others, other_values)
    gap = np.searchsorted(times, others)
    before = np.concatenate([others[:1] - usual, times])[gap]
    after = np.concatenate([times, others[-1:] + usual])[gap]
    fills = (after - before > SILENT * usual) & (others - before > usual / 2) & (after - others > usual / 2)
    every = np.concatenate([times, others[fills]])
    order = np.argsort(every, kind="stable")
    own = np.arange(len(every)) < len(times)
    return _without_falls(every[order], np.concatenate([values, other_values[fills]])[order], own[order])


def _without_falls(times: Floats, values: Floats, own: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Where one replica follows another, a smaller value is the skew of their clocks, not a restart."""
    joins = np.flatnonzero(own[1:] != own[:-1]) + 1
    falls = [k for k in joins if values[k] < values[k - 1] and times[k] - times[k - 1] < SKEW_SECONDS]
    return np.delete(times, falls), np.delete(values, falls)
