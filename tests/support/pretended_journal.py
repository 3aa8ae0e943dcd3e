"""A journal that says one step of the plan, or does not answer, without a server."""

from __future__ import annotations

import httpx

from bascule.api import IncidentsClient
from bascule.spec import Spec


def client(spec: Spec, step: tuple[int, float] | None) -> IncidentsClient:
    """`step`: number, and when it began in Unix seconds; None: nobody answers."""

    def answer(request: httpx.Request) -> httpx.Response:
        if step is None:
            raise httpx.ConnectError("Connection refused")
        return httpx.Response(200, json={"number": step[0], "share": 0.5, "started": step[1]})

    return IncidentsClient(spec, transport=httpx.MockTransport(answer))
