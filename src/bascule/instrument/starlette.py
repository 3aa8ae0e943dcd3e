"""Starlette and FastAPI: the template of the route that answered, through mounts and included routers.

Read from the ASGI scope that they fill in, or matched again with the application's routes; neither is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import suppress
from functools import cached_property
from typing import Any

from bascule.instrument.requests import IMPLIED_METHODS

Scope = MutableMapping[str, Any]

_PARTIAL, _FULL = 1, 2  # of starlette.routing.Match; a partial match has another method
_MOST_SEARCHED = 200  # objects between the middleware and the routes


class StarletteRoutes:
    """The routes of an application, found when they are first needed."""

    def __init__(self, app: Any) -> None:
        self._app = app

    @cached_property
    def _router(self) -> Any:
        return _search(self._app)

    def template(self, scope: Scope) -> str:
        """Such as `/jobs/{job}`, from what the scope tells; "" where it takes another match, or nothing matched."""
        if "app_root_path" in scope:  # inside a mount: the route knows only the rest of its path
            return ""
        # FastAPI keeps an included router's whole path beside the route
        included = scope["fastapi"].get("effective_route_context") if "fastapi" in scope else None
        route = getattr(included, "starlette_route", None) or included or scope.get("route")
        return getattr(route, "path", None) or ""

    def match_again(self, scope: Scope) -> str:
        """For what the scope does not tell: mounts, scopes that a middleware copied, requests that were not routed."""
        router = scope.get("router") or self._router
        if router is None:
            return ""
        outer = {key: value for key, value in scope.items() if key in ("type", "method", "path", "headers")}
        outer["root_path"] = scope.get("app_root_path", scope.get("root_path", ""))
        return "".join(_matching(router.routes, outer))

    def declared(self) -> Iterator[tuple[str, str]]:
        """Each (template, method) of the application's own routes; FastAPI's pages about itself are none."""
        return _declared(self._router.routes) if self._router is not None else iter(())


def _search(app: Any) -> Any:
    """The object with routes behind whatever middleware, through its attributes and closures; None if there is none."""
    waiting = [app]
    for part in waiting:  # it grows meanwhile
        routes = getattr(part, "routes", None)
        if isinstance(routes, list) and all(hasattr(route, "matches") for route in routes):
            return part
        inner = [each for each in _inside(part) if callable(each) and not any(each is known for known in waiting)]
        waiting += inner[: _MOST_SEARCHED - len(waiting)]
    return None


def _inside(part: Any) -> Iterator[Any]:
    for value in getattr(part, "__dict__", {}).values():
        yield from value.values() if isinstance(value, dict) else (value,)
    for cell in getattr(part, "__closure__", None) or ():
        with suppress(ValueError):  # a variable that has no value yet
            yield cell.cell_contents


def _plain(routes: Iterable[Any]) -> Iterator[Any]:
    """Each route with a whole path: those of routers that FastAPI includes are apart from it."""
    for route in routes:
        if included := getattr(route, "effective_route_contexts", None):
            yield from _plain(included())
        else:
            yield getattr(route, "starlette_route", None) or route


def _declared(routes: Iterable[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for route in _plain(routes):
        if getattr(route, "include_in_schema", True):
            path = prefix + (getattr(route, "path", None) or "")
            yield from _declared(getattr(route, "routes", None) or (), path)
            methods = set(getattr(route, "methods", None) or ()) - IMPLIED_METHODS
            yield from ((path, method) for method in sorted(methods))


def _matching(routes: Iterable[Any], scope: Scope) -> list[str]:
    """The template of each mount on the way, and of the route; empty where the way ends without a route."""
    partly: list[str] = []
    for route in _plain(routes):
        match, child = route.matches(scope)
        if match.value == _FULL:
            return _way(route, {**scope, **child})
        if match.value == _PARTIAL and not partly:
            partly = _way(route, {**scope, **child})
    return partly


def _way(route: Any, scope: Scope) -> list[str]:
    nested = getattr(route, "routes", None)
    rest = _matching(nested, scope) if nested else [""]
    return [getattr(route, "path", None) or "", *rest] if rest else []
