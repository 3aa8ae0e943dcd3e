"""What the middleware of both interfaces is made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import AnyStr, Generic, TypeVar

from bascule.instrument.requests import Requests

App = TypeVar("App")


class Middleware(Generic[App, AnyStr]):
    """`metrics` answers `path`; User-Agents that begin with one of `uncounted` are served, and not counted."""

    def __init__(
        self, app: App, requests: Requests, metrics: App, path: str | None, uncounted: Iterable[AnyStr]
    ) -> None:
        self._app = app
        self._requests = requests
        self._metrics = metrics
        self._path = path
        self._uncounted: tuple[AnyStr, ...] = tuple(uncounted)
