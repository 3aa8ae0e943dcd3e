"""Regular expressions matched against many lines in bounded time.

RE2 (Arrow's) does it in time linear in the line, without holding the interpreter's lock. What RE2 lacks (look-around,
atomic groups, back-references) is left out of a first pass, which so lets too many lines through; these alone are
matched by a backtracking engine, each for a limited time. The usual expensive line, which does not match, costs little.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc
import regex

LINE_SECONDS = 0.05  # of the backtracking engine, for one line
CALL_SECONDS = 1.0  # likewise, for all lines of one call

_TOKEN = re.compile(
    r"(?P<escaped>\\.)|(?P<set>\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\])|(?P<look>\(\?<?[=!])|(?P<atomic>\(\?>)"
    r"|(?P<back>\(\?P=\w+\))|(?P<special>\(\?[^)]*?[:>)])|(?P<group>\()|(?P<close>\))|(?P<possessive>[*+?}]\+)|.",
    re.DOTALL,
)


class TooCostly:
    """What a match is that took too long."""


Match = dict[str, str] | TooCostly | None  # the groups' texts; "" where a group took no part


def relaxed(expression: str) -> tuple[str, bool]:
    """The expression as RE2 takes it, and whether it means the same; if not, it matches more."""
    parts: list[str] = []
    exact, depth, looking = True, 0, 0  # `looking`: the depth at which a look-around that is left out began
    for token in _TOKEN.finditer(expression):
        kind, text = token.lastgroup, token[0]
        opens = kind in ("look", "atomic", "group") or (kind == "special" and text[-1] != ")")
        depth += opens - (kind == "close")
        if looking:
            looking = 0 if depth < looking else looking
            continue
        if kind == "look":
            looking, exact = depth, False
        elif kind == "back" or (kind == "escaped" and text[1] in "123456789"):
            exact = False
            parts.append(".*?")
        elif kind in ("atomic", "possessive"):
            exact = False
            parts.append("(?:" if kind == "atomic" else text[0])
        else:
            parts.append("(?:" if kind == "group" else r"\z" if text == r"\Z" else text)
    return "".join(parts), exact


@dataclass(frozen=True)
class RegexMatcher:
    """One expression, which must cover a whole line. Its groups have names."""

    expression: str

    @cached_property
    def is_linear(self) -> bool:
        """Whether every line takes time linear in its length; else each has `LINE_SECONDS` at the most."""
        return relaxed(self.expression)[1] and self._whole is not None

    @cached_property
    def _whole(self) -> str | None:
        """What RE2 is given; None where it cannot take it."""
        pattern = f"^(?:{relaxed(self.expression)[0]})$"
        try:
            pc.extract_regex(pa.array([], pa.string()), pattern)
        except pa.ArrowInvalid:
            return None
        return pattern

    @cached_property
    def _exact(self) -> regex.Pattern[str]:
        return regex.compile(self.expression)

    def match(self, lines: Sequence[str]) -> list[Match]:
        """For each line: what its groups hold, None where it does not match, or that it is too costly."""
        if not self.is_linear:
            return self._backtracked(lines, self._candidates(lines))
        found = self._linear(lines)
        wide = [place for place, line in enumerate(lines) if not line.isascii()] if self._knows_words else []
        again = self._backtracked(lines, wide) if wide else []
        for place in wide:
            found[place] = again[place]
        return found

    def _linear(self, lines: Sequence[str]) -> list[Match]:
        texts = pa.array(lines, pa.string())
        found = pc.extract_regex(texts, self._whole)
        if found.type.num_fields == 0:
            return [{} if fits else None for fits in pc.match_substring_regex(texts, self._whole).to_pylist()]
        return found.to_pylist()  # type: ignore[no-any-return]

    @cached_property
    def _knows_words(self) -> bool:
        """Whether it asks for letters, of which RE2 knows those of ASCII alone."""
        return re.search(r"\\[bBwW]", self.expression) is not None

    def _candidates(self, lines: Sequence[str]) -> list[int]:
        if self._whole is None:
            return list(range(len(lines)))
        fits = pc.match_substring_regex(pa.array(lines, pa.string()), self._whole).to_pylist()
        wide = self._knows_words
        return [place for place, fit in enumerate(fits) if fit or (wide and not lines[place].isascii())]

    def _backtracked(self, lines: Sequence[str], candidates: Sequence[int]) -> list[Match]:
        """The shorter lines first, so that the expensive ones do not take the others' time."""
        result: list[Match] = [None] * len(lines)
        end = time.monotonic() + CALL_SECONDS
        for place in sorted(candidates, key=lambda place: len(lines[place])):
            left = min(LINE_SECONDS, end - time.monotonic())
            result[place] = self._backtrack(lines[place], left) if left > 0 else TooCostly()
        return result

    def _backtrack(self, line: str, seconds: float) -> Match:
        try:
            found = self._exact.fullmatch(line, timeout=seconds, concurrent=True)
        except TimeoutError:
            return TooCostly()
        return found.groupdict("") if found else None
