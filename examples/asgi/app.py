"""A plain ASGI service.

uvicorn app:application
"""

from pathlib import Path
from typing import Any

from bascule.instrument import Instrument

instrument = Instrument(version="v2", config=Path(__file__).parents[1] / "instrument.json")


async def shop(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})
        return
    if scope["path"] == "/broken":
        raise RuntimeError("as every service does now and then")
    if scope["path"] == "/api/v2/match":
        segment = dict(scope["headers"]).get(b"x-user-segment", b"freemium").decode()
        instrument.record_match_result("v2", "nexten", segment, accuracy=0.93, success=True, value=12.5)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b"{}"})


def template(scope: dict[str, Any]) -> str:
    """`/jobs/17` is counted as `/jobs/<int:job>`."""
    path: str = scope["path"]
    return "/jobs/<int:job>" if path.startswith("/jobs/") else path


application = instrument.asgi(shop, endpoint=template)
