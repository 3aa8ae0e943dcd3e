"""Matchers for the buckets of a histogram on one side of a bound, however a client writes the bounds.

PromQL compares labels as text, so the comparison of numbers is spelt out as a pattern. Clients write `100`, `100.0`,
`1e+08` (Go, Python) or `1.0E8` (Java).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bascule.spec.selector import Matcher

_ANY, _TAIL = "[0-9]*", "([.][0-9]*)?"


def up_to(bound: float) -> Matcher:
    """The buckets whose bound is at most `bound` (above zero)."""
    return Matcher("le", "=~", "|".join((*_below(bound), *_equal(bound))))


def from_up(bound: float) -> Matcher:
    """The buckets whose bound is at least `bound` (above zero), with that of all observations."""
    return Matcher("le", "!~", "|".join(_below(bound)))


def at(bound: float) -> Matcher:
    """The bucket of this bound (above zero)."""
    return Matcher("le", "=~", "|".join(_equal(bound)))


def _below(bound: float) -> Iterator[str]:
    mantissa, exponent = _scientific(bound)
    yield "-.*"
    yield from _less(_plain(bound), _ANY)
    if smaller := "|".join(_less(mantissa, "")):
        yield f"({smaller})[eE]{_signed(exponent)}"
    yield f"[0-9]{_TAIL}[eE]({_smaller(exponent)})"


def _equal(bound: float) -> Iterator[str]:
    mantissa, exponent = _scientific(bound)
    yield _same(_plain(bound))
    yield f"{_same(mantissa)}[eE]{_signed(exponent)}"


def _plain(number: float) -> str:
    return str(np.format_float_positional(number, trim="-"))


def _scientific(number: float) -> tuple[str, int]:
    mantissa, exponent = np.format_float_scientific(number, trim="-").split("e")
    return mantissa, int(exponent)


def _same(number: str) -> str:
    whole, _, fraction = number.partition(".")
    return f"{whole}[.]{fraction}0*" if fraction else f"{whole}([.]0*)?"


def _less(number: str, longer: str) -> Iterator[str]:
    """Decimals below `number`; `longer`: the pattern for a whole part of fewer digits is wanted, or empty."""
    whole, _, fraction = number.partition(".")
    if len(whole) > 1 and longer:
        yield f"[0-9]{{1,{len(whole) - 1}}}{_TAIL}"
    for at, digit in enumerate(whole):
        is_leading_one = digit == "1" and at == 0 and (len(whole) > 1 or not longer)  # no number begins with 0
        if digit != "0" and not is_leading_one:
            yield f"{whole[:at]}[0-{int(digit) - 1}]{_digits(len(whole) - at - 1)}{_TAIL}"
    for at, digit in enumerate(fraction):
        yield f"{whole}[.]{fraction[:at]}0*" if at else f"{whole}([.]0*)?"
        if digit != "0":
            yield f"{whole}[.]{fraction[:at]}[0-{int(digit) - 1}]{_ANY}"


def _digits(count: int) -> str:
    return f"[0-9]{{{count}}}" if count else ""


def _signed(exponent: int) -> str:
    return f"-0*{-exponent}" if exponent < 0 else f"[+]?0*{exponent}"


def _smaller(exponent: int) -> str:
    if exponent < 0:
        more = f"[{1 - exponent}-9]|" if exponent > -9 else ""
        return f"-0*({more}{'[1-9][0-9]' if exponent > -10 else '|'.join(map(str, range(1 - exponent, 100)))})"
    positive = "|".join(str(each) for each in range(exponent))
    return f"-[0-9]+|[+]?0*({positive})" if positive else "-[0-9]+"
