"""Finding what free text calls by a name: `user_id=u1`, `"user_id": ["u1", "u2"]`, `user_id IN ('u1')`, `?user_id=u1&`.

A value may be quoted, a list or another bracketed thing at any depth, escaped as in JSON within JSON, or plain. A plain
one ends at a blank. Where more words are before the next name, it is unknown how many of them are the value: then
each beginning is taken for one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote, unquote_plus

Replace = Callable[[str], str]

_PATH = r"(?>\.[\w-]+|\[\w*\]|%5B\w*%5D)*+"  # what may follow a name: an inner key, or PHP's brackets
_QUOTE = r"""(?:\\{0,8}["'`]|&quot;)"""  # with the backslashes of JSON within JSON
_LISTED = rf"{_QUOTE}\s*,\s*(?={_QUOTE})"
_ASSIGNED = rf"{_QUOTE}?\]?\s*+(?P<sign>=>|->|:=|==|=|:|%3D|%3A|>)\s*|{_LISTED}|\s+(?:in|like)\s+(?=[(\['\"])"
_OPENS = re.compile(r"""[\[({]|[A-Za-z_][\w.]*\((?=["'\[({])""")  # a bracket, or a constructor of something in one
# A backslash of the value is twice as many as a quote of it needs: an end quote is behind such pairs alone.
_PAIRS = r"(?<!\\)(?:(?P=escape){2}\\\\)*+"
_OPENING = r"""(?P<quote>(?P<escape>\\{0,8})(?:["'`]|&quot;))"""
_QUOTED = re.compile(rf"{_OPENING}(?P<inner>.*?{_PAIRS})(?:(?P=quote)|\Z)", re.DOTALL)
_PLAIN = re.compile(r"""[^\s"'`&,;|}\])<]+""")
_INNER = re.compile(rf"""{_QUOTED.pattern}|[^\s"'`,;:=()\[\]{{}}\\]+""", re.DOTALL)
_BRACKETS = re.compile(rf"{_QUOTED.pattern}|[\[\](){{}}]", re.DOTALL)
_NOBODY = frozenset(("", "-", "null", "None", "nil", "undefined", "true", "false", "True", "False"))
# Up to three more words, where another name or the end of a bracket follows them.
_MORE = re.compile(r"""((?: [^\s"'`&,;=:()\[\]{}<>]+){1,3})(?= [\w.@-]+=|[,;&] ?["']?[\w.-]+["']?[=:]|[})\]])""")
_NEXT = re.compile(rf"(?P<comma>[,;|])(?P<value>{_PLAIN.pattern})")
_CAPITALS = re.compile(r"(?: [A-Z][\w'-]*){1,3}")
_CLOSING = {"[": "]", "(": ")", "{": "}"}


@dataclass(frozen=True)
class Scrubber:
    """Replaces the values that texts give to any of `names`; case does not matter, nor a plural's `s`."""

    names: Sequence[str]
    replace: Replace

    @cached_property
    def _name(self) -> re.Pattern[str]:
        names = "|".join(map(re.escape, self.names))
        return re.compile(rf"(?<![A-Za-z0-9_])(?:{names})s?{_PATH}(?:{_ASSIGNED})", re.IGNORECASE)

    def scrub(self, text: str) -> str:
        """The text with every such value replaced."""
        parts: list[str] = []
        here = 0
        while found := self._name.search(text, here):
            in_query = text[max(0, found.start() - 1) : found.start()] in ("?", "&")
            end, value = self._value(text, found.end(), unquote_plus if in_query else unquote, found["sign"])
            parts += (text[here : found.end()], value)
            here = end
        return "".join([*parts, text[here:]])

    def scrub_value(self, text: str) -> str:
        """The value of a column: all of it without its quotes, or what is in its brackets."""
        if (found := _QUOTED.fullmatch(text)) and not _OPENS.match(found["inner"]):
            return self._one(_unescaped(found["inner"], found["quote"].count("\\")))
        return self._all_in(text) if _OPENS.match(text) else self._one(text)

    def _value(self, text: str, here: int, decode: Replace, sign: str) -> tuple[int, str]:
        """Where the value at `here` ends, and what takes its place. `sign` is what is before it."""
        if _OPENS.match(text, here):
            end = _end_of_brackets(text, here)
            return end, self._all_in(text[here:end])
        if found := _QUOTED.match(text, here):
            return found.end(), self._quoted(found)
        if not (plain := _PLAIN.match(text, here)):
            return here, ""
        if more := self._more_words(text, plain):
            words = (plain[0] + more).split(" ")
            begun = [" ".join(words[:number]) for number in range(1, len(words) + 1)]
            return plain.end() + len(more), " ".join(map(self._one, begun))
        end, parts = plain.end(), [self._one(decode(plain[0]))]
        while (next_one := _NEXT.match(text, end)) and (sign or "=") not in next_one["value"]:
            end = next_one.end()
            parts.append(next_one["comma"] + self._one(decode(next_one["value"])))
        return end, "".join(parts)

    def _more_words(self, text: str, plain: re.Match[str]) -> str:
        """Words behind a plain value that may belong to it."""
        if more := _MORE.match(text, plain.end()):
            return more[1]
        more = _CAPITALS.match(text, plain.end()) if plain[0][0].isupper() else None
        return more[0] if more else ""

    def _quoted(self, found: re.Match[str]) -> str:
        quote, inner = found["quote"], found["inner"]
        changed = self._all_in(inner) if _OPENS.match(inner) else self._one(_unescaped(inner, quote.count("\\")))
        return f"{quote}{changed}{quote if found.end('inner') < found.end() else ''}"

    def _all_in(self, text: str) -> str:
        """A bracketed text with all that is in it replaced; a constructor's name stays."""
        start = _OPENS.match(text)
        begin = start.end() if start else 0
        return text[:begin] + _INNER.sub(lambda found: self._inner(found[0]), text[begin:])

    def _inner(self, text: str) -> str:
        found = _QUOTED.fullmatch(text)
        return self._quoted(found) if found else self._one(text)

    def _one(self, value: str) -> str:
        return value if value in _NOBODY else self.replace(value)


def _unescaped(text: str, backslashes: int) -> str:
    """What a string's inside means, where its quotes have so many backslashes."""
    for _ in range(backslashes.bit_length() + 1):
        if "\\" not in text:
            break
        try:
            text = str(json.loads(f'"{text}"'))
        except ValueError:  # Python's or a shell's
            text = re.sub(r"\\(.)", r"\1", text)
    return text


def _end_of_brackets(text: str, here: int) -> int:
    """Behind the bracket that closes the first one from `here` on; the text's end where none does."""
    awaited: list[str] = []
    for token in _BRACKETS.finditer(text, here):
        if token[0] in _CLOSING:
            awaited.append(_CLOSING[token[0]])
        elif awaited and token[0] == awaited[-1]:
            awaited.pop()
            if not awaited:
                return token.end()
    return len(text)
