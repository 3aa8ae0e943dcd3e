"""Django: tells the WSGI or ASGI middleware around the application which route matched.

# settings.py
MIDDLEWARE = ["bascule.instrument.django.route_middleware", ...]

# wsgi.py (asgi.py alike)
application = instrument.wsgi(get_wsgi_application())
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any

from django.core.handlers.wsgi import get_path_info  # type: ignore[import-untyped,import-not-found,unused-ignore]
from django.http import HttpRequest  # type: ignore[import-untyped,import-not-found,unused-ignore]
from django.urls import Resolver404, resolve  # type: ignore[import-untyped,import-not-found,unused-ignore]
from django.utils.decorators import (  # type: ignore[import-untyped,import-not-found,unused-ignore]
    sync_and_async_middleware,
)

from bascule.instrument.describe import ROUTES_KEY, matchers


@sync_and_async_middleware  # type: ignore[untyped-decorator,unused-ignore]
def route_middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Django middleware; put it first, so that answers of the others are known by their route as well."""
    if match_again not in matchers:
        matchers.append(match_again)
    if iscoroutinefunction(get_response):

        async def marked_later(request: HttpRequest) -> Any:
            try:
                return await get_response(request)
            finally:  # also where it is cancelled, because the client has left
                _mark(request)

        return marked_later

    def marked(request: HttpRequest) -> Any:
        try:
            return get_response(request)
        finally:
            _mark(request)

    return marked


def _mark(request: HttpRequest) -> None:
    if request.resolver_match is not None:
        outside = getattr(request, "scope", request.META)  # the ASGI scope, or the WSGI environ
        outside.get(ROUTES_KEY, []).append(_template(request.resolver_match))


def match_again(outside: Any) -> str:
    """The route of a request that Django did not route: its upload was cut, or another middleware answered it."""
    try:
        return _template(resolve(_path(outside)))
    except Resolver404:
        return ""


def _path(outside: Any) -> str:
    if "PATH_INFO" in outside:
        return str(get_path_info(outside))
    return str(outside["path"]).removeprefix(outside.get("root_path", ""))


def _template(match: Any) -> str:
    return f"/{match.route}"
