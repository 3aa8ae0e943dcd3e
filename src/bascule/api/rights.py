"""The right that each route needs, and the lane in which it is worked on. By default reading is `read` and everything
else `change`; a route may say else."""

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
_RIGHT, _LARGEST, _MEDIA, _LANE = "x-bascule-right", "x-bascule-largest-body", "x-bascule-body", "x-bascule-lane"
JSON = "application/json"


class Right(StrEnum):
    """Who may call a route."""

    OPEN = "open"  # anybody who can reach the port: health and metrics
    READ = "read"  # anybody on this machine's loopback; the operator's token or the console's cookie elsewhere
    ACT = "act"  # an operator at the console: the cookie with the page's own token; or the operator's token
    CHANGE = "change"  # the operator's token
    DELIVER = "deliver"  # Alertmanager's token, or the operator's


class Lane(StrEnum):
    """How many requests of a lane a role works on at one time is in its `Limits`: the threads are shared by all."""

    FREE = "free"  # no limit: health, metrics and intake, and what is answered from memory
    READING = "reading"
    CHANGING = "changing"


_LANES = {Right.OPEN: Lane.FREE, Right.DELIVER: Lane.FREE, Right.READ: Lane.READING}  # the others change something


@dataclass(frozen=True)
class Need:
    """What a route needs: a right, at most so many bytes of a body, of this media type, and a turn in a lane."""

    right: Right
    largest: int = LARGEST
    media: str = JSON
    lane: Lane = Lane.FREE


NO_ROUTE = Need(Right.READ, largest=0)  # what no route takes: nobody reads its body


def needs(right: Right, largest: int = LARGEST, media: str = JSON, lane: Lane | None = None) -> dict[str, Any]:
    """For a route's decorator: `@app.post(path, **needs(Right.READ))`. It is in the OpenAPI document, too.

    `lane`: by default that of the right.
    """
    lane = lane or _LANES.get(right, Lane.CHANGING)
    return {"openapi_extra": {_RIGHT: right.value, _LARGEST: largest, _MEDIA: media, _LANE: lane.value}}


def need_of(routes: Iterable[BaseRoute], scope: Scope) -> Need:
    """What the route of a request needs; NO_ROUTE where there is none."""
    for route in routes:
        if route.matches(scope)[0] is Match.FULL:
            return declared(route, scope["method"])
    return NO_ROUTE


def declared(route: BaseRoute, method: str) -> Need:
    told = getattr(route, "openapi_extra", None) or {}
    if _RIGHT not in told:
        told = needs(Right.READ if method in READING else Right.CHANGE)["openapi_extra"]
    return Need(Right(told[_RIGHT]), told[_LARGEST], told[_MEDIA], Lane(told[_LANE]))
