"""Alertmanager's silences: planned work calls nobody."""

from __future__ import annotations

import re
from typing import Any

import httpx

from bascule import times
from bascule.errors import QueryRejected, Unreachable
from bascule.incidents.model import Window

_TIMEOUT = 5.0


def silence(url: str, window: Window) -> str:
    """Silence a window's services (all alerts when it names none); returns Alertmanager's id."""
    answer = _ask("POST", f"{url}/api/v2/silences", json=_body(window))
    return str(answer.json()["silenceID"])


def expire(url: str, identity: str) -> None:
    """End a silence; one that is gone already is as good."""
    _ask("DELETE", f"{url}/api/v2/silence/{identity}", fine=(404, 500))


def _body(window: Window) -> dict[str, Any]:
    services = "|".join(re.escape(name) for name in window.services)
    name, value = ("job", services) if services else ("alertname", ".+")
    return {
        "matchers": [{"name": name, "value": value, "isRegex": True, "isEqual": True}],
        "startsAt": times.rfc3339(window.starts, "milliseconds"),
        "endsAt": times.rfc3339(window.ends, "milliseconds"),
        "createdBy": window.who or "bascule",
        "comment": f"planned maintenance: {window.reason}",
    }


def _ask(method: str, url: str, fine: tuple[int, ...] = (), **body: Any) -> httpx.Response:
    try:
        with httpx.Client(timeout=_TIMEOUT, trust_env=False) as http:
            response = http.request(method, url, **body)
    except httpx.HTTPError as error:
        what = f"Alertmanager does not answer, so nothing was silenced: {error or type(error).__name__}"
        raise Unreachable(what, "start it, or add the window without a silence") from error
    if response.is_success or response.status_code in fine:
        return response
    raise QueryRejected(f"Alertmanager refused the silence: {response.text.strip()[:300]}", "check the window's times")
