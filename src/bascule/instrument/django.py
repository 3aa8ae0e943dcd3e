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

from django.http import HttpRequest  # type: ignore[import-untyped,import-not-found,unused-ignore]
from django.utils.decorators import (  # type: ignore[import-untyped,import-not-found,unused-ignore]
    sync_and_async_middleware,
)

from bascule.instrument.describe import ENDPOINT_KEY


@sync_and_async_middleware  # type: ignore[untyped-decorator,unused-ignore]
def route_middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Django middleware; put it first, so that answers of the others are known by their route as well."""
    if iscoroutinefunction(get_response):

        async def marked_later(request: HttpRequest) -> Any:
            response = await get_response(request)
            _mark(request)
            return response

        return marked_later

    def marked(request: HttpRequest) -> Any:
        response = get_response(request)
        _mark(request)
        return response

    return marked


def _mark(request: HttpRequest) -> None:
    if request.resolver_match is not None:
        outside = getattr(request, "scope", request.META)  # the ASGI scope, or the WSGI environ
        outside[ENDPOINT_KEY] = "/" + request.resolver_match.route
