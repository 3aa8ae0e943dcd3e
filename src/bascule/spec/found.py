"""What is known by standing in a folder: a new kind of something is a file, and nothing else names it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")


def classes_in(package: str, path: Iterable[str], base: type[T]) -> Iterator[type[T]]:
    """The classes derived from `base` that the modules of a package define; `path`: its `__path__`."""
    for module in _modules(package, path):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__:
                yield value


def instances_in(package: str, path: Iterable[str], kind: type[T]) -> Iterator[T]:
    """The instances of `kind` that the modules of a package hold; `path`: its `__path__`."""
    for module in _modules(package, path):
        yield from (value for value in vars(module).values() if isinstance(value, kind))


def _modules(package: str, path: Iterable[str]) -> Iterator[ModuleType]:
    yield from (import_module(f"{package}.{found.name}") for found in iter_modules(path))
