"""The syntax of dissect patterns, as Logstash writes them: fields between literal delimiters.

    %{timestamp} %{level} %{service} API_CALL user_id=%{user_id} ... status=%{status:int}

`%{}` and `%{?name}` are skipped, `%{+name}` right after its field joins the two, `%{name->}` swallows repeated
delimiters. A kind after a colon is one of `KINDS`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from bascule.logformat.fields import KINDS
from bascule.logformat.patterns import PatternError, check_text

_FIELD = re.compile(r"%\{([^}]*)\}")
_NAME = re.compile(r"^([?+]?)([A-Za-z_@][\w.@]*)?(->)?(?::(\w+))?$")


@dataclass(frozen=True)
class DissectPart:
    """One field as it is written, and the literal that ends it ("" for the last). `name` is "" for a skipped field."""

    name: str
    kind: str | None
    until: str
    padded: bool = False
    inner: tuple[str, ...] = ()  # delimiters inside the field, from %{+name}


def read_dissect(pattern: str) -> tuple[str, tuple[DissectPart, ...]]:
    """What a line starts with, and the fields; PatternError says where the pattern is wrong."""
    check_text(pattern)
    marks = list(_FIELD.finditer(pattern))
    if not marks:
        raise PatternError("no %{field} in the pattern", 1, "write fields as %{name}, such as %{timestamp} %{message}")
    parts: list[DissectPart] = []
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        until = pattern[mark.end() : following.start() if following else len(pattern)]
        if (open_brace := until.find("%{")) >= 0:
            raise PatternError("'%{' without its '}'", mark.end() + open_brace + 1, "close the field with }")
        if following and not until:
            raise PatternError("two fields with nothing between them", following.start() + 1, "put a delimiter there")
        _add(parts, mark, until)
    return pattern[: marks[0].start()], tuple(parts)


def _add(parts: list[DissectPart], mark: re.Match[str], until: str) -> None:
    match = _NAME.match(mark[1])
    if match is None:
        raise PatternError(f"%{{{mark[1]}}} is not a field", mark.start() + 1, "write %{name} or %{name:kind}")
    modifier, name, padded, kind = match.groups()
    if kind is not None and kind not in KINDS:
        raise PatternError(f"unknown kind {kind!r}", mark.start(1) + 1, f"one of {', '.join(KINDS)}")
    if modifier == "+":
        _join(parts, name, mark, until)
        return
    if name and any(part.name == name for part in parts):
        raise PatternError(f"duplicate field {name!r}", mark.start(1) + 1, "join with %{+name}, or skip with %{?name}")
    shown = "" if modifier == "?" else name or ""
    parts.append(DissectPart(shown, kind, until, bool(padded)))


def _join(parts: list[DissectPart], name: str | None, mark: re.Match[str], until: str) -> None:
    """`%{a} %{+a}` is one field that holds the delimiter between its parts."""
    if not parts or not name or parts[-1].name != name or parts[-1].padded:
        raise PatternError(f"%{{{mark[1]}}} does not follow its field", mark.start() + 1, "put it right after it")
    first = parts.pop()
    parts.append(replace(first, until=until, inner=(*first.inner, first.until)))
