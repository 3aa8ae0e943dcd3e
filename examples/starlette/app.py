"""A Starlette service.

uvicorn app:application
"""

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from bascule.instrument import Instrument

instrument = Instrument(version="v2", config=Path(__file__).parents[1] / "instrument.json")


async def job(request: Request) -> JSONResponse:
    return JSONResponse({"job": request.path_params["job"]})


async def match(request: Request) -> JSONResponse:
    segment = request.headers.get("x-user-segment", "freemium")
    instrument.record_match_result("v2", "nexten", segment, accuracy=0.93, success=True, value=12.5)
    return JSONResponse({"accuracy": 0.93})


async def broken(request: Request) -> JSONResponse:
    raise RuntimeError("as every service does now and then")


async def live(socket: WebSocket) -> None:
    await socket.accept()
    await socket.close()


routes = [
    Route("/jobs/{job:int}", job),
    Route("/api/v2/match", match, methods=["POST"]),
    Route("/broken", broken),
    WebSocketRoute("/live", live),
]
application = instrument.asgi(Starlette(routes=routes))
