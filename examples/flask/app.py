"""A Flask service under gunicorn, two workers, one `/metrics` for both.

mkdir -p /tmp/shop-metrics
PROMETHEUS_MULTIPROC_DIR=/tmp/shop-metrics gunicorn -c gunicorn.conf.py app:app
"""

from pathlib import Path

from flask import Flask, request

from bascule.instrument import Instrument

app = Flask(__name__)
instrument = Instrument(version="v2", config=Path(__file__).parents[1] / "instrument.json")
instrument.init_flask(app)


@app.get("/jobs/<int:job>")
def job(job: int) -> dict[str, int]:
    return {"job": job}


@app.post("/api/v2/match")
def match() -> dict[str, float]:
    segment = request.headers.get("X-User-Segment", "freemium")
    instrument.record_match_result("v2", "nexten", segment, accuracy=0.93, success=True, value=12.5)
    return {"accuracy": 0.93}


@app.get("/broken")
def broken() -> None:
    raise RuntimeError("as every service does now and then")
