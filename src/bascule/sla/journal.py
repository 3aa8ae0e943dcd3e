"""What the incidents role knows about a span: incidents, maintenance, steps of the plan. Asked over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from bascule.conventions import PARTNER, SEGMENT, VERSION
from bascule.errors import UsageError
from bascule.sla.report import Episode, Mark, Planned
from bascule.spec import Spec

_WHERE = ("job", VERSION, SEGMENT, PARTNER, "signal")


@dataclass(frozen=True)
class Journal:
    """`reached` False: nobody could be asked, which is not the same as nothing having happened."""

    reached: bool = False
    incidents: tuple[Episode, ...] = ()
    maintenance: tuple[Planned, ...] = ()
    marks: tuple[Mark, ...] = ()


def read_journal(url: str, start: float, end: float, timeout: float = 3.0) -> Journal:
    try:
        with httpx.Client(base_url=url, timeout=timeout, trust_env=False) as http:
            span = {"since": start, "until": end}
            incidents = _get(http, "/api/incidents", span)
            marks = _get(http, "/api/timeline", span)
            windows = _get(http, "/api/maintenance", span)
    except (httpx.HTTPError, ValueError):
        return Journal()
    return Journal(
        True,
        tuple(sorted((_episode(item) for item in incidents), key=lambda episode: (episode.start, episode.id))),
        tuple(_planned(item) for item in windows),
        tuple(Mark(item["at"], item["kind"], item["text"], item.get("who", "")) for item in marks),
    )


def _get(http: httpx.Client, path: str, params: Mapping[str, float]) -> list[dict[str, Any]]:
    response = http.get(path, params=dict(params))
    if response.status_code == 404:
        return []
    response.raise_for_status()
    items: list[dict[str, Any]] = response.json()
    return items


def _episode(item: Mapping[str, Any]) -> Episode:
    labels = item["labels"]
    where = " ".join(labels[name] for name in _WHERE if labels.get(name))
    return Episode(
        item["id"], item["alert"], item["severity"], item.get("kind", ""), where,
        item["starts"], (item.get("ends") or item["resolved"]) if item["resolved"] else None, item["summary"], item.get("acknowledged_by", ""),
    )  # fmt: skip


def _planned(item: Mapping[str, Any]) -> Planned:
    return Planned(item["starts"], item["ends"], item["reason"], tuple(item["services"]))


def declared(spec: Spec) -> tuple[Planned, ...]:
    """The maintenance windows that stand in the spec."""
    return tuple(Planned(_time(w.start), _time(w.end), w.reason, tuple(w.services)) for w in spec.maintenance)


def _time(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise UsageError(f"maintenance: {text!r} is not a time", "write 2026-01-31T22:00:00Z") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
