"""A journal that says one step of the plan, or does not answer, without a server."""

from __future__ import annotations

from typing import Any

import httpx

from bascule.api import IncidentsClient
from bascule.spec import Spec


def client(
    spec: Spec, step: tuple[int, float] | None, compared: dict[str, Any] | None = None, **plan: Any
) -> IncidentsClient:
    """`step`: number, and when it began in Unix seconds; None: nobody answers. `plan`: what else it says of it."""

    def answer(request: httpx.Request) -> httpx.Response:
        if step is None:
            raise httpx.ConnectError("Connection refused")
        if request.url.path.endswith("comparison"):
            return httpx.Response(200, json={"at": step[1], "verdict": compared})
        return httpx.Response(200, json={"number": step[0], "share": 0.5, "started": step[1]} | plan)

    return IncidentsClient(spec, transport=httpx.MockTransport(answer))
