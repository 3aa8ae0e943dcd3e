"""The right that each route needs. By default reading is `read` and everything else `change`; a route may say else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from bascule.transport import MIB

LARGEST = 1 * MIB  # bytes of a request's body, where the route says nothing else
READING = ("GET", "HEAD", "OPTIONS")
_RIGHT, _LARGEST, _MEDIA = "x-bascule-right", "x-bascule-largest-body", "x-bascule-body"
JSON = "application/json"


class Right(StrEnum):
    """Who may call a route."""

    OPEN = "open"  # anybody who can reach the port: health and metrics
    READ = "read"  # anybody on this machine's loopback; the operator's token or the console's cookie elsewhere
    ACT = "act"  # an operator at the console: the cookie with the page's own token; or the operator's token
    CHANGE = "change"  # the operator's token
    DELIVER = "deliver"  # Alertmanager's token, or the operator's


@dataclass(frozen=True)
class Need:
    """What a route needs: a right, and at most so many bytes of a body, of this media type."""

    right: Right
    largest: int = LARGEST
    media: str = JSON


def needs(right: Right, largest: int = LARGEST, media: str = JSON) -> dict[str, Any]:
    """For a route's decorator: `@app.post(path, **needs(Right.READ))`. It is in the OpenAPI document, too."""
    return {"openapi_extra": {_RIGHT: right.value, _LARGEST: largest, _MEDIA: media}}


def need_of(routes: Iterable[BaseRoute], scope: Scope) -> Need:
    """What the route of a request needs; where there is none, nothing can be changed."""
    for route in routes:
        if route.matches(scope)[0] is Match.FULL:
            return declared(route, scope["method"])
    return Need(Right.READ)


def declared(route: BaseRoute, method: str) -> Need:
    told = getattr(route, "openapi_extra", None) or {}
    if _RIGHT in told:
        return Need(Right(told[_RIGHT]), told[_LARGEST], told[_MEDIA])
    return Need(Right.READ if method in READING else Right.CHANGE)
