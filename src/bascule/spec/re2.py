"""Regular expressions that Prometheus takes (RE2): what else parsers of other languages accept is refused by name."""

from __future__ import annotations

import re
from collections.abc import Iterator

_MOST_REPEATS = 1000
_CLASS = r"\[\^?\]?(?:\\(?:[dswDSW]|[tnrfv]|x[0-9a-fA-F]{2}|[^\w\s])|(?!&&|--|~~)[^\\\]\[])*\]"
_TOKEN = re.compile(
    rf"""
    (?P<repeat>[*+?]|\{{(?P<least>\d+)(?P<open>,(?P<most>\d*))?\}})\??
    |(?P<flags>\(\?[imsU]+(?:-[imsU]+)?\))
    |(?P<start>\((?:\?(?:P<\w+>|[imsU]*(?:-[imsU]+)?:))?)
    |(?P<end>\))
    |(?P<edge>[\^$]|\\[AbBz])
    |(?P<or>\|)
    |(?P<one>{_CLASS}|\\[dswDSW]|\\[tnrfv]|\\x[0-9a-fA-F]{{2}}|\\[^\w\s]|[^\\\[\](){{}}*+?|^$])
    """,
    re.VERBOSE | re.ASCII,
)


def refusal(pattern: str) -> str:
    """Why Prometheus might not take a pattern as it is meant; empty for one that it takes."""
    at, repeatable = 0, False
    while at < len(pattern):
        found = _TOKEN.match(pattern, at)
        if found is None:
            return f"{pattern[at : at + 6]!r} is not valid in Prometheus' regular expressions (RE2)"
        if found["repeat"] and not repeatable:
            return f"{found[0]!r} repeats nothing, or repeats a repetition"
        if found["least"] and not _is_small(found):
            return f"{found[0]!r} repeats more than {_MOST_REPEATS} times, or backwards"
        repeatable = bool(found["end"] or found["one"])
        at = found.end()
    return "; ".join(_by_python(pattern))


def _is_small(found: re.Match[str]) -> bool:
    least, most = int(found["least"]), int(found["most"] or found["least"])
    return least <= most <= _MOST_REPEATS


def _by_python(pattern: str) -> Iterator[str]:
    """Reports hold labels against patterns themselves."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        yield f"it is not a regular expression: {error}"
