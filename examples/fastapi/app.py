"""A FastAPI service, two uvicorn workers, one `/metrics` for both.

PROMETHEUS_MULTIPROC_DIR=/tmp/shop-metrics python app.py --port 8000
"""

import argparse
import os
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Header, WebSocket

from bascule.instrument import Instrument
from bascule.instrument.multiprocess import start_afresh

app = FastAPI()
instrument = Instrument(version="v2", config=Path(__file__).parents[1] / "instrument.json")
application = instrument.asgi(app)


@app.get("/jobs/{job}")
def job(job: int) -> dict[str, int]:
    return {"job": job}


@app.post("/api/v2/match")
def match(x_user_segment: Annotated[str, Header()] = "freemium") -> dict[str, float]:
    instrument.record_match_result("v2", "nexten", x_user_segment, accuracy=0.93, success=True, value=12.5)
    return {"accuracy": 0.93}


@app.get("/broken")
def broken() -> None:
    raise RuntimeError("as every service does now and then")


@app.websocket("/live")
async def live(socket: WebSocket) -> None:
    await socket.accept()
    await socket.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8000)
    port = parser.parse_args().port
    if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        start_afresh()
    uvicorn.run("app:application", host="127.0.0.1", port=port, workers=2, log_level="warning")
