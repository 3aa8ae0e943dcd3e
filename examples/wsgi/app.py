"""A plain WSGI service: paths are not labels unless they are declared or named by a callable.

gunicorn app:application
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bascule.instrument import Instrument

instrument = Instrument(version="v2", config=Path(__file__).parents[1] / "instrument.json")


def shop(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/broken":
        raise RuntimeError("as every service does now and then")
    if path == "/api/v2/match":
        segment = environ.get("HTTP_X_USER_SEGMENT", "freemium")
        instrument.record_match_result("v2", "nexten", segment, accuracy=0.93, success=True, value=12.5)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b"{}"]


def template(environ: dict[str, Any]) -> str:
    """`/jobs/17` is counted as `/jobs/<int:job>`."""
    path: str = environ["PATH_INFO"]
    return "/jobs/<int:job>" if path.startswith("/jobs/") else path


application = instrument.wsgi(shop, endpoint=template)
