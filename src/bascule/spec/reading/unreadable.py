"""What is in a wrong spec where a value could not be read: nothing can be concluded from it.

Whatever uses an `UNREADABLE` stops with `IsUnreadable`. A check that does so reports nothing: it would report
something that only follows from a problem that is already reported.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NoReturn, ParamSpec, TypeVar

__all__ = ["UNREADABLE", "readable"]

P = ParamSpec("P")
T = TypeVar("T")
COMPARING = ("eq", "ne", "lt", "le", "gt", "ge", "hash", "bool", "contains")
CALCULATING = ("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "neg", "float", "int", "index")
SHOWING = ("str", "repr", "format", "fspath")
LOOKING_INSIDE = ("getattr", "getitem", "iter", "len", "call")


class IsUnreadable(Exception):
    """A value was used that could not be read."""


def _refuse(*_: object) -> NoReturn:
    raise IsUnreadable


_uses = [f"__{use}__" for use in (*COMPARING, *CALCULATING, *SHOWING, *LOOKING_INSIDE)]
_asked_by_isinstance = {"__class__": property(_refuse)}
UNREADABLE: Any = type("Unreadable", (), dict.fromkeys(_uses, _refuse) | _asked_by_isinstance)()


def readable(check: Callable[P, Iterator[T]]) -> Callable[P, Iterator[T]]:
    """A check that ends where it meets a value that could not be read."""

    @functools.wraps(check)
    def run(*arguments: P.args, **named: P.kwargs) -> Iterator[T]:
        with suppress(IsUnreadable):
            yield from check(*arguments, **named)

    return run
