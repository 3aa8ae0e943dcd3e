"""Where Prometheus writes to: `POST /api/v1/write`."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool

from bascule.api.rights import Right, needs
from bascule.conventions import WRITE_PATH
from bascule.judge.pushed.samples import PushedSamples
from bascule.transport import MIB

LARGEST_WRITE = 16 * MIB  # compressed


def add_receiver(app: FastAPI, samples: PushedSamples) -> None:
    @app.post(WRITE_PATH, status_code=204, **needs(Right.DELIVER, LARGEST_WRITE, "application/x-protobuf"))
    async def write(request: Request) -> Response:
        """Samples by the remote-write protocol, version 1."""
        await run_in_threadpool(samples.take, await request.body())
        return Response(status_code=204)
