"""A refusal as a page: a browser that follows a wrong link shows what is wrong and the way back."""

from __future__ import annotations

import asyncio
import json

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bascule.console.render import Renderer
from bascule.console.signing import Reception


class ProblemPages:
    """Turns the JSON of a refused GET into a page, where a browser asks for one; the status stays."""

    def __init__(self, app: ASGIApp, renderer: Renderer, reception: Reception) -> None:
        self._app = app
        self._renderer = renderer
        self._reception = reception

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not _wants_page(scope):
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, _Turning(self, scope, receive, send))

    async def page(self, start: Message, body: bytes, scope: Scope) -> HTMLResponse:
        told, status = json.loads(body), start["status"]
        viewer = await asyncio.to_thread(self._reception.viewer, Request(scope))
        html = self._renderer.problem(status, str(told.get("error", "")), str(told.get("fix", "")), viewer)
        return HTMLResponse(html, status, _kept(start))


class _Turning:
    """Holds a refusal back until it is whole; lets everything else pass."""

    def __init__(self, problems: ProblemPages, scope: Scope, receive: Receive, send: Send) -> None:
        self._problems, self._scope, self._receive, self._send = problems, scope, receive, send
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_refusal(message):
            self._start = message
        elif self._start:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                page = await self._problems.page(self._start, self._body, self._scope)
                await page(self._scope, self._receive, self._send)
        else:
            await self._send(message)


def _wants_page(scope: Scope) -> bool:
    return "text/html" in Request(scope).headers.get("accept", "")


def _kept(start: Message) -> dict[str, str]:
    """The headers that are not about the JSON."""
    return {name: value for name, value in MutableHeaders(scope=start).items() if not name.startswith("content-")}


def _is_refusal(start: Message) -> bool:
    kind = MutableHeaders(scope=start).get("content-type", "")
    return start["status"] >= 400 and kind.startswith("application/json")
