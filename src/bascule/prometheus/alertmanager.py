"""Posting alerts to Alertmanager's v2 API, and reading back what it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from bascule import times
from bascule.errors import QueryRejected, Unreachable


@dataclass(frozen=True)
class PostedAlert:
    """An alert as it is posted. Times are aware; `ends` in the past resolves it."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts: datetime
    ends: datetime
    source: str = ""


class Alertmanager:
    """A client of the v2 API. Raises Unreachable when no answer came, QueryRejected when it was refused."""

    def __init__(self, url: str, timeout: float = 5.0, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(base_url=self.url, timeout=timeout, transport=transport, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def post(self, alerts: Sequence[PostedAlert]) -> None:
        self._request("POST", "alerts", json=[_body(alert) for alert in alerts])

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts it holds, as the API gives them: with `labels` and `annotations`; a `startsAt` is a time."""
        response = self._request("GET", "alerts")
        try:
            return [_held(alert) for alert in response.json()]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            what = f"{self.url} answered with what is not Alertmanager's"
            raise QueryRejected(what, "check that this is the address of an Alertmanager") from error

    def _request(self, method: str, endpoint: str, **arguments: Any) -> httpx.Response:
        try:
            response = self._http.request(method, f"/api/v2/{endpoint}", **arguments)
        except httpx.HTTPError as error:
            what = f"Alertmanager at {self.url} does not answer: {error or type(error).__name__}"
            raise Unreachable(what, "check that it runs and that the address is right") from error
        if response.status_code >= 500:
            raise Unreachable(f"Alertmanager answered {response.status_code}: {response.text}", "try again later")
        if response.status_code >= 400:
            raise QueryRejected(f"Alertmanager answered {response.status_code}: {response.text}")
        return response


def _held(alert: dict[str, Any]) -> dict[str, Any]:
    if "startsAt" in alert:
        times.parse(alert["startsAt"])
    return {**alert, "labels": dict(alert["labels"]), "annotations": dict(alert.get("annotations") or {})}


def _body(alert: PostedAlert) -> dict[str, Any]:
    return {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": alert.starts.isoformat(),
        "endsAt": alert.ends.isoformat(),
        "generatorURL": alert.source,
    }
