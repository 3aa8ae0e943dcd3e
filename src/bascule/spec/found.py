"""Classes that are known by standing in a folder: a new kind of something is a file, and nothing else names it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import TypeVar

T = TypeVar("T")


def classes_in(package: str, path: Iterable[str], base: type[T]) -> Iterator[type[T]]:
    """The classes derived from `base` that the modules of a package define; `path`: its `__path__`."""
    for found in iter_modules(path):
        module = import_module(f"{package}.{found.name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__:
                yield value
