"""Posting alerts to Alertmanager's v2 API, and reading back what it holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from bascule import times
from bascule.errors import BasculeError, QueryRejected, Unreachable
from bascule.patterns import fits
from bascule.several import Several, first_begun, told
from bascule.transport import NO_CREDENTIALS, Credentials, Http, HttpAnswer

WANTS = "it needs credentials: name their files under stack.access.alertmanager"


@dataclass(frozen=True)
class PostedAlert:
    """An alert as it is posted. Times are aware; `ends` in the past resolves it. `source`: a link to what raised it."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts: datetime
    ends: datetime
    source: str


@dataclass(frozen=True)
class HeldSilence:
    """A silence as Alertmanager holds it, ended ones too for some days. Times are Unix seconds."""

    id: str
    matchers: Sequence[Mapping[str, Any]]
    starts: float
    ends: float
    comment: str

    def covers(self, labels: Mapping[str, str], at: float) -> bool:
        return self.starts <= at < self.ends and all(_matches(matcher, labels) for matcher in self.matchers)


class Alertmanager:
    """A client of the v2 API. Raises Unreachable when no answer came, QueryRejected when it was refused."""

    def __init__(
        self,
        url: str,
        timeout: float = 5.0,
        transport: httpx.BaseTransport | None = None,
        credentials: Credentials = NO_CREDENTIALS,
    ) -> None:
        self._http = Http("Alertmanager", url, seconds=timeout, transport=transport, credentials=credentials)
        self.url = self._http.url

    def close(self) -> None:
        self._http.close()

    def post(self, alerts: Sequence[PostedAlert]) -> None:
        self._request("POST", "alerts", json=[_body(alert) for alert in alerts])

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts it holds, as the API gives them: with `labels` and `annotations`; a `startsAt` is a time."""
        answer = self._request("GET", "alerts")
        try:
            return [_held(alert) for alert in answer.json()]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._strange() from error

    def started(self) -> float:
        """Since when it runs (Unix seconds): it keeps alerts in memory, so it knows none from before."""
        answer = self._request("GET", "status")
        try:
            return times.parse(answer.json()["uptime"]).timestamp()
        except (KeyError, TypeError, ValueError) as error:
            raise self._strange() from error

    def silences(self) -> list[HeldSilence]:
        answer = self._request("GET", "silences")
        try:
            return [_silence(each) for each in answer.json()]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._strange() from error

    def silence(self, silence: Mapping[str, Any]) -> str:
        """Set a silence, as the API takes it; its id."""
        answer = self._request("POST", "silences", json=silence)
        try:
            return str(answer.json()["silenceID"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._strange() from error

    def expire(self, silence: str) -> None:
        """End a silence; one that is gone already is as good."""
        self._request("DELETE", f"silence/{silence}", fine=(404, 500))

    def _request(self, method: str, endpoint: str, fine: Collection[int] = (), **content: Any) -> HttpAnswer:
        answer = self._http.ask(method, f"/api/v2/{endpoint}", **content)
        if answer.is_success or answer.status in fine:
            return answer
        what = f"Alertmanager answered {answer.status}: {answer.text.strip()[:300]}"
        if answer.status >= 500:
            raise Unreachable(what, "try again later")
        raise QueryRejected(what, WANTS if answer.status in (401, 403) else "see Alertmanager's log")

    def _strange(self) -> QueryRejected:
        what = f"{self.url} gave an unexpected response"
        return QueryRejected(what, "check that this is the address of an Alertmanager")


class Alertmanagers:
    """Those that do the same work: the members of one cluster, which tell each other of silences, but not of alerts.

    Each must be sent every alert; the others hold what one has lost. Raises as one alone, where none has answered.
    """

    def __init__(self, members: Sequence[Alertmanager]) -> None:
        self._members = Several(members)

    @property
    def members(self) -> Sequence[Alertmanager]:
        return self._members.servers

    def close(self) -> None:
        self._members.close()
        for member in self.members:
            member.close()

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that any of them holds, as it began first."""
        held = (alert for alerts in told(self._members.ask(Alertmanager.alerts)) for alert in alerts)
        return first_begun(held, lambda alert: alert["labels"], _began)

    def started(self) -> float:
        """Since when all of them run, Unix seconds. Raises when one does not answer: it may hold what the others never
        had."""
        answers = self._members.ask(Alertmanager.started)
        for answer in answers:
            if isinstance(answer, BasculeError):
                raise answer
        return max(told(answers))

    def silences(self) -> list[HeldSilence]:
        answers = told(self._members.ask(Alertmanager.silences))
        return list({each.id: each for held in answers for each in held}.values())

    def silence(self, silence: Mapping[str, Any]) -> str:
        """Set a silence by one of them, which tells the others; its id."""
        errors = []
        for member in self.members:
            try:
                return member.silence(silence)
            except Unreachable as error:
                errors.append(error)
        raise errors[0]

    def expire(self, silence: str) -> None:
        """End a silence; one that is gone already is as good."""
        told(self._members.ask(lambda member: member.expire(silence)))


def _began(alert: Mapping[str, Any]) -> float:
    return times.parse(alert["startsAt"]).timestamp() if "startsAt" in alert else 0.0


def _held(alert: dict[str, Any]) -> dict[str, Any]:
    if "startsAt" in alert:
        times.parse(alert["startsAt"])
    return {**alert, "labels": dict(alert["labels"]), "annotations": dict(alert.get("annotations") or {})}


def _silence(told: Mapping[str, Any]) -> HeldSilence:
    starts, ends = (times.parse(told[name]).timestamp() for name in ("startsAt", "endsAt"))
    matchers = [_matcher(each) for each in told["matchers"]]
    return HeldSilence(str(told["id"]), matchers, starts, ends, str(told.get("comment", "")))


def _matcher(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """As Alertmanager gives it. Raises KeyError or TypeError for what is none."""
    return {**told, "name": str(told["name"]), "value": str(told["value"])}


def _matches(matcher: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """A label that is not there is as good as an empty one; a pattern that cannot be followed silences nothing."""
    value, wanted = labels.get(matcher["name"], ""), matcher["value"]
    try:
        is_it = fits(wanted, value) if matcher.get("isRegex") else value == wanted
    except QueryRejected:
        return False
    return is_it is bool(matcher.get("isEqual", True))


def _body(alert: PostedAlert) -> dict[str, Any]:
    return {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": alert.starts.isoformat(),
        "endsAt": alert.ends.isoformat(),
        "generatorURL": alert.source,
    }
