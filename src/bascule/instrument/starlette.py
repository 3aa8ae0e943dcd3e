"""Starlette and FastAPI: the template of the route that answered, through mounts and included routers.

Read from the ASGI scope that they fill in; neither is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any

from bascule.conventions import UNKNOWN
from bascule.instrument.requests import IMPLIED_METHODS

Scope = MutableMapping[str, Any]

_FULL = 2  # starlette.routing.Match.FULL


def route_template(scope: Scope) -> str:
    """Such as `/jobs/{job}`; `unknown` where no route matched."""
    if "app_root_path" in scope:  # inside a mount: the route knows only the rest of its path
        return _matched_again(scope)
    return _path(scope) or _matched_again(scope)


def declared_routes(routes: Iterable[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each (template, method) of the application's own routes; FastAPI's pages about itself are none."""
    for route in routes:
        if included := getattr(route, "effective_route_contexts", None):  # FastAPI's included router
            yield from declared_routes(included(), prefix)
        elif getattr(route, "include_in_schema", True):
            shown = getattr(route, "starlette_route", None) or route
            path = prefix + getattr(shown, "path", "")
            yield from declared_routes(getattr(shown, "routes", None) or (), path)
            methods = set(getattr(shown, "methods", None) or ()) - IMPLIED_METHODS
            yield from ((path, method) for method in sorted(methods))


def _path(scope: Scope) -> str | None:
    """The matched route's own path. FastAPI keeps an included router's whole path beside the route."""
    included = scope["fastapi"].get("effective_route_context") if "fastapi" in scope else None
    route = getattr(included, "starlette_route", None) or included or scope.get("route")
    path: str | None = getattr(route, "path", None)
    return path


def _matched_again(scope: Scope) -> str:
    """For what the scope does not tell: mounts, and versions of Starlette that do not keep the route."""
    router = scope.get("router")
    if router is None:
        return UNKNOWN
    outer = {key: value for key, value in scope.items() if key in ("type", "method", "path", "headers")}
    outer["root_path"] = scope.get("app_root_path", scope.get("root_path", ""))
    return "".join(_templates(router.routes, outer, _path(scope) or "")) or UNKNOWN


def _templates(routes: list[Any], scope: Scope, innermost: str) -> list[str]:
    """The template of each mount on the way, and of the route; empty where the way ends without a route.

    `innermost` stands for a route that has no path of its own, which is FastAPI's included router.
    """
    for route in routes:
        match, child = route.matches(scope)
        if match.value == _FULL:
            own = getattr(route, "path", innermost)
            nested = getattr(route, "routes", None)
            rest = _templates(nested, {**scope, **child}, innermost) if nested else [""]
            return [own, *rest] if rest else []
    return []
